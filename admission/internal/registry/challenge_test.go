// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"strings"
	"testing"
)

func TestChallengesAreReadAsServersWriteThem(t *testing.T) {
	bearer := challenge{realm: "https://t/token", service: "s", scope: "repository:a:pull"}
	for name, test := range map[string]struct {
		headers []string
		want    challenge
	}{
		"usual":            {[]string{`Bearer realm="https://t/token",service="s",scope="repository:a:pull"`}, bearer},
		"blanks and case":  {[]string{`bearer  Realm = "https://t/token" , service="s",  scope="repository:a:pull"`}, bearer},
		"unquoted":         {[]string{`Bearer realm=https://t/token,service=s,scope=repository:a:pull`}, bearer},
		"escaped":          {[]string{`Bearer realm="https://t/\token",service="s",scope="repository:a:pull"`}, bearer},
		"after another":    {[]string{`Negotiate, Bearer realm="https://t/token",service="s",scope="repository:a:pull"`}, bearer},
		"before another":   {[]string{`Bearer realm="https://t/token",service="s",scope="repository:a:pull", Basic realm="x"`}, bearer},
		"in two headers":   {[]string{`Basic realm="x"`, `Bearer realm="https://t/token",service="s",scope="repository:a:pull"`}, bearer},
		"comma in a value": {[]string{`Bearer realm="https://t/token",scope="repository:a:pull,push"`}, challenge{realm: "https://t/token", scope: "repository:a:pull,push"}},
		"given twice":      {[]string{`Bearer realm="https://t/1",realm="https://t/2"`}, challenge{realm: "https://t/1"}},
		"basic":            {[]string{`Basic realm="Artifactory Realm"`}, challenge{basic: true}},
		"basic alone":      {[]string{`Basic`}, challenge{basic: true}},
		"broken bearer":    {[]string{`Bearer realm="https://t`, `Basic realm="x"`}, challenge{basic: true}},
	} {
		if got, err := chooseChallenge(test.headers); err != nil || got != test.want {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestUselessChallengesAreExplained(t *testing.T) {
	for text, word := range map[string]string{
		"":                                "no WWW-Authenticate",
		`Bearer service="s"`:              "no realm",
		`Bearer realm="http://t/"`:        "not https",
		`Bearer realm="://"`:              "no URL",
		`Digest realm="x"`:                "Digest",
		`realm="https://t/"`:              "no WWW-Authenticate",
		"Bearer \x00realm=\"https://t/\"": "no realm",
	} {
		if got, err := chooseChallenge([]string{text}); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
}

func FuzzChallenge(f *testing.F) {
	f.Add(`Bearer realm="https://t/token",service="s",scope="repository:a:pull", Basic realm="x"`)
	f.Add(`a=b,c="\"",d`)
	f.Fuzz(func(t *testing.T, header string) {
		got, err := chooseChallenge([]string{header, header})
		if (err == nil) == got.open() {
			t.Errorf("%+v, %v", got, err)
		}
		if !got.open() && !got.basic && !strings.HasPrefix(strings.ToLower(got.realm), "https:") {
			t.Errorf("the realm %q", got.realm)
		}
	})
}
