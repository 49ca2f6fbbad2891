// SPDX-License-Identifier: Apache-2.0

package policyreview

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// aPolicy is a policy of a kind whose entries are written as given.
func aPolicy(t *testing.T, kind, name, entries string) Policy {
	t.Helper()
	return parsed(t, `apiVersion: portieris.cloud.ibm.com/v1
kind: `+kind+`
metadata:
  name: `+name+`
  namespace: team
spec:
  repositories:
`+entries)
}

func parsed(t *testing.T, text string) Policy {
	t.Helper()
	converted, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	policy, err := Read(converted)
	if err != nil {
		t.Fatal(err)
	}
	return policy
}

// entry is one entry of a list, written as given.
func entry(text string) string {
	return "  - " + strings.ReplaceAll(
		strings.TrimSpace(text), "\n", "\n    ") + "\n"
}

// trust is an entry that asks for trust, with more lines below policy.
func trust(more string) string {
	return "name: r:9001/team/*\npolicy:\n  trust:\n    enabled: true\n" +
		"    trustServer: https://notary:4443" + more
}

// simple is an entry with requirements and what stands beside them.
func simple(requirements, more string) string {
	return "name: r.io/*\npolicy:\n  simple:\n    requirements:\n" +
		requirements + more
}

const (
	signedBy = "    - type: signedBy\n      keySecret: gpg\n"
	cosign   = "    - type: sigstoreSigned\n      keySecret: cosign\n"
	notation = "    - type: notation\n      keySecret: roots\n"
	store    = "    storeURL: https://store\n"
)

func said(findings []Finding) string {
	var lines []string
	for _, finding := range findings {
		lines = append(lines, finding.String())
	}
	return strings.Join(lines, "\n")
}

func TestAnEntryThatSaysWhatItMeansIsLeftInPeace(t *testing.T) {
	for name, text := range map[string]string{
		"trust":                  trust("\n    signerSecrets:\n    - name: alice\nmode: enforce"),
		"everything, on purpose": "name: \"*\"\npolicy: {}",
		"accepting anything": simple(
			"    - type: insecureAcceptAnything\n", ""),
		"any registry":        "name: \"*/team/app\"\npolicy: {}",
		"hosts of one domain": "name: \"*.example.com/*\"\npolicy: {}",
		"any port of a host":  "name: \"r:*/team/*\"\npolicy: {}",
		"any tag beginning":   "name: \"r.io/app:1.*\"\npolicy: {}",
		"a tag in capitals":   "name: \"r.io/app:RC\"\npolicy: {}",
		"a full name":         "name: docker.io/library/nginx\npolicy: {}",
		"reject":              simple("    - type: reject\n", ""),
		"GPG signatures":      simple(signedBy, store),
		"cosign signatures":   simple(cosign, ""),
		"notation signatures": simple(notation, ""),
		"signers with a name": simple(notation+"      trustedIdentities:\n"+
			"      - 'x509.subject: C=CA, ST=Ontario, O=Example'\n", ""),
		"a mapped prefix": simple(signedBy+"      signedIdentity:\n"+
			"        type: remapIdentity\n        prefix: r\n"+
			"        signedPrefix: vendor.example.com/v\n", store),
	} {
		t.Run(name, func(t *testing.T) {
			policy := aPolicy(t, Namespaced, "p", entry(text))
			if found := Alone(policy); found != nil {
				t.Errorf("it is told %s", said(found))
			}
		})
	}
}

