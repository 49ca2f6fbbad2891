// SPDX-License-Identifier: Apache-2.0

package sigstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// errOther says that a referrer is no signature at all.
var errOther = errors.New("not a signature")

// bundleForm looks for the bundles that cosign 3 attaches to the image.
func bundleForm(ctx context.Context, r Request) (Result, error) {
	referrers, err := listReferrers(ctx, r.Repository, r.Digest)
	if err != nil {
		return Result{}, err
	}
	var refused refusals
	looked := 0
	for _, d := range referrers {
		if !d.maySign() {
			continue
		}
		if looked++; looked > maxCandidates {
			refused.add(fmt.Errorf("more than %d bundles, the rest was not read", maxCandidates))
			break
		}
		key, err := openBundle(ctx, r, d)
		switch {
		case err == nil:
			return Result{Key: key.ID, Form: BundleForm}, nil
		case interrupts(err):
			return Result{}, err
		case !errors.Is(err, errOther):
			refused.add(fmt.Errorf("bundle %s: %w", d.Digest, err))
		}
	}
	if len(refused.why) == 0 {
		return Result{}, ErrUnsigned
	}
	return Result{}, &refused
}

// listReferrers asks the API (distribution specification 1.1) or, where the
// registry has none, the tag that clients then keep.
func listReferrers(ctx context.Context, repository Repository, digest string) ([]descriptor, error) {
	var all []descriptor
	left := int64(maxManifest) // for all pages together
	path := "referrers/" + digest
	for page := 1; path != ""; page++ {
		if page > maxPages {
			return nil, fmt.Errorf("the list of referrers has more than %d pages", maxPages)
		}
		answer, err := read(ctx, repository, path, indexType, "", left)
		if page == 1 && lacksReferrers(answer, err) {
			tag := strings.Replace(digest, ":", "-", 1)
			answer, err = read(ctx, repository, "manifests/"+tag, indexType, "", maxManifest)
			if StatusOf(err) == http.StatusNotFound {
				return nil, nil
			}
			answer.Header = nil
		}
		if err != nil {
			return nil, fmt.Errorf("list of referrers: %w", err)
		}
		left -= int64(len(answer.Body))
		var index struct{ Manifests []descriptor }
		if err := json.Unmarshal(answer.Body, &index); err != nil {
			return nil, fmt.Errorf("list of referrers: %w", err)
		}
		all = append(all, index.Manifests...)
		if path, err = nextPage(repository.Base(), path, answer.Header.Get("Link")); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// lacksReferrers tells a registry without the API from one that failed. Some
// answer 200 with their front page.
func lacksReferrers(answer Answer, err error) bool {
	switch StatusOf(err) {
	case http.StatusNotFound, http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusNotAcceptable:
		return true
	}
	return err == nil && !strings.HasPrefix(answer.Header.Get("Content-Type"), indexType)
}

func openBundle(ctx context.Context, r Request, d descriptor) (*Key, error) {
	if d.MediaType != manifestType || !d.fits(maxManifest) {
		return nil, errors.New("malformed descriptor")
	}
	answer, err := read(ctx, r.Repository, "manifests/"+d.Digest, manifestType, d.Digest, maxManifest)
	if err != nil {
		return nil, err
	}
	var manifest struct {
		ArtifactType string
		Layers       []descriptor
		Annotations  map[string]string
	}
	if err := json.Unmarshal(answer.Body, &manifest); err != nil {
		return nil, err
	}
	predicate := manifest.Annotations[predicateAnnotation]
	if manifest.ArtifactType != bundleType || predicate != "" && predicate != signPredicate {
		return nil, errOther
	}
	if len(manifest.Layers) != 1 || manifest.Layers[0].MediaType != bundleType ||
		!manifest.Layers[0].fits(maxBundle) {
		return nil, errors.New("manifest does not hold exactly one bundle")
	}
	if r.RequireIdentity {
		return nil, errors.New("a bundle names no repository, and the policy demands one")
	}
	blob := manifest.Layers[0].Digest
	answer, err = read(ctx, r.Repository, "blobs/"+blob, "*/*", blob, maxBundle)
	if err != nil {
		return nil, err
	}
	return CheckBundle(answer.Body, r.Digest, r.Keys)
}
