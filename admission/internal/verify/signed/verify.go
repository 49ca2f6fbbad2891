// SPDX-License-Identifier: Apache-2.0

// Package signed decides whether an image has the signatures that a policy
// requires of its registry or of a store beside it: GPG signatures, those of
// cosign keys and those of notation, all for one digest. It brings the
// verifiers together with the transport and names their findings; it never
// verifies anything itself.
package signed

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/flight"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/reason"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/registry"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/attached"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/notation"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/simple"
)

// manifestTypes are what an image's manifest may be.
var manifestTypes = strings.Join([]string{
	"application/vnd.oci.image.index.v1+json",
	"application/vnd.oci.image.manifest.v1+json",
	"application/vnd.docker.distribution.manifest.list.v2+json",
	"application/vnd.docker.distribution.manifest.v2+json",
}, ", ")

// Request asks for the digest of one image. Tag, Digest or both are set.
type Request struct {
	Host, Name, Tag, Digest string
	Credentials             []registry.Credential

	// SignedBy must all hold, by signatures in the store.
	SignedBy []simple.Requirement
	// StoreURL is the base URL of the signature store; empty: there is none.
	StoreURL         string
	StoreCredentials []registry.Credential

	// Cosign and Notation must all hold, by signatures in the registry.
	Cosign   []CosignKeys
	Notation []*notation.Trust
}

// Verifier asks registries and stores over one transport. It remembers which
// digests are signed; it asks again which digest a tag is.
type Verifier struct {
	Transport *registry.Transport
	Now       func() time.Time // default: time.Now

	found     memory // that a digest has the signature
	lacking   memory // that a repository has no referrers API
	resolving flight.Group[attached.Descriptor]
	looking   flight.Group[struct{}]
	opening   flight.Group[string]
}

// longestLook is how long a question may take that several callers share.
const longestLook = 30 * time.Second

func (v *Verifier) now() time.Time {
	if v.Now == nil {
		return time.Now()
	}
	return v.Now()
}

// Digest returns the digest for which every requirement holds. Every error is
// a *reason.Denial.
func (v *Verifier) Digest(ctx context.Context, r Request) (string, error) {
	image := attached.Descriptor{Digest: r.Digest}
	if len(r.SignedBy) > 0 {
		found, err := v.simple(ctx, r)
		if err != nil {
			return "", denial(r, err)
		}
		image.Digest = found
	}
	if len(r.Cosign)+len(r.Notation) == 0 {
		return image.Digest, nil
	}
	repository := v.repository(r)
	if image.Digest == "" {
		found, err := v.resolve(ctx, repository, r.Tag)
		if err != nil {
			return "", denial(r, err)
		}
		image = found
	}
	for _, required := range r.Cosign {
		if err := v.cosign(ctx, repository, image.Digest, required); err != nil {
			return "", denial(r, err)
		}
	}
	for _, trust := range r.Notation {
		if err := v.notation(ctx, repository, image, trust); err != nil {
			return "", denial(r, err)
		}
	}
	return image.Digest, nil
}

// resolve returns what the registry has under a tag. Only those who ask at
// the same time share an answer.
func (v *Verifier) resolve(ctx context.Context, repository *place,
	tag string) (attached.Descriptor, error) {
	question := factOf(repository.identity(), tag)
	image, err := v.resolving.Do(ctx, string(question[:]), longestLook,
		func(ctx context.Context) (attached.Descriptor, error) {
			return resolve(ctx, repository, tag)
		})
	repository.exists = err == nil
	return image, err
}

// reference is the image by its digest if it has one, since that is what
// runs, else by its tag.
func (r Request) reference() string {
	if r.Digest != "" {
		return r.Name + "@" + r.Digest
	}
	return r.Name + ":" + r.Tag
}

// resolve returns what the registry has under a tag or a digest. The digest
// is that of the content that was sent, whatever the registry calls it.
func resolve(ctx context.Context, repository *place, reference string) (
	attached.Descriptor, error) {
	answer, err := repository.Get(ctx, "manifests/"+reference, manifestTypes,
		attached.MaxManifest)
	if err != nil {
		return attached.Descriptor{}, err
	}
	switch answer.Status {
	case http.StatusOK:
		mediaType, _, _ := strings.Cut(answer.Header.Get("Content-Type"), ";")
		return attached.Descriptor{
			MediaType: strings.TrimSpace(mediaType),
			Digest:    attached.DigestOf(answer.Body),
			Size:      int64(len(answer.Body)),
		}, nil
	case http.StatusNotFound:
		return attached.Descriptor{}, errNoImage
	default:
		return attached.Descriptor{}, &registry.Error{Kind: registry.Status,
			URL:    repository.base + "manifests/" + reference,
			Status: answer.Status}
	}
}

var errNoImage = errors.New("the registry has no such image")

// denial says in the user's words what a verifier or the transport said.
func denial(r Request, err error) error {
	var refused attached.Refused
	var refusedSimple *simple.Refused
	var bad *simple.BadRequirement
	var transport *registry.Error
	switch {
	case errors.Is(err, simple.ErrUnsigned), errors.Is(err, attached.ErrUnsigned):
		return reason.Wrap(reason.NotSigned, err,
			"A signature was required, but no signature exists")
	case errors.As(err, &refused), errors.As(err, &refusedSimple):
		return reason.Wrap(reason.SignatureRefused, err, "%v", err)
	case errors.Is(err, simple.ErrNoStore), errors.Is(err, simple.ErrNoName):
		return reason.Wrap(reason.PolicyInvalid, err, "%v", err)
	case errors.As(err, &bad):
		return reason.Wrap(reason.KeyInvalid, err, "%v", err)
	case errors.Is(err, errNoImage), errors.Is(err, simple.ErrNoImage):
		return reason.Wrap(reason.ImageNotFound, err, "%s has no image %s",
			r.Host, r.reference())
	case errors.As(err, &transport):
		return transportDenial(r, err, transport)
	case errors.Is(err, context.DeadlineExceeded),
		errors.Is(err, context.Canceled):
		return reason.Wrap(reason.RegistryTimeout, err,
			"the registry %s did not answer in time", r.Host)
	default:
		return reason.Wrap(reason.RegistryError, err,
			"the signatures of %s could not be read: %v", r.reference(), err)
	}
}

func transportDenial(r Request, err error, failed *registry.Error) error {
	switch failed.Kind {
	case registry.Unreachable:
		return reason.Wrap(reason.RegistryUnreachable, err, "%v", failed)
	case registry.Timeout:
		return reason.Wrap(reason.RegistryTimeout, err, "%v", failed)
	case registry.Certificate:
		return reason.Wrap(reason.RegistryCertificate, err, "%v", failed)
	case registry.Missing:
		return reason.Wrap(reason.NoCredentials, err, "%s: %v",
			wanting(r, err), failed)
	case registry.Refused:
		shown := r.Credentials
		if ofStore(err) {
			shown = r.StoreCredentials
		}
		return reason.Wrap(reason.CredentialsRefused, err, "%s: %v",
			wanting(r, err), failed.For(shown))
	default:
		return reason.Wrap(reason.RegistryError, err, "%v", failed)
	}
}

// ofStore tells the signature store from the registry.
func ofStore(err error) bool {
	var store *storeError
	return errors.As(err, &store)
}

// wanting says whose credentials are of no use.
func wanting(r Request, err error) string {
	if ofStore(err) {
		return "the policy names no storeSecret that opens its signature store"
	}
	return "no valid ImagePullSecret defined for " + r.reference()
}
