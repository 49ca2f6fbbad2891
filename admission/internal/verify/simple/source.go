// SPDX-License-Identifier: Apache-2.0

package simple

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/types"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/flight"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/attached"
)

const (
	maxManifest   = 4 << 20
	maxSignature  = 64 << 10
	maxSignatures = 32
	// ahead is how many signature files are asked for at once: most images
	// have one or two, and the answer 404 ends the list.
	ahead = 2
)

var manifestTypes = strings.Join(manifest.DefaultRequestedManifestMIMETypes, ", ")

// source holds what the library's policy engine asks for: the manifest and
// the signatures, fetched beforehand over the one transport.
type source struct {
	reference  types.ImageReference
	manifest   []byte
	signatures [][]byte
}

// fetchManifest reads the manifest of an image and returns its digest.
func fetchManifest(ctx context.Context, named reference.Named, repository Fetch) ([]byte, digest.Digest, error) {
	version := ""
	switch n := named.(type) {
	case reference.Canonical:
		version = n.Digest().String()
	case reference.Tagged:
		version = n.Tag()
	}
	status, body, err := repository(ctx, "manifests/"+version, manifestTypes, maxManifest)
	if err != nil {
		return nil, "", err
	}
	if status == http.StatusNotFound {
		return nil, "", ErrNoImage
	}
	if status != http.StatusOK {
		return nil, "", fmt.Errorf("the registry answered %d for the manifest %s", status, version)
	}
	if err := attached.CheckValues(body); err != nil {
		return nil, "", fmt.Errorf("manifest %s: %w", version, err)
	}
	found, err := manifest.Digest(body)
	if err != nil {
		return nil, "", fmt.Errorf("manifest %s: %w", version, err)
	}
	if canonical, ok := named.(reference.Canonical); ok && canonical.Digest() != found {
		return nil, "", fmt.Errorf("the registry sent a manifest with the digest %s for %s", found, canonical.Digest())
	}
	return body, found, nil
}

// fetchSignatures reads PATH@ALGORITHM=HEX/signature-1, -2 and so on until
// one is not there, as containers-registries.d(5) lays them out.
func fetchSignatures(ctx context.Context, store Fetch, path string, found digest.Digest) ([][]byte, error) {
	type file struct {
		status int
		body   []byte
	}
	type answer struct {
		file
		err error
	}
	prefix := fmt.Sprintf("%s@%s=%s/signature-", path, found.Algorithm(), found.Encoded())
	var signatures [][]byte
	for first := 1; first <= maxSignatures; first += ahead {
		answers := make([]chan answer, ahead)
		for i := range answers {
			answers[i] = make(chan answer, 1)
			go func() {
				read, err := flight.Guard(func() (f file, err error) {
					f.status, f.body, err = store(ctx, fmt.Sprint(prefix, first+i), "*/*", maxSignature)
					return f, err
				})
				answers[i] <- answer{read, err}
			}()
		}
		for i := range answers {
			switch f := <-answers[i]; {
			case f.err != nil:
				return nil, fmt.Errorf("signature store: %w", f.err)
			case f.status == http.StatusNotFound:
				return signatures, nil
			case f.status != http.StatusOK:
				return nil, fmt.Errorf("the signature store answered %d", f.status)
			default:
				signatures = append(signatures, f.body)
			}
		}
	}
	return nil, fmt.Errorf("the signature store holds more than %d signatures of one image", maxSignatures)
}

var errNotAsked = errors.New("a check of signatures does nothing else")

func (s *source) Reference() types.ImageReference { return s.reference }
func (s *source) Close() error                    { return nil }
func (s *source) HasThreadSafeGetBlob() bool      { return false }

func (s *source) GetManifest(_ context.Context, instance *digest.Digest) ([]byte, string, error) {
	if instance != nil {
		return nil, "", errNotAsked
	}
	return s.manifest, manifest.GuessMIMEType(s.manifest), nil
}

func (s *source) GetSignatures(_ context.Context, instance *digest.Digest) ([][]byte, error) {
	if instance != nil {
		return nil, errNotAsked
	}
	return s.signatures, nil
}

func (s *source) GetBlob(context.Context, types.BlobInfo, types.BlobInfoCache) (io.ReadCloser, int64, error) {
	return nil, 0, errNotAsked
}

func (s *source) LayerInfosForCopy(context.Context, *digest.Digest) ([]types.BlobInfo, error) {
	return nil, nil
}
