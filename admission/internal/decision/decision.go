// SPDX-License-Identifier: Apache-2.0

// Package decision decides whether an image may run: it takes the policy entry
// that judges the image, gathers what the entry's verifiers need, and asks
// them. It never reads the cluster or a registry itself and never verifies a
// signature; it states as small interfaces who does.
package decision

import (
	"context"

	corev1 "k8s.io/api/core/v1"

	v1 "opendev.org/starlingx/portieris-armada-app/admission/api/v1"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/policy"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/reason"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/notary"
)

// Policies reads the policies that may count in a namespace.
type Policies interface {
	Policies(namespace string) (policy.Set, error)
}

// Secrets reads what pods and policies refer to by name.
type Secrets interface {
	// Secret returns nil without an error if there is no such Secret.
	Secret(ctx context.Context, namespace, name string) (
		*corev1.Secret, error)
	// AccountPullSecrets names the pull secrets of a ServiceAccount.
	AccountPullSecrets(ctx context.Context, namespace, account string) (
		[]string, error)
}

// Trust finds the digest that trust data vouches for.
type Trust interface {
	Digest(ctx context.Context, request notary.Request) (string, error)
}

// Decision is what was decided about one image, and why.
type Decision struct {
	// Image is the reference as written.
	Image string
	// Choice is the entry that judged it; empty if none was found.
	Choice policy.Choice
	// Denial is nil if the image is trusted.
	Denial *reason.Denial
	// Notice says that the trust server gave no answer and an earlier one was
	// used, as the operator tolerates; or empty.
	Notice string
	// Digest is what the verifiers vouch for, or empty if the entry asks for
	// none.
	Digest string
	// Replacement is the reference to run instead, or empty to leave it.
	Replacement string
}

// Allowed tells whether the image may run. An entry in mode warn lets an
// image run although there is a denial.
func (d Decision) Allowed() bool {
	return d.Denial == nil || d.Choice.Entry.Mode == v1.ModeWarn
}

// Sentence is the denial for people, or empty. It begins as IBM Portieris'
// does and ends with the code and the cure.
func (d Decision) Sentence() string {
	if d.Denial == nil {
		return ""
	}
	return Sentence(d.Image, d.Denial)
}
