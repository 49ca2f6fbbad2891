// SPDX-License-Identifier: Apache-2.0

// Package notary decides which digest a trust server of the Notary v1 kind
// vouches for: it keeps the verified trust data of each repository, asks
// whether it is still the newest, and finds in it what was signed by whom.
// It does no cryptography of its own, which is the notary module's, and never
// admits an image because a server is away.
package notary