func TestWhatCanNeverWorkIsAnErrorAndWhatSurprisesAWarning(t *testing.T) {
	const open = "\npolicy: {}"
	for name, row := range map[string]struct{ entry, want string }{
		"no name":          {"policy: {}", "error: no name"},
		"a blank":          {"name: r.io/a b" + open, "error: has a blank"},
		"a scheme":         {"name: https://r/*" + open, "error: begins with a scheme"},
		"a slash at last":  {"name: r.io/" + open, "error: end it with /*"},
		"a colon at last":  {"name: 'r.io/app:'" + open, "error: ends with :"},
		"two slashes":      {"name: r.io//app" + open, "error: two slashes"},
		"a regexp":         {"name: r.io/.*" + open, "error: * alone"},
		"a question mark":  {"name: r.io/app?" + open, "error: '?' in it"},
		"a capital letter": {"name: r.io/Team/*" + open, "error: a capital letter"},
		"a star without a slash": {`name: "*trusted*"` + open,
			"warning: whatever the registry"},
		"a registry without a slash": {"name: r.local:9001" + open,
			`warning: for the registry write "r.local:9001/*"`},
		"a short name": {"name: nginx" + open,
			`warning: in full they are called "docker.io/library/nginx:latest"`},
		"a user of Docker Hub": {"name: team/*" + open,
			`warning: called "docker.io/team/x:latest"`},
		"a short name with a registry": {"name: docker.io/nginx" + open,
			`warning: in full they are called "docker.io/library/nginx:latest"`},
		"a star in the host":   {`name: "r*/app"` + open, "warning: strangers"},
		"a star before a dot":  {`name: "*r.io/app"` + open, "warning: strangers"},
		"a star for a domain":  {`name: "r.*/app"` + open, "warning: strangers"},
		"a star behind a word": {`name: "r.io/app*"` + open, `warning: "r.io/app-other" too`},
		"an unknown mode":      {"name: r.io/*\nmode: ask" + open, `error: "ask"`},
		"a mode that denies nothing": {trust("\nmode: warn"),
			"warning: mode warn"},
		"no policy":     {"name: r.io/*", "warning: has no policy"},
		"an empty one":  {"name: r.io/*\npolicy:", "warning: has no policy"},
		"nothing asked": {"name: r.io/*\npolicy:\n  trust: {}", "warning: asks for nothing"},
		"only a digest": {"name: r.io/*\npolicy:\n  mutateImage: true", "warning: asks for nothing"},
		"a tag": {strings.Replace(trust(""), "team/*", "team/app:v1", 1),
			"warning: another entry judges the image by its digest"},
		"a tag may move": {trust("\n  mutateImage: false"), "warning: a tag can be moved"},
		"an empty signer": {trust("\n    signerSecrets:\n    - {}"),
			"error: signerSecrets[0] has no name"},
		"a trust server without a scheme": {"name: r.io/*\npolicy:\n  trust:\n" +
			"    enabled: true\n    trustServer: notary:4443",
			"error: https://host"},
		"a trust server in plain HTTP": {"name: r.io/*\npolicy:\n  trust:\n" +
			"    enabled: true\n    trustServer: http://notary:4443",
			"error: plain HTTP"},
		"a slash behind the trust server": {trust("/"), "warning: slash at the end"},
		"a requirement nobody knows": {simple("    - type: magic\n", ""),
			`error: "magic"`},
		"no keys": {simple("    - type: sigstoreSigned\n", ""),
			"error: needs a keySecret"},
		"keys for nothing": {simple("    - type: reject\n"+
			"      keySecret: k\n", ""), "warning: uses no keySecret"},
		"no store": {simple(signedBy, ""), "error: needs a storeURL"},
		"a store in plain HTTP": {simple(signedBy, "    storeURL: http://s\n"),
			"error: https://host"},
		"a store for nothing": {simple(cosign, store), "warning: only signedBy"},
		"credentials for nothing": {simple(cosign, "    storeSecret: s\n"),
			"warning: there is none"},
		"one that denies beside others": {simple(
			"    - type: reject\n"+cosign, ""), "warning: reject denies"},
		"one that accepts beside others": {simple(
			"    - type: insecureAcceptAnything\n"+cosign, ""),
			"warning: no effect beside"},
		"no reference to match": {simple(signedBy+"      signedIdentity:\n"+
			"        type: matchExactReference\n", store),
			"error: can never be met"},
		"a digest that never matches": {simple(signedBy+"      signedIdentity:\n"+
			"        type: matchExact\n", store),
			"warning: accepts no reference by digest"},
		"no repository to match": {simple(cosign+"      signedIdentity:\n"+
			"        type: matchExactRepository\n", ""),
			"error: can never be met"},
		"a repository that does not count": {simple(cosign+
			"      signedIdentity:\n        type: matchRepository\n"+
			"        dockerRepository: r/app\n", ""),
			"warning: only with the type matchExactRepository"},
		"no authorities": {simple("    - type: notation\n", ""),
			"error: needs a keySecret"},
		"a repository that no signature of notation names": {simple(notation+
			"      signedIdentity:\n        type: matchRepository\n", ""),
			"error: can never be met: a notation signature names no repository"},
		"a signer who cannot be": {simple(notation+
			"      trustedIdentities: [Example]\n", ""),
			`error: can never be met: the trusted identity "Example"`},
		"signers with a name beside keys": {simple(cosign+
			"      trustedIdentities: ['*']\n", ""),
			"warning: counts only for notation"},
		"a vulnerability verdict": {"name: r.io/*\npolicy:\n  vulnerability:\n" +
			"    ICCRVA:\n      enabled: true", "warning: ICCRVA"},
	} {
		t.Run(name, func(t *testing.T) {
			policy := aPolicy(t, Namespaced, "p", entry(row.entry))
			severity, want, _ := strings.Cut(row.want, ": ")
			found := Alone(policy)
			if len(found) != 1 || found[0].Severity() != severity ||
				!strings.Contains(found[0].Sentence, want) ||
				!strings.HasPrefix(found[0].Where,
					`ImagePolicy "p", spec.repositories[0]`) {
				t.Errorf("it is told %s; want one %s that says %q",
					said(found), severity, want)
			}
		})
	}
}

