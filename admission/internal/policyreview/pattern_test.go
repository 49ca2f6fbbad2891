// SPDX-License-Identifier: Apache-2.0

package policyreview

import (
	"testing"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/policy"
)

// An apply is never blocked wrongly: whatever matches some image is no error.
func FuzzAPatternThatMatchesAnImageIsNoError(f *testing.F) {
	for _, row := range [][2]string{
		{"r:9001/team/*", "r:9001/team/app:v1"}, {"*", "nginx"},
		{"*/library/*", "docker.io/library/nginx"}, {"[::1]:5*", "[::1]:5/a"},
		{"r/app@*", "r/app@sha256:1111111111111111111111111111111111111111" +
			"111111111111111111111111"},
		{"r/app*RC", "r/app:RC"}, {"R.io/*", "R.io/app"}, {"**", "a"},
		{"r/*__b", "r/a__b"}, {"r/app:*A", "r/app:1-A"},
		{"a//b", "a/b"}, {"r/.*", "r/.x"}, {"r/", "r/a"},
		{"", "my_r.io/a"}, {"*:", "[::1]:5/a"}, {"[:", "[::1]/a"},
	} {
		f.Add(row[0], row[1])
	}
	f.Fuzz(func(t *testing.T, pattern, written string) {
		image, err := policy.Parse(written)
		if err != nil {
			return
		}
		problem := neverMatches(pattern)
		if problem != "" && chosen(pattern, image) {
			t.Errorf("%q matches %q, and yet %s", pattern, written, problem)
		}
	})
}

func TestASampleIsAnImageThatThePatternMatches(t *testing.T) {
	for _, pattern := range []string{
		"r:9001/*", "r:9001/team/*", "r/app", "docker.io/library/*",
		"r/app:1", "r/*/app",
	} {
		image, ok := sample(pattern)
		if !ok || !chosen(pattern, image) {
			t.Errorf("the sample of %q is %q", pattern, image.Written)
		}
	}
	for _, pattern := range []string{"*", "r*/app", "nginx", "*/app", ""} {
		if image, ok := sample(pattern); ok {
			t.Errorf("the sample of %q is %q, whose registry nobody knows",
				pattern, image.Written)
		}
	}
}

func TestAnotherNameOfTheSameRegistryIsNoSpellingToWarnOf(t *testing.T) {
	for _, pattern := range []string{"index.docker.io/*", "R.io/app",
		"registry-1.docker.io/team/app:v1", "[FD00:0::1]:09001/*"} {
		if warning := otherSpelling(pattern); warning != "" {
			t.Errorf("%q: %s", pattern, warning)
		}
	}
}
