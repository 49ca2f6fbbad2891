// SPDX-License-Identifier: Apache-2.0

// Package policyreview says what in a policy can never work and what will
// surprise, before an image meets it: the same for a file and for a policy
// that is applied. It never judges an image and never changes a policy, and
// it takes for an error only what no cluster could make work.
package policyreview
