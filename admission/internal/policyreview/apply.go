// SPDX-License-Identifier: Apache-2.0

package policyreview

import (
	"context"
	"fmt"
	"strings"

	v1 "opendev.org/starlingx/portieris-armada-app/admission/api/v1"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/decision"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/policy"
)

// Reviewer reviews policies as they are applied to a cluster.
type Reviewer struct {
	Policies decision.Policies
	Secrets  decision.Secrets
	// Ready tells whether the policies have been read.
	Ready func() bool
	// Exempt tells whether everything is admitted in a namespace.
	Exempt func(namespace string) bool
}

// Applied says what is wrong with a policy that takes the place of another,
// or of none. What was wrong before may stay so: it is only warned of, so
// that a label can be set on any policy. So is what the API server drops: it
// will not be in the policy.
func (r *Reviewer) Applied(ctx context.Context, applied Policy,
	before *Policy) []Finding {
	if applied.Deleting || before != nil && applied.SameAs(*before) {
		return nil
	}
	applied.Dropped = nil
	found := Alone(applied)
	if before != nil {
		before.Dropped = nil
		forgive(found, Alone(*before))
	}
	found = append(dropped(applied, before), found...)
	if r.Ready() {
		found = append(found, r.inCluster(ctx, applied, before)...)
	}
	return found
}

// forgive makes warnings of the errors that were there before. The place does
// not count, since entries move.
func forgive(found, before []Finding) {
	was := map[string]bool{}
	for _, finding := range before {
		was[finding.Sentence] = true
	}
	for i := range found {
		found[i].Error = found[i].Error && !was[found[i].Sentence]
	}
}

// dropped says what kubectl apply was given that the API server has dropped.
// The policy itself shows nothing of it any more.
func dropped(applied Policy, before *Policy) []Finding {
	if applied.Applied == "" ||
		before != nil && before.Applied == applied.Applied {
		return nil
	}
	written, err := Read([]byte(applied.Applied))
	if err != nil {
		return nil
	}
	var all []Finding
	here := findings{applied.Source(), &all}
	for _, field := range written.Dropped {
		here.warn("Kubernetes has dropped the %s", where(field))
	}
	return all
}

// maxLookedUp is of how many entries the Secrets are looked up.
const maxLookedUp = 200

// inCluster says what will surprise in this cluster.
func (r *Reviewer) inCluster(ctx context.Context, applied Policy,
	before *Policy) []Finding {
	set, err := r.Policies.Policies(applied.Namespace)
	if err != nil {
		return nil
	}
	var all []Finding
	here := findings{applied.Source(), &all}
	if applied.Kind == Namespaced {
		if r.Exempt(applied.Namespace) {
			here.warn("the namespace %q is exempt, so nothing in it is judged",
				applied.Namespace)
			return all
		}
		if before == nil && len(set.Namespaced) == 0 && len(set.Cluster) > 0 {
			here.warn("it is the first of the namespace %q, so the "+
				"ClusterImagePolicies (%d) no longer count there, and images that "+
				"match none of its entries are denied", applied.Namespace,
				len(set.Cluster))
		}
	}
	others := others(set, applied)
	set = with(set, applied)
	for i, entry := range applied.Entries[:min(
		maxLookedUp, len(applied.Entries))] {
		place := here.at("spec.repositories[%d]", i)
		reviewOthers(place, applied, entry, others)
		if entry.Policy != nil {
			r.reviewSecrets(ctx, place, applied, entry)
			reviewServer(place, entry, set)
		}
	}
	return all
}

// others is which other policies have an entry of a name, the first of each.
func others(set policy.Set, applied Policy) map[string]string {
	found := map[string]string{}
	add := func(kind, name string, spec v1.PolicySpec) {
		source := Policy{Kind: kind, Name: name}.Source()
		for _, entry := range spec.Repositories {
			if first, ok := found[entry.Name]; !ok || source < first {
				found[entry.Name] = source
			}
		}
	}
	if applied.Kind == Namespaced {
		for _, other := range set.Namespaced {
			if other.Name != applied.Name {
				add(Namespaced, other.Name, other.Spec)
			}
		}
		return found
	}
	for _, other := range set.Cluster {
		if other.Name != applied.Name {
			add(Cluster, other.Name, other.Spec)
		}
	}
	return found
}

