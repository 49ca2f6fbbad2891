// SPDX-License-Identifier: Apache-2.0

package host

import "testing"

func TestTextsOfOneHostFoldToOne(t *testing.T) {
	for want, texts := range map[string][]string{
		"r.io":                 {"r.io", "R.IO"},
		"r.io:443":             {"r.io:443", "R.io:0443"},
		"docker.io":            {"docker.io", "index.docker.io", "Registry-1.docker.io", "registry.hub.docker.com"},
		"docker.io:443":        {"registry-1.docker.io:443"},
		"[fd00::1]:9001":       {"[fd00::1]:9001", "[FD00:0:0::0001]:09001"},
		"[fd00::1]":            {"[fd00::1]", "[fd00:0::1]"},
		"10.0.0.1:9001":        {"10.0.0.1:9001", "[::ffff:a00:1]:9001"},
		"[fd00::x]":            {"[fd00::x]"},
		"fd00::1":              {"fd00::1"},
		"*.example.com":        {"*.Example.com"},
		"r:0":                  {"r:0"},
		"":                     {""},
		"[":                    {"["},
		"hub.docker.io":        {"hub.docker.io"},
		"index.docker.io.evil": {"index.docker.io.evil"},
	} {
		for _, text := range texts {
			if got := Fold(text); got != want {
				t.Errorf("Fold(%q) = %q, want %q", text, got, want)
			}
		}
	}
}

func TestSplitKeepsBracketsWithTheHost(t *testing.T) {
	for text, want := range map[string][2]string{
		"r":              {"r", ""},
		"r:9001":         {"r", ":9001"},
		"[fd00::1]":      {"[fd00::1]", ""},
		"[fd00::1]:9001": {"[fd00::1]", ":9001"},
	} {
		if name, port := Split(text); name != want[0] || port != want[1] {
			t.Errorf("Split(%q) = %q, %q", text, name, port)
		}
	}
}

func FuzzFold(f *testing.F) {
	f.Add("[FD00::1]:09001")
	f.Add("Index.docker.io")
	f.Fuzz(func(t *testing.T, text string) {
		once := Fold(text)
		if again := Fold(once); again != once {
			t.Errorf("%q folds to %q, and that to %q", text, once, again)
		}
	})
}
