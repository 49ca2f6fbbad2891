// SPDX-License-Identifier: Apache-2.0

// Package registry is the one way in which the server talks to trust servers,
// their token services and registries: it decides whom to trust as a peer,
// which credential to show to whom, and when to give up. It never speaks plain
// HTTP, never sends a credential to a host it is not for, and never looks at
// what the answers mean.
package registry
