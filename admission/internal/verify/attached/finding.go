// SPDX-License-Identifier: Apache-2.0

package attached

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// ErrUnsigned says that the registry answered, and holds no signature.
var ErrUnsigned = errors.New("the image is not signed")

// ErrOther says of a referrer that it is no signature at all.
var ErrOther = errors.New("not a signature")

// Refused says that there are signatures, none of which convinces.
type Refused interface {
	error
	refused()
}

// Refusals collects why signatures did not convince.
type Refusals struct{ why []error }

func (r *Refusals) refused() {}

// Add notes one more.
func (r *Refusals) Add(err error) { r.why = append(r.why, err) }

// Verdict is ErrUnsigned if there was no signature, else a Refused.
func (r *Refusals) Verdict() error {
	if len(r.why) == 0 {
		return ErrUnsigned
	}
	return r
}

// Error keeps a denial readable: three reasons, and how many more.
func (r *Refusals) Error() string {
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

// Interrupts reports whether err says nothing about signatures: the time is
// up, so that asking for the next one is in vain.
func Interrupts(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}
