// SPDX-License-Identifier: Apache-2.0

package signed

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/distribution/reference"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/attached"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/notation"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/sigstore"
)

// CosignKeys is one requirement: a signature by any of the keys.
type CosignKeys struct {
	Keys []sigstore.Key
	// Repository is the full name that a signature must give to the image, if
	// it gives one.
	Repository string
	// RequireIdentity refuses signatures that give none.
	RequireIdentity bool
}

// names tells whether a repository is the wanted one, whatever its spelling.
func (c CosignKeys) names(repository string) bool {
	named, err := reference.ParseNormalizedNamed(repository)
	return err == nil && named.Name() == c.Repository
}

// cosign returns nil if the digest is signed as it is required.
func (v *Verifier) cosign(ctx context.Context, repository *place,
	digest string, required CosignKeys) error {
	texts := []string{"cosign", repository.identity(), digest,
		required.Repository, strconv.FormatBool(required.RequireIdentity)}
	for _, key := range required.Keys {
		texts = append(texts, key.ID)
	}
	return v.find(ctx, factOf(texts...), func(ctx context.Context) (
		time.Time, error) {
		_, err := sigstore.Verify(ctx, sigstore.Request{
			Repository:      repository,
			Digest:          digest,
			Keys:            required.Keys,
			Identity:        required.names,
			RequireIdentity: required.RequireIdentity,
		})
		return forever, err
	})
}

// notation returns nil if the image is signed by whom is trusted. A signature
// covers size and media type too, which the registry says of a digest.
func (v *Verifier) notation(ctx context.Context, repository *place,
	image attached.Descriptor, trust *notation.Trust) error {
	signature := factOf("notation", repository.identity(), image.Digest,
		trust.ID)
	return v.find(ctx, signature, func(ctx context.Context) (
		until time.Time, err error) {
		whole := image
		if whole.MediaType == "" {
			whole, err = resolve(ctx, repository, image.Digest)
		}
		switch {
		case err != nil:
			return until, err
		case whole.Digest != image.Digest:
			return until, errOtherContent
		}
		return notation.Verify(ctx, notation.Request{
			Repository: repository, Image: whole, Trust: trust})
	})
}

var errOtherContent = errors.New(
	"the registry sent another image than the one of the digest")

// forever is the end of a signature that has none.
var forever = time.Unix(1<<40, 0)

// find looks for a signature unless it was found a while ago. Those who look
// at the same time share the answer.
func (v *Verifier) find(ctx context.Context, signature fact,
	look func(context.Context) (until time.Time, err error)) error {
	if v.found.holds(signature, v.now()) {
		return nil
	}
	_, err := v.looking.Do(ctx, string(signature[:]), longestLook,
		func(ctx context.Context) (struct{}, error) {
			if v.found.holds(signature, v.now()) { // by now
				return struct{}{}, nil
			}
			until, err := look(ctx)
			if err == nil {
				if longest := v.now().Add(longestKept); until.After(longest) {
					until = longest
				}
				v.found.keep(signature, until)
			}
			return struct{}{}, err
		})
	return err
}
