// SPDX-License-Identifier: Apache-2.0

// Package attached reads what lies beside an image in its registry and refers
// to it, within bounds, and names the ways a search for a signature there can
// end. It never decides what a signature is worth, and never resolves a tag.
package attached
