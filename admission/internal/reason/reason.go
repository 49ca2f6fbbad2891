// SPDX-License-Identifier: Apache-2.0

// Package reason names every reason for which an image or a request is
// denied, with the sentence the user reads and the cure that ends it. It
// never decides anything: the packages that deny choose the code.
package reason

import (
	"errors"
	"fmt"
)

// Code is the stable name of one reason for a denial. Users search for it,
// metrics are labelled with it, and the documentation has a page entry for it.
type Code string

// Denial is a decision against an image or a request. Sentence begins as
// IBM Portieris' does wherever it has one; Code finds meaning and cure in the
// table; Err is the cause, for logs.
type Denial struct {
	Code     Code
	Sentence string
	Err      error
}

// Error returns the sentence.
func (d *Denial) Error() string { return d.Sentence }

// Unwrap returns the cause.
func (d *Denial) Unwrap() error { return d.Err }

// Cure returns what ends this denial, as one or two sentences.
func (d *Denial) Cure() string {
	entry, _ := Lookup(d.Code)
	return entry.Cure
}

// New makes a denial that has no deeper cause.
func New(code Code, format string, args ...any) *Denial {
	return &Denial{Code: code, Sentence: fmt.Sprintf(format, args...)}
}

// Wrap makes a denial caused by err.
func Wrap(code Code, err error, format string, args ...any) *Denial {
	return &Denial{
		Code:     code,
		Sentence: fmt.Sprintf(format, args...),
		Err:      err,
	}
}

// From returns the denial in err's chain. An error that carries none becomes
// an Internal denial, so that nothing is ever admitted because of an error
// of an unexpected kind.
func From(err error) *Denial {
	var denial *Denial
	if errors.As(err, &denial) {
		return denial
	}
	return Wrap(Internal, err, "the admission server failed: %v", err)
}
