// SPDX-License-Identifier: Apache-2.0

// Package attachedtest has a repository in memory for the tests of what reads
// signatures beside an image.
package attachedtest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"testing"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/attached"
)

// Shelf is a repository: path → answer. It notes what was asked.
type Shelf struct {
	mutex   sync.Mutex
	Answers map[string]attached.Answer
	Faults  map[string]error
	Asked   []string
}

// New is an empty one.
func New() *Shelf {
	return &Shelf{Answers: map[string]attached.Answer{}, Faults: map[string]error{}}
}

// Base is where it would be.
func (s *Shelf) Base() string { return "https://registry.local:9001/v2/team/app/" }

// Get answers as it was told to.
func (s *Shelf) Get(_ context.Context, path, _ string, limit int64) (attached.Answer, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.Asked = append(s.Asked, path)
	if err := s.Faults[path]; err != nil {
		return attached.Answer{}, err
	}
	answer, ok := s.Answers[path]
	if !ok {
		return attached.Answer{Status: http.StatusNotFound, Header: http.Header{}}, nil
	}
	if int64(len(answer.Body)) > limit {
		return attached.Answer{}, fmt.Errorf("more than %d bytes", limit)
	}
	return answer, nil
}

// Put stores the answer to a path.
func (s *Shelf) Put(path, contentType string, body []byte) {
	s.Answers[path] = attached.Answer{Status: http.StatusOK,
		Header: http.Header{"Content-Type": {contentType}}, Body: body}
}

// Blob stores a content and describes it.
func (s *Shelf) Blob(mediaType string, content []byte) attached.Descriptor {
	digest := attached.DigestOf(content)
	s.Put("blobs/"+digest, "application/octet-stream", content)
	return attached.Descriptor{MediaType: mediaType, Digest: digest, Size: int64(len(content))}
}

// Manifest stores a manifest and describes it.
func (s *Shelf) Manifest(t testing.TB, artifactType string, manifest any) attached.Descriptor {
	t.Helper()
	content := encode(t, manifest)
	digest := attached.DigestOf(content)
	s.Put("manifests/"+digest, attached.ManifestType, content)
	return attached.Descriptor{MediaType: attached.ManifestType, ArtifactType: artifactType,
		Digest: digest, Size: int64(len(content))}
}

// List stores a list of referrers.
func (s *Shelf) List(t testing.TB, path string, referrers ...attached.Descriptor) {
	t.Helper()
	s.Put(path, attached.IndexType, encode(t, map[string]any{"manifests": referrers}))
}

func encode(t testing.TB, value any) []byte {
	t.Helper()
	content, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return content
}
