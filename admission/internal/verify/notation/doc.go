// SPDX-License-Identifier: Apache-2.0

// Package notation decides whether one manifest carries a signature of the
// Notary Project ("notation sign") by a certificate that trusted authorities
// have issued. The judgement is that of the project's own library at its
// strictest, without plugins and without asking anybody about revoked
// certificates; this package brings it the signatures, within bounds.
package notation
