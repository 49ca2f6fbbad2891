// SPDX-License-Identifier: Apache-2.0

// Package interop holds the admission server against the programs whose
// signatures it reads: cosign, notation, gpg and skopeo sign, real registries
// keep what they signed, and the sigstore-go library gives a second opinion.
// It decides nothing itself and is no part of the server, whose dependencies
// stay few because these are here.
package interop