func TestOfOnePolicyNotEverythingIsSaid(t *testing.T) {
	policy, err := Read([]byte(`{"spec": {"repositories": [` +
		strings.Repeat("{},", 100_000) + `{}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	if found := Alone(policy); len(found) != most {
		t.Errorf("%d findings", len(found))
	}
}

func TestTrustThatIsNotEnabledIsNamed(t *testing.T) {
	found := Alone(aPolicy(t, Namespaced, "p", entry(
		"name: r.io/*\npolicy:\n  trust:\n    trustServer: http://n")))
	if text := said(found); len(found) != 2 || found[0].Error ||
		!strings.Contains(text, "policy.trust: it is not enabled") ||
		!strings.Contains(text, "admitted unseen") {
		t.Errorf("it is told %s", text)
	}
}

func TestAFieldThatNoPolicyHasIsNamedWithItsPlace(t *testing.T) {
	for name, row := range map[string]struct{ entry, want string }{
		"a rule beside its policy": {"name: r.io/*\ntrust:\n  enabled: true",
			`unknown field "spec.repositories[0].trust"; it belongs below policy`},
		"a part of a rule beside it": {
			"name: r.io/*\npolicy:\n  trustServer: https://n",
			`unknown field "spec.repositories[0].policy.trustServer"; it ` +
				`belongs below policy.trust`},
		"an old rule": {"name: r.io/*\npolicy:\n  va:\n    enabled: true",
			"it is called vulnerability today"},
		"a misspelt one": {"name: r.io/*\npolicy:\n  trust:\n    enable: true",
			`unknown field "spec.repositories[0].policy.trust.enable"`},
	} {
		t.Run(name, func(t *testing.T) {
			found := Alone(aPolicy(t, Namespaced, "p", entry(row.entry)))
			if len(found) == 0 || !found[0].Error ||
				!strings.HasSuffix(found[0].Sentence, row.want) {
				t.Errorf("it is told %s; want %q", said(found), row.want)
			}
		})
	}
}

func TestAMistakeInAPolicyIsNamed(t *testing.T) {
	const head = "apiVersion: portieris.cloud.ibm.com/v1\n" +
		"kind: ImagePolicy\nmetadata:\n  name: p\n"
	for name, row := range map[string]struct{ text, want string }{
		"no repositories": {head + "spec: {}", `warning: ImagePolicy "p": ` +
			"it has no spec.repositories, so it admits no image"},
		"no spec": {head, "warning: no spec.repositories"},
		"an empty list": {head + "spec:\n  repositories: []",
			"its spec.repositories is empty"},
		"a name twice": {head + "spec:\n  repositories:\n" +
			entry("name: r.io/*\npolicy: {}") + entry("name: r.io/*\npolicy: {}"),
			`spec.repositories[1]: its name "r.io/*" stands above`},
		"an old version": {strings.Replace(head, "portieris",
			"securityenforcement.admission", 1) + "spec: {repositories: []}",
			"error: ImagePolicy \"p\": its apiVersion is"},
		"no name": {strings.Replace(head, "name:", "labels:", 1) +
			"spec: {repositories: []}", "has no metadata.name"},
	} {
		t.Run(name, func(t *testing.T) {
			text := said(Alone(parsed(t, row.text)))
			severity, want, _ := strings.Cut(row.want, ": ")
			if !strings.Contains(text, want) ||
				(severity == "error" && !strings.HasPrefix(text, severity)) {
				t.Errorf("it is told %s; want %q", text, row.want)
			}
		})
	}
}

func TestANameThatIsGivenLaterIsNoMistake(t *testing.T) {
	found := Alone(parsed(t, `{apiVersion: portieris.cloud.ibm.com/v1,
kind: ImagePolicy, metadata: {generateName: p-},
spec: {repositories: [{name: "*", policy: {}}]}}`))
	if found != nil {
		t.Errorf("it is told %s", said(found))
	}
}

func TestAFindingNamesItsSeverityInJSON(t *testing.T) {
	text, err := json.Marshal([]Finding{
		{"here", true, "wrong"}, {"there", false, "odd"},
	})
	var read []map[string]string
	if err == nil {
		err = json.Unmarshal(text, &read)
	}
	want := []map[string]string{
		{"severity": "error", "where": "here", "sentence": "wrong"},
		{"severity": "warning", "where": "there", "sentence": "odd"},
	}
	if err != nil || !reflect.DeepEqual(read, want) {
		t.Errorf("it reads %v, %v", read, err)
	}
}