// reviewOthers says that another policy has an entry of the same name. The
// one whose policy comes first in the order of names counts.
func reviewOthers(here findings, applied Policy, entry Entry,
	others map[string]string) {
	other, ok := others[entry.Name]
	switch {
	case !ok || entry.Name == "":
	case other < applied.Source():
		here.warn("its name %q stands in %s too, which comes first, so this "+
			"entry never counts", entry.Name, other)
	default:
		here.warn("its name %q stands in %s too, whose entry no longer "+
			"counts, since this one comes first", entry.Name, other)
	}
}

// with is the set after the policy has been applied.
func with(set policy.Set, applied Policy) policy.Set {
	if applied.Kind == Namespaced {
		return set
	}
	mine := &v1.ClusterImagePolicy{}
	mine.Name = applied.Name
	for _, entry := range applied.Entries {
		mine.Spec.Repositories = append(mine.Spec.Repositories,
			entry.Repository)
	}
	cluster := []*v1.ClusterImagePolicy{mine}
	for _, other := range set.Cluster {
		if other.Name != applied.Name {
			cluster = append(cluster, other)
		}
	}
	set.Cluster = cluster
	return set
}

// reviewSecrets says which Secrets are not what an entry needs.
func (r *Reviewer) reviewSecrets(ctx context.Context, here findings,
	applied Policy, entry Entry) {
	problems := decision.SecretProblems(ctx, r.Secrets, applied.Namespace,
		entry.Policy)
	image, known := sample(entry.Name)
	if applied.Kind == Namespaced && known && asksRegistry(entry.Policy) {
		problems = append(problems, decision.PullSecretProblems(ctx,
			r.Secrets, applied.Namespace, image)...)
	}
	for _, problem := range problems {
		here.warn("%s", problem)
	}
}

// asksRegistry tells whether rules need what pull secrets open.
func asksRegistry(rules *v1.Policy) bool {
	for _, requirement := range rules.Simple.Requirements {
		switch requirement.Type {
		case v1.RequirementSignedBy, v1.RequirementSigstoreSigned,
			v1.RequirementNotation:
			return true
		}
	}
	return isTrue(rules.Trust.Enabled)
}

// reviewServer says that an entry asks for trust and no trust server is known.
func reviewServer(here findings, entry Entry, set policy.Set) {
	image, known := sample(entry.Name)
	if !known || !isTrue(entry.Policy.Trust.Enabled) {
		return
	}
	problem := decision.ServerMissing(entry.Repository, set, image)
	if problem != "" {
		here.warn("%s; name it in policy.trust.trustServer", problem)
	}
}

// What the API server passes on of warnings is little: all of them, if they
// have no more than 4096 characters together, else 256 of each.
const (
	maxWarnings = 12
	maxWarning  = 250
)

// Warnings are the findings that are no errors, as short as the API server
// wants them.
func Warnings(found []Finding) []string {
	var lines []string
	for _, finding := range found {
		if !finding.Error {
			lines = append(lines, shortened(finding))
		}
	}
	return few(lines)
}

func shortened(finding Finding) string {
	line := []rune(finding.Where + ": " + finding.Sentence)
	if len(line) > maxWarning {
		line = append(line[:maxWarning-3], []rune("...")...)
	}
	return string(line)
}

// Errors is what is said of a policy that is refused, or empty.
func Errors(found []Finding) string {
	var lines []string
	for _, finding := range found {
		if finding.Error {
			lines = append(lines, finding.Where+": "+finding.Sentence)
		}
	}
	return strings.Join(few(lines), "\n")
}

// few are the first lines, and how many more there are.
func few(lines []string) []string {
	if more := len(lines) - maxWarnings; more > 0 {
		lines = append(lines[:maxWarnings], fmt.Sprintf(
			"and %d more; portieris lint FILE prints more", more))
	}
	return lines
}
