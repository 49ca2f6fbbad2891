// SPDX-License-Identifier: Apache-2.0

package notation

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/notaryproject/notation-core-go/signature"
	library "github.com/notaryproject/notation-go"
	"github.com/opencontainers/go-digest"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/attached"
)

// signatureType marks what is a signature among the referrers of an image.
const signatureType = "application/vnd.cncf.notary.signature"

// The kinds of envelopes.
const (
	jws  = "application/jose+json"
	cose = "application/cose"
)

// maxEnvelope bounds the work that a stranger's certificates can make. A
// signature with a chain of four and a timestamp has some 20 kB.
const maxEnvelope = 64 << 10

// Request is one question: is this manifest signed by somebody trusted?
type Request struct {
	Repository attached.Repository
	// Image is digest, size and media type of the manifest: a signature
	// covers them all.
	Image attached.Descriptor
	Trust *Trust
}

// Verify returns until when a signature counts, if there is one that does.
//
// Every error is a denial: attached.ErrUnsigned when the registry holds no
// signature, an attached.Refused when none convinces, any other when the
// registry did not answer as it should, so that nothing is known.
func Verify(ctx context.Context, r Request) (until time.Time, err error) {
	if !attached.IsDigest(r.Image.Digest) {
		return time.Time{}, errors.New("a signature check needs a sha256 digest")
	}
	err = attached.Search(ctx, r.Repository, r.Image.Digest,
		func(d attached.Descriptor) bool { return d.ArtifactType == signatureType },
		func(ctx context.Context, d attached.Descriptor) (err error) {
			until, err = open(ctx, r, d)
			return err
		})
	return until, err
}

func open(ctx context.Context, r Request, d attached.Descriptor) (time.Time, error) {
	manifest, err := attached.ReadManifest(ctx, r.Repository, d)
	if err != nil {
		return time.Time{}, err
	}
	if manifest.ArtifactType != signatureType && manifest.Config.MediaType != signatureType {
		return time.Time{}, attached.ErrOther
	}
	if len(manifest.Layers) != 1 || !manifest.Layers[0].Fits(maxEnvelope) {
		return time.Time{}, errors.New("manifest does not hold exactly one envelope of a fit size")
	}
	envelope, err := attached.ReadBlob(ctx, r.Repository, manifest.Layers[0], maxEnvelope)
	if err != nil {
		return time.Time{}, err
	}
	return r.Trust.Check(ctx, envelope, manifest.Layers[0].MediaType, r.Image)
}

// Check judges one envelope, and returns until when it counts.
func (t *Trust) Check(ctx context.Context, envelope []byte, mediaType string,
	image attached.Descriptor) (time.Time, error) {
	if mediaType != jws && mediaType != cose {
		return time.Time{}, fmt.Errorf("envelope has the media type %q", mediaType)
	}
	if err := checkKeys(envelope, mediaType); err != nil {
		return time.Time{}, fmt.Errorf("envelope cannot be read: %w", err)
	}
	found, err := t.verifier.Verify(ctx, oci.Descriptor{
		MediaType: image.MediaType,
		Digest:    digest.Digest(image.Digest),
		Size:      image.Size,
	}, envelope, library.VerifierVerifyOptions{
		// The policy is the same for every image, and only its form counts.
		ArtifactReference:  "registry/image@" + image.Digest,
		SignatureMediaType: mediaType,
	})
	if found == nil || found.EnvelopeContent == nil {
		return time.Time{}, fmt.Errorf("envelope cannot be read: %w", err)
	}
	signer := found.EnvelopeContent.SignerInfo
	// A plugin would know such an attribute; without one the library does not
	// look at them.
	for _, attribute := range signer.SignedAttributes.ExtendedAttributes {
		if attribute.Critical {
			return time.Time{}, fmt.Errorf("its critical attribute %q is not understood here", attribute.Key)
		}
	}
	if err != nil {
		return time.Time{}, err
	}
	return end(signer, time.Now()), nil
}

// end is when a signature that counts now runs out, or the first certificate
// in its chain. What has run out already does not matter any more, for a
// timestamp says that the signature was there before.
func end(signer signature.SignerInfo, now time.Time) time.Time {
	until := forever
	if expiry := signer.SignedAttributes.Expiry; !expiry.IsZero() {
		until = expiry
	}
	for _, certificate := range signer.CertificateChain {
		if certificate.NotAfter.After(now) && certificate.NotAfter.Before(until) {
			until = certificate.NotAfter
		}
	}
	return until
}

// forever is later than all that certificates say.
var forever = time.Unix(1<<40, 0)
