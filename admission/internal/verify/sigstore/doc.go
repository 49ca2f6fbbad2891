// SPDX-License-Identifier: Apache-2.0

// Package sigstore decides whether one manifest digest carries a signature
// made with `cosign sign --key` by one of the given public keys, in the form
// of cosign 2 (tag sha256-HEX.sig) or of cosign 3 (bundle found through
// referrers). It never trusts certificates, logs or anything that the
// registry says about a signature, and it never resolves a tag.
package sigstore
