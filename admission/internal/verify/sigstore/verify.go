// SPDX-License-Identifier: Apache-2.0

package sigstore

import (
	"context"
	"errors"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/flight"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/attached"
)

// Form is how a signature is kept in the registry.
type Form string

// The two forms of cosign that are read.
const (
	TagForm    Form = "tag"    // cosign 2: the tag sha256-HEX.sig
	BundleForm Form = "bundle" // cosign 3: a referrer, or the fallback tag
)

// Request is one question: is this digest signed by one of these keys?
type Request struct {
	Repository attached.Repository
	Digest     string // sha256:HEX of the manifest the image reference resolves to
	Keys       []Key
	// Identity judges the repository named inside a signature of the tag
	// form; nil accepts any. A bundle names none: it is accepted all the
	// same unless RequireIdentity is set.
	Identity        func(repository string) bool
	RequireIdentity bool
}

// Result names what convinced.
type Result struct {
	Key        string // ID of the key
	Form       Form
	Repository string // the one the signature names; empty for a bundle
}

// Verify asks for both forms at once and returns the first that convinces.
//
// Every error is a denial: attached.ErrUnsigned when the registry holds no signature,
// an attached.Refused when none convinces, any other when the registry did not answer
// as it should, so that nothing is known.
func Verify(ctx context.Context, r Request) (Result, error) {
	if !attached.IsDigest(r.Digest) || len(r.Keys) == 0 {
		return Result{}, errors.New("a signature check needs a sha256 digest and at least one key")
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type outcome struct {
		Result
		error
	}
	outcomes := make(chan outcome, 2)
	for _, look := range []func(context.Context, Request) (Result, error){bundleForm, tagForm} {
		go func() {
			result, err := flight.Guard(func() (Result, error) { return look(ctx, r) })
			outcomes <- outcome{result, err}
		}()
	}
	// Both are waited for, so that nothing is asked any more after the answer:
	// the one that lost ends as soon as it is cancelled.
	var found *Result
	var failed, refused error
	for range 2 {
		o := <-outcomes
		var r attached.Refused
		switch {
		case o.error == nil:
			found = &o.Result
			cancel()
		case errors.As(o.error, &r):
			refused = both(refused, o.error)
		case !errors.Is(o.error, attached.ErrUnsigned):
			failed = errors.Join(failed, o.error)
		}
	}
	switch {
	case found != nil:
		return *found, nil
	case failed != nil:
		return Result{}, failed
	case refused != nil:
		return Result{}, refused
	}
	return Result{}, attached.ErrUnsigned
}

func both(first, second error) error {
	if first == nil {
		return second
	}
	var all attached.Refusals
	all.Add(first)
	all.Add(second)
	return &all
}
