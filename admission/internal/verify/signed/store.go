// SPDX-License-Identifier: Apache-2.0

package signed

import (
	"context"
	"slices"
	"strings"
	"time"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/simple"
)

// simple returns the digest for which there are GPG signatures in the store.
// Those who ask at the same time share the answer.
func (v *Verifier) simple(ctx context.Context, r Request) (string, error) {
	repository, store := v.repository(r), v.store(r)
	texts := []string{"gpg", repository.identity(), store.identity(),
		r.reference()}
	for _, required := range r.SignedBy {
		name := required.Identity
		texts = append(texts, string(required.KeyRing), name.Type,
			name.DockerReference, name.DockerRepository, name.Prefix,
			name.SignedPrefix)
	}
	signature := func(digest string) fact {
		return factOf(append(slices.Clip(texts), digest)...)
	}
	if r.Digest != "" && v.found.holds(signature(r.Digest), v.now()) {
		return r.Digest, nil
	}
	question := simple.Request{
		Reference:    r.reference(),
		Repository:   repository.fetch,
		Requirements: r.SignedBy,
		Known: func(digest string) bool {
			return v.found.holds(signature(digest), v.now())
		},
		Keep: func(digest string, ends []time.Time) {
			until := v.now().Add(longestKept)
			for _, end := range ends {
				if end.After(v.now()) && end.Before(until) {
					until = end
				}
			}
			v.found.keep(signature(digest), until)
		},
	}
	if r.StoreURL != "" {
		question.Store = store.fetchSignature
	}
	all := signature("")
	return v.opening.Do(ctx, string(all[:]), longestLook,
		func(ctx context.Context) (string, error) {
			return simple.Verify(ctx, question)
		})
}

// store is the signature store of the policy entry.
func (v *Verifier) store(r Request) *place {
	return &place{
		verifier:    v,
		base:        strings.TrimRight(r.StoreURL, "/") + "/",
		credentials: r.StoreCredentials,
	}
}

// fetchSignature is fetch whose errors tell the store from the registry.
func (p *place) fetchSignature(ctx context.Context, path, accept string,
	limit int64) (status int, body []byte, err error) {
	status, body, err = p.fetch(ctx, path, accept, limit)
	if err != nil {
		err = &storeError{err}
	}
	return status, body, err
}

// storeError is what went wrong at the signature store.
type storeError struct{ error }

func (s *storeError) Unwrap() error { return s.error }
