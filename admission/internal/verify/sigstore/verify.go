// SPDX-License-Identifier: Apache-2.0

package sigstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
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
	Repository Repository
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

// ErrUnsigned says that the registry answered, and holds no signature.
var ErrUnsigned = errors.New("the image is not signed")

// Refused says that there are signatures, none of which convinces.
type Refused interface {
	error
	refused()
}

// refusals collects why signatures did not convince.
type refusals struct{ why []error }

func (r *refusals) add(err error) { r.why = append(r.why, err) }
func (r *refusals) refused()      {}

// Error keeps a denial readable: three reasons, and how many more.
func (r *refusals) Error() string {
	var parts []string
	for i, err := range r.why {
		if i == 3 {
			parts = append(parts, fmt.Sprintf("and %d more", len(r.why)-3))
			break
		}
		parts = append(parts, err.Error())
	}
	return strings.Join(parts, "; ")
}

// interrupts reports whether err says nothing about signatures: the time is
// up, so that asking for the next one is in vain.
func interrupts(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// Verify asks for both forms at once and returns the first that convinces.
//
// Every error is a denial: ErrUnsigned when the registry holds no signature,
// a Refused when none convinces, any other when the registry did not answer
// as it should, so that nothing is known.
func Verify(ctx context.Context, r Request) (Result, error) {
	if !isDigest(r.Digest) || len(r.Keys) == 0 {
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
			result, err := look(ctx, r)
			outcomes <- outcome{result, err}
		}()
	}
	// Both are waited for, so that nothing is asked any more after the answer:
	// the one that lost ends as soon as it is cancelled.
	var found *Result
	var failed, refused error
	for range 2 {
		o := <-outcomes
		var r Refused
		switch {
		case o.error == nil:
			found = &o.Result
			cancel()
		case errors.As(o.error, &r):
			refused = both(refused, o.error)
		case !errors.Is(o.error, ErrUnsigned):
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
	return Result{}, ErrUnsigned
}

func both(first, second error) error {
	if first == nil {
		return second
	}
	return &refusals{[]error{first, second}}
}
