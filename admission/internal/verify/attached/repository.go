// SPDX-License-Identifier: Apache-2.0

package attached

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// Repository reads one repository of a registry with one caller's
// credentials. It is all that verifiers know of networks.
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
	MaxManifest   = 4 << 20 // what the distribution specification lets a registry refuse
	MaxCandidates = 64      // signatures looked at per form
	maxPages      = 8       // of the list of referrers
	maxValues     = 50000   // of a manifest, or of the list of referrers
)

// The media types of what refers to an image.
const (
	IndexType    = "application/vnd.oci.image.index.v1+json"
	ManifestType = "application/vnd.oci.image.manifest.v1+json"
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

// Read gets a path and demands 200 and, when want is set, that content.
func Read(ctx context.Context, r Repository, path, accept, want string, limit int64) (Answer, error) {
	answer, err := r.Get(ctx, path, accept, limit)
	if err != nil {
		return Answer{}, err
	}
	if answer.Status != http.StatusOK {
		return Answer{}, unexpected(answer.Status)
	}
	if want != "" && want != DigestOf(answer.Body) {
		return Answer{}, fmt.Errorf("%s does not have the content its digest promises", path)
	}
	return answer, nil
}

// Descriptor is what a registry says of a content.
type Descriptor struct {
	MediaType    string            `json:"mediaType"`
	ArtifactType string            `json:"artifactType"`
	Digest       string            `json:"digest"`
	Size         int64             `json:"size"`
	Annotations  map[string]string `json:"annotations"`
}

// Fits reports whether the content can be read within a limit.
func (d Descriptor) Fits(limit int64) bool {
	return IsDigest(d.Digest) && d.Size > 0 && d.Size <= limit
}

// Manifest is one artifact that refers to an image.
type Manifest struct {
	ArtifactType string
	Config       Descriptor
	Layers       []Descriptor
	Annotations  map[string]string
}

// ReadManifest reads the manifest of a referrer.
func ReadManifest(ctx context.Context, r Repository, d Descriptor) (Manifest, error) {
	if d.MediaType != ManifestType || !d.Fits(MaxManifest) {
		return Manifest{}, errors.New("malformed descriptor")
	}
	answer, err := Read(ctx, r, "manifests/"+d.Digest, ManifestType, d.Digest, MaxManifest)
	if err != nil {
		return Manifest{}, err
	}
	var manifest Manifest
	return manifest, Decode(answer.Body, &manifest)
}

// Decode reads a manifest, unless there is too much in it.
func Decode(body []byte, into any) error {
	if err := CheckValues(body); err != nil {
		return err
	}
	return json.Unmarshal(body, into)
}

// CheckValues refuses a manifest in which there is too much: what takes two
// bytes of JSON takes a hundred of memory, and four megabytes of it would be
// more than the server has.
func CheckValues(body []byte) error {
	if got := values(body); got > maxValues {
		return fmt.Errorf("it holds some %d values, %d are read", got, maxValues)
	}
	return nil
}

// values is how many values a JSON text holds at most.
func values(body []byte) int { return bytes.Count(body, []byte(",")) + 1 }

// ReadBlob reads the content of a layer that fits.
func ReadBlob(ctx context.Context, r Repository, d Descriptor, limit int64) ([]byte, error) {
	answer, err := Read(ctx, r, "blobs/"+d.Digest, "*/*", d.Digest, limit)
	return answer.Body, err
}

// DigestOf is the digest of a content.
func DigestOf(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// IsDigest reports whether a text is a digest of the one kind that is read.
func IsDigest(s string) bool {
	digits, ok := strings.CutPrefix(s, "sha256:")
	return ok && len(digits) == 64 && strings.Trim(digits, "0123456789abcdef") == ""
}
