// SPDX-License-Identifier: Apache-2.0

package decision

import (
	"context"
	"errors"
	"fmt"
	"sync"

	v1 "opendev.org/starlingx/portieris-armada-app/admission/api/v1"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/policy"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/reason"
)

// atOnce is how many images of one object are judged at the same time. It is
// also how many idle connections the transport keeps to one server.
const atOnce = 16

// Workload says for whom images are judged.
type Workload struct {
	Namespace      string
	PullSecrets    []string
	ServiceAccount string
	// DryRun asks that the decision leaves no trace.
	DryRun bool
}

// Judge decides about images.
type Judge struct {
	Policies Policies
	Secrets  Secrets
	Trust    Trust

	Signatures Signatures
}

// All judges the images of one workload, several at once and each only once,
// and returns the decisions in the order of the images, without duplicates.
func (j *Judge) All(ctx context.Context, workload Workload,
	images []string) []Decision {
	images = distinct(images)
	material := newMaterial(j.Secrets, workload)
	decisions := make([]Decision, len(images))
	slots := make(chan struct{}, atOnce)
	var all sync.WaitGroup
	for i, image := range images {
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			decisions[i] = j.one(ctx, material, image)
		})
	}
	all.Wait()
	return decisions
}

func distinct(images []string) []string {
	seen := map[string]bool{}
	var rest []string
	for _, image := range images {
		if !seen[image] {
			seen[image] = true
			rest = append(rest, image)
		}
	}
	return rest
}

// one judges one image. Whatever goes wrong becomes the denial, a panic in a
// verifier included: an image is admitted because it is trusted or not at all.
func (j *Judge) one(ctx context.Context, material *material,
	written string) (decision Decision) {
	decision.Image = written
	defer func() {
		if problem := recover(); problem != nil {
			decision.Denial = reason.New(reason.Internal,
				"the admission server failed: %v", problem)
		}
	}()
	if err := j.judge(ctx, material, &decision); err != nil {
		decision.Denial = denial(ctx, err)
		decision.Digest, decision.Replacement = "", ""
		decision.Notice = ""
	}
	return decision
}

// denial is the error as a denial; one that came of the deadline, and has no
// better name, says so.
func denial(ctx context.Context, err error) *reason.Denial {
	var known *reason.Denial
	if !errors.As(err, &known) && ctx.Err() != nil {
		return reason.Wrap(reason.Timeout, err,
			"no decision was reached in time: %v", err)
	}
	return reason.From(err)
}

func (j *Judge) judge(ctx context.Context, material *material,
	decision *Decision) error {
	image, err := policy.Parse(decision.Image)
	if err != nil {
		return err
	}
	set, err := j.Policies.Policies(material.workload.Namespace)
	if err != nil {
		return err
	}
	decision.Choice, err = policy.Choose(set, image)
	if err != nil {
		return err
	}
	rules := decision.Choice.Entry.Policy
	if rules == nil {
		return nil
	}
	if isTrue(rules.Vulnerability.ICCRVA.Enabled) {
		return reason.New(reason.VulnerabilityUnsupported,
			"%s asks for policy.vulnerability.ICCRVA, which this server "+
				"does not support; IBM's image, which image.repository can "+
				"name, is the server that does", decision.Choice.Source)
	}
	decision.Digest, err = j.simple(ctx, material, image, decision.Choice)
	if err != nil {
		return err
	}
	if isTrue(rules.Trust.Enabled) {
		trusted, err := j.trust(ctx, material, set, image, decision.Choice,
			&decision.Notice)
		if err != nil {
			return err
		}
		if decision.Digest != "" && decision.Digest != trusted {
			return reason.New(reason.DigestConflict,
				"Notary signs conflicting digest: %s, and the other "+
					"signatures %s", trusted, decision.Digest)
		}
		decision.Digest = trusted
	}
	if decision.Digest != "" && image.Digest == "" && mutates(rules) {
		decision.Replacement = image.WithDigest(decision.Digest)
	}
	return nil
}

func mutates(rules *v1.Policy) bool {
	return rules.MutateImage == nil || *rules.MutateImage
}

func isTrue(flag *bool) bool { return flag != nil && *flag }

// unreadable is the denial for a failed question to the Kubernetes API.
func unreadable(err error, format string, args ...any) error {
	return reason.Wrap(reason.KubernetesError, err, "%s: %v",
		fmt.Sprintf(format, args...), err)
}
