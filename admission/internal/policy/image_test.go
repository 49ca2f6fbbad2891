// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"errors"
	"strings"
	"testing"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/reason"
)

const digest = "sha256:" +
	"1111111111111111111111111111111111111111111111111111111111111111"

func TestParseKnowsHostNameTagAndDigest(t *testing.T) {
	for written, want := range map[string]Image{
		"nginx": {Host: "docker.io", Name: "docker.io/library/nginx",
			Tag: "latest"},
		"library/nginx:1": {Host: "docker.io",
			Name: "docker.io/library/nginx", Tag: "1"},
		"index.docker.io/team/app": {Host: "docker.io",
			Name: "docker.io/team/app", Tag: "latest"},
		"r:9001/team/app:v1": {Host: "r:9001", Name: "r:9001/team/app",
			Tag: "v1"},
		"r:9001/app@" + digest: {Host: "r:9001", Name: "r:9001/app",
			Digest: digest},
		"r:9001/app:v1@" + digest: {Host: "r:9001", Name: "r:9001/app",
			Tag: "v1", Digest: digest},
		"my_r.io/app:v1": {Host: "my_r.io", Name: "my_r.io/app", Tag: "v1"},
		"r:9001/sha256:1111": {Host: "r:9001", Name: "r:9001/sha256",
			Tag: "1111"},
		"localhost/app": {Host: "localhost", Name: "localhost/app",
			Tag: "latest"},
		"[fd00::1]:9001/app:v1": {Host: "[fd00::1]:9001",
			Name: "[fd00::1]:9001/app", Tag: "v1"},
	} {
		want.Written = written
		got, err := Parse(written)
		if err != nil || got != want {
			t.Errorf("Parse(%q) = %+v, %v; want %+v", written, got, err, want)
		}
	}
}

func TestParseSaysWhyAReferenceIsNone(t *testing.T) {
	for _, written := range []string{
		"", " ", "r:9001/UPPER", "r:9001/app:", "app@sha256:short", "a b",
		"https://r:9001/app", "r:9001/app:v1\n", strings.Repeat("a", 300),
		strings.Repeat("A", 1<<20), digest, "sha256:1111", "sha512:11", "sha256:latest",
	} {
		_, err := Parse(written)
		var denial *reason.Denial
		if !errors.As(err, &denial) || denial.Code != reason.ImageInvalid ||
			len(denial.Sentence) > 500 {
			t.Errorf("Parse(%q) = %v, want a denial IMAGE-INVALID",
				written, err)
		}
	}
}

func TestMatchFollowsThePromisedTable(t *testing.T) {
	for _, row := range []struct {
		pattern, image string
		want           bool
	}{
		{"*", "anything", true},
		{"*", "r:9001/app@" + digest, true},
		{"docker.io/*", "nginx", false},
		{"*/*", "nginx", false},
		{"*/*", "library/nginx", true},
		{"r:9001/app", "r:9001/app:v1", true},
		{"r:9001/app", "r:9001/app", true},
		{"r:9001/app", "r:9001/app@" + digest, false},
		{"r:9001/app*", "r:9001/app@" + digest, true},
		{"r:9001/app*", "r:9001/app-evil:v1", true},
		{"r:9001/app@*", "r:9001/app@" + digest, true},
		{"r/*", "r:9001/app", false},
		{"r*/*", "r.evil.com/app", true},
		{"r*", "r.evil.com/app", true},
		{"*trusted*", "evil.io/trusted", true},
		{"r:9001/team/*", "r:9001/team/a/b:1", true},
		{"r:9001/app:*", "r:9001/app", false},
		{"*.trusted.io/*", "evil.io/x.trusted.io/app", false},
		{"*.trusted.io/*", "eu.trusted.io/app", true},
		{"r:9001/app", "r:9001/app-evil", false},
		{"r:9001/app:v1", "r:9001/app:v10", false},
		{"", "", true},
		{"", "r:9001/app", false},
	} {
		if got := matches(row.pattern, row.image); got != row.want {
			t.Errorf("matches(%q, %q) = %v, want %v",
				row.pattern, row.image, got, row.want)
		}
	}
}

func TestMatchIsQuickForPatternsOfManyStars(t *testing.T) {
	pattern := strings.Repeat("*a", 2000) + "b"
	if matches(pattern, strings.Repeat("a", 4000)) {
		t.Error("a pattern that ends with b matches a text that does not")
	}
}

// A policy may hold megabytes of patterns, and each is held against each
// image.
func TestAPatternIsHeldAgainstAnImageWithoutACopy(t *testing.T) {
	for _, pattern := range []string{
		strings.Repeat("*a", 1<<19), strings.Repeat("*", 1<<20),
		"r:9001/" + strings.Repeat("b*", 1<<19), strings.Repeat("r", 1<<20),
	} {
		if copies := testing.AllocsPerRun(1, func() {
			matches(pattern, "r:9001/team/app:v1")
		}); copies > 0 {
			t.Errorf("%.8s...: %v copies", pattern, copies)
		}
	}
}

func FuzzParseAndMatch(f *testing.F) {
	f.Add("r:9001/app:v1", "r:9001/*")
	f.Add("nginx@"+digest, "*")
	f.Add("[fd00::1]:9001/app", "*/app")
	f.Fuzz(func(t *testing.T, written, pattern string) {
		matches(pattern, written)
		image, err := Parse(written)
		if err != nil {
			return
		}
		again, err := Parse(image.WithDigest(digest))
		if err != nil || again.Name != image.Name || again.Digest != digest {
			t.Errorf("%q with a digest is read as %+v, %v",
				written, again, err)
		}
		if !matches("*", written) || !matches(image.Name, image.Name) {
			t.Errorf("%q is matched neither by * nor by its own name",
				written)
		}
	})
}
