// SPDX-License-Identifier: Apache-2.0

package sigstore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// Repository reads one repository of a registry with one caller's
// credentials. It is all that this package knows of networks.
type Repository interface {
	// Base is the https URL all paths are below, with a slash at its end:
	// https://registry.local:9001/v2/team/app/.
	Base() string
	// Get reads at most limit bytes of a body; a longer one is an error.
	// A status other than 200 is none: the caller judges it.
	Get(ctx context.Context, path, accept string, limit int64) (Answer, error)
}

// Answer is what a registry sent.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Bounds of what is read on the word of a registry.
const (
	maxManifest   = 4 << 20 // what the distribution specification lets a registry refuse
	maxPayload    = 64 << 10
	maxBundle     = 1 << 20
	maxCandidates = 64 // signatures looked at per form
	maxPages      = 8  // of the list of referrers
)

const (
	indexType    = "application/vnd.oci.image.index.v1+json"
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	emptyType    = "application/vnd.oci.empty.v1+json"
	simpleLayer  = "application/vnd.dev.cosign.simplesigning.v1+json"

	signatureAnnotation = "dev.cosignproject.cosign/signature"
	predicateAnnotation = "dev.sigstore.bundle.predicateType"
)

// unexpected is an answer other than 200.
type unexpected int

func (u unexpected) Error() string { return fmt.Sprintf("the registry answered %d", int(u)) }

// StatusOf returns the HTTP status that err stands for, or 0.
func StatusOf(err error) int {
	var u unexpected
	errors.As(err, &u)
	return int(u)
}

// read gets a path and demands 200 and, when want is set, that content.
func read(ctx context.Context, r Repository, path, accept, want string, limit int64) (Answer, error) {
	answer, err := r.Get(ctx, path, accept, limit)
	if err != nil {
		return Answer{}, err
	}
	if answer.Status != http.StatusOK {
		return Answer{}, unexpected(answer.Status)
	}
	if want != "" {
		if digest := sha256.Sum256(answer.Body); want != "sha256:"+hex.EncodeToString(digest[:]) {
			return Answer{}, fmt.Errorf("%s does not have the content its digest promises", path)
		}
	}
	return answer, nil
}

type descriptor struct {
	MediaType    string            `json:"mediaType"`
	ArtifactType string            `json:"artifactType"`
	Digest       string            `json:"digest"`
	Size         int64             `json:"size"`
	Annotations  map[string]string `json:"annotations"`
}

func (d descriptor) fits(limit int64) bool {
	return isDigest(d.Digest) && d.Size > 0 && d.Size <= limit
}

// maySign only saves requests, it proves nothing. cosign 3.0 writes the
// fallback index with the type of the empty config as artifactType and no
// annotations, so that such an entry has to be opened; attestations share the
// artifact type of signatures.
func (d descriptor) maySign() bool {
	switch d.ArtifactType {
	case bundleType, emptyType, "":
		predicate := d.Annotations[predicateAnnotation]
		return predicate == "" || predicate == signPredicate
	}
	return false
}

func isDigest(s string) bool {
	digits, ok := strings.CutPrefix(s, "sha256:")
	return ok && len(digits) == 64 && strings.Trim(digits, "0123456789abcdef") == ""
}

// nextPage takes the rel=next target out of a Link header. It must stay below
// the referrers of this repository.
func nextPage(base, path, link string) (string, error) {
	target, rest, ok := strings.Cut(strings.TrimPrefix(link, "<"), ">")
	if !ok || !strings.Contains(rest, "next") {
		return "", nil
	}
	current, err := url.Parse(base + path)
	if err != nil {
		return "", err
	}
	next, err := current.Parse(target)
	if err != nil {
		return "", err
	}
	below, ok := strings.CutPrefix(next.String(), base+"referrers/")
	if !ok {
		return "", errors.New("the next page of referrers lies elsewhere")
	}
	return "referrers/" + below, nil
}
