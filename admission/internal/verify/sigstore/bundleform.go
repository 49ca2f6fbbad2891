// SPDX-License-Identifier: Apache-2.0

package sigstore

import (
	"context"
	"errors"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/attached"
)

// bundleForm looks for the bundles that cosign 3 attaches to the image.
func bundleForm(ctx context.Context, r Request) (Result, error) {
	var result Result
	err := attached.Search(ctx, r.Repository, r.Digest, maySign,
		func(ctx context.Context, d attached.Descriptor) error {
			key, err := openBundle(ctx, r, d)
			if err == nil {
				result = Result{Key: key.ID, Form: BundleForm}
			}
			return err
		})
	return result, err
}

// maySign only saves requests, it proves nothing. cosign 3.0 writes the
// fallback index with the type of the empty config as artifactType and no
// annotations, so that such an entry has to be opened; attestations share the
// artifact type of signatures.
func maySign(d attached.Descriptor) bool {
	switch d.ArtifactType {
	case bundleType, emptyType, "":
		predicate := d.Annotations[predicateAnnotation]
		return predicate == "" || predicate == signPredicate
	}
	return false
}

func openBundle(ctx context.Context, r Request, d attached.Descriptor) (*Key, error) {
	manifest, err := attached.ReadManifest(ctx, r.Repository, d)
	if err != nil {
		return nil, err
	}
	predicate := manifest.Annotations[predicateAnnotation]
	if manifest.ArtifactType != bundleType || predicate != "" && predicate != signPredicate {
		return nil, attached.ErrOther
	}
	if len(manifest.Layers) != 1 || manifest.Layers[0].MediaType != bundleType ||
		!manifest.Layers[0].Fits(maxBundle) {
		return nil, errors.New("manifest does not hold exactly one bundle")
	}
	if r.RequireIdentity {
		return nil, errors.New("a bundle names no repository, and the policy demands one")
	}
	bundle, err := attached.ReadBlob(ctx, r.Repository, manifest.Layers[0], maxBundle)
	if err != nil {
		return nil, err
	}
	return CheckBundle(bundle, r.Digest, r.Keys)
}
