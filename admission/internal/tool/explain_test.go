// SPDX-License-Identifier: Apache-2.0

package tool

import (
	"context"
	"reflect"
	"strings"
	"testing"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/decision"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/policy"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/reason"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/notary"
)

const (
	image  = "r:9001/app:v1"
	digest = "sha256:" +
		"1111111111111111111111111111111111111111111111111111111111111111"
)

// trusting is a policy of the cluster with the usual two entries.
const trusting = `
apiVersion: portieris.cloud.ibm.com/v1
kind: ClusterImagePolicy
metadata: {name: usual}
spec:
  repositories:
  - {name: "*"}
  - {name: "icr.io/*"}
  - name: r:9001/*
    policy: {trust: {enabled: true, trustServer: "https://notary:4443/"}}
`

// signers is a policy of a namespace, and what it needs.
const signers = `
apiVersion: v1
kind: List
items:
- apiVersion: portieris.cloud.ibm.com/v1
  kind: ImagePolicy
  metadata: {name: own, namespace: team}
  spec:
    repositories:
    - name: r:9001/*
      policy:
        trust:
          enabled: true
          trustServer: https://notary:4443
          signerSecrets: [{name: alice-key}, {name: bob-key}]
- apiVersion: v1
  kind: Secret
  metadata: {name: alice-key, namespace: team}
  stringData: {name: alice, publicKey: "-----BEGIN PUBLIC KEY-----\nAA==\n-----END PUBLIC KEY-----\n"}
- apiVersion: v1
  kind: Secret
  metadata: {name: bob-key, namespace: team}
  stringData: {name: bob, publicKey: "-----BEGIN PUBLIC KEY-----\nAA==\n-----END PUBLIC KEY-----\n"}
- apiVersion: v1
  kind: Secret
  metadata: {name: pull, namespace: team}
  type: kubernetes.io/dockerconfigjson
  stringData: {.dockerconfigjson: '{"auths": {"r:9001": {"username": "u", "password": "hidden"}}}'}
- apiVersion: v1
  kind: ServiceAccount
  metadata: {name: default, namespace: team}
  imagePullSecrets: [{name: pull}]
`

// files are sources without a cluster.
func files(t testing.TB, texts ...string) Sources {
	t.Helper()
	snapshot := NewSnapshot()
	for _, text := range texts {
		if _, err := snapshot.AddFile(strings.NewReader(text), ""); err != nil {
			t.Fatal(err)
		}
	}
	return Sources{Policies: snapshot, Secrets: snapshot,
		Exempt: func(name string) bool { return name == "exempt" }}
}

// verifier is a trust server that vouches for one tag.
type verifier struct {
	asked func(notary.Request)
}

func (v verifier) Digest(_ context.Context, r notary.Request) (
	string, error) {
	if v.asked != nil {
		v.asked(r)
	}
	if r.Tag != "v1" {
		return "", reason.New(reason.NotSigned,
			"No valid trust data for %s", r.Tag)
	}
	return digest, nil
}

func explained(sources Sources, image, namespace string) Explanation {
	return Explain(context.Background(), sources, decision.Workload{
		Namespace: namespace, ServiceAccount: "default"}, image)
}

func TestAnExplanationNamesEverythingThatCounted(t *testing.T) {
	sources := files(t, trusting, signers)
	sources.Trust = verifier{}
	got := explained(sources, image, "team")
	want := Explanation{
		Image: image, Namespace: "team", ServiceAccount: "default",
		Result: Admitted, Name: "r:9001/app",
		Policy: `ImagePolicy "own"`, Entry: "r:9001/*",
		Asks: []string{"trust data of a trust server, signed by the signer " +
			"of the Secret alice-key and of bob-key"},
		Asked: []Asked{{What: "trust server",
			Address: "https://notary:4443", NamedBy: "the entry",
			About:       "r:9001/app",
			Signers:     []string{"alice", "bob"},
			Credentials: []string{"secret team/pull"}, Digest: digest}},
		Digest: digest, Replacement: "r:9001/app@" + digest,
	}
	for i, standing := range []policy.Standing{policy.Chosen,
		policy.Overruled, policy.Overruled, policy.Overruled} {
		if got.Candidates[i].Standing != standing {
			t.Errorf("the candidates are %+v", got.Candidates)
		}
	}
	got.Candidates = nil
	if !reflect.DeepEqual(got, want) {
		t.Errorf("explained\n%+v, want\n%+v", got, want)
	}
}

func TestWhoNamedTheTrustServerIsTold(t *testing.T) {
	sources := files(t, trusting, `
apiVersion: portieris.cloud.ibm.com/v1
kind: ImagePolicy
metadata: {name: own, namespace: team}
spec: {repositories: [{name: "*", policy: {trust: {enabled: true}}}]}
`)
	for image, want := range map[string][2]string{
		image:   {"https://notary:4443", "the cluster's policies"},
		"nginx": {"https://notary.docker.io", "the image"},
	} {
		got := explained(sources, image, "team").Asked
		if len(got) != 1 || got[0].Address != want[0] ||
			got[0].NamedBy != want[1] {
			t.Errorf("%s asked %+v, want %q", image, got, want)
		}
	}
}

func TestManyEntriesThatLostAreCounted(t *testing.T) {
	entries := ""
	for i := range 9 {
		entries += "  - {name: \"r:9001/" + strings.Repeat("*", i+1) + "\"}\n"
	}
	sources := files(t, trusting+entries)
	var text strings.Builder
	if err := explained(sources, image, "team").Text(&text); err != nil {
		t.Fatal(err)
	}
	// One of the usual entries loses too.
	if !strings.Contains(text.String(), "Not judged by 5 more; -o json") ||
		strings.Count(text.String(), "Not judged by") != 6 {
		t.Errorf("the text is\n%s", &text)
	}
}

func TestAnExplanationLeavesNoTrace(t *testing.T) {
	sources := files(t, trusting)
	sources.Trust = verifier{func(r notary.Request) {
		if !r.DryRun {
			t.Error("the trust server's keys may be pinned")
		}
	}}
	if got := explained(sources, image, "other"); len(got.Asked) != 1 {
		t.Errorf("asked %+v", got.Asked)
	}
}

func TestEveryResultIsExplained(t *testing.T) {
	warning := strings.Replace(trusting, "name: r:9001/*",
		"mode: warn\n    name: r:9001/*", 1)
	for name, row := range map[string]struct {
		policy, image, namespace string
		verify                   bool
		result                   Result
		code                     reason.Code
		replacement              string
		text                     []string
	}{
		"admitted": {trusting, image, "team", true, Admitted, "",
			"r:9001/app@" + digest, []string{"Verdict       ADMITTED\n",
				`ClusterImagePolicy "usual", entry "r:9001/*": it is the most`,
				`entry "*": it matches, but`, "1 of 3 entries",
				"trust server https://notary:4443, named by the entry, " +
					"for r:9001/app",
				"Answer        " + digest}},
		"denied": {trusting, "r:9001/app:v2", "team", true, Denied,
			reason.NotSigned, "", []string{"DENIED [NOT-SIGNED]",
				"Reason        No valid trust data for v2", "Cure          "}},
		"warned": {warning, "r:9001/app:v2", "team", true, Warned,
			reason.NotSigned, "", []string{"WARNED [NOT-SIGNED]", "warn\n"}},
		"admitted unseen": {trusting, "nginx", "team", true, Admitted, "", "",
			[]string{"Full name     docker.io/library/nginx",
				"It asks for   nothing", "Replaced by   nothing"}},
		"exempt": {trusting, image, "exempt", true, Exempt, "", "",
			[]string{"Judged by     nobody"}},
		"no entry": {strings.Replace(trusting, `"*"`, `"r/*"`, 1), "nginx",
			"team", true, Denied, reason.NoMatchingPolicy, "",
			[]string{"Judged by     no entry"}},
		"an image that is none": {trusting, "r:9001/\x1bUP", "team", true,
			Denied, reason.ImageInvalid, "",
			[]string{`Image         "r:9001/\x1bUP"`}},
		"unverified": {trusting, image, "team", false, Unverified, "",
			"r:9001/app@<the digest that is signed>",
			[]string{"Not asked     trust server https://notary:4443"}},
		"unverified by digest": {trusting, "r:9001/app@" + digest, "team",
			false, Unverified, "", "", []string{"Replaced by   nothing"}},
		"denied without asking": {strings.Replace(trusting, "https:", "http:",
			1), image, "team", false, Denied, reason.PolicyInvalid, "",
			[]string{"plain HTTP"}},
	} {
		t.Run(name, func(t *testing.T) {
			sources := files(t, row.policy)
			if row.verify {
				sources.Trust = verifier{}
			}
			got := explained(sources, row.image, row.namespace)
			if got.Result != row.result || got.Replacement != row.replacement ||
				(got.Reason == nil) != (row.code == "") ||
				(got.Reason != nil && got.Reason.Code != row.code) {
				t.Errorf("explained %+v %+v", got, got.Reason)
			}
			var text strings.Builder
			if err := got.Text(&text); err != nil {
				t.Fatal(err)
			}
			for _, want := range row.text {
				if !strings.Contains(text.String(), want) {
					t.Errorf("no %q in\n%s", want, &text)
				}
			}
			if strings.Contains(text.String(), unverified) {
				t.Errorf("a digest nobody vouches for stands in\n%s", &text)
			}
		})
	}
}

func TestWithoutAClusterAndWithoutVerifyingSignersAreStillNamed(
	t *testing.T) {
	standIns, err := NewStandIns()
	if err != nil {
		t.Fatal(err)
	}
	entry := `
      simple:
        requirements:
        - {type: sigstoreSigned, keySecret: cosign, keySecretNamespace: keys}
        - {type: signedBy, keySecret: ring}
        - type: notation
          keySecret: roots
          trustedIdentities: ["x509.subject: C=CA, ST=Ontario, O=Example"]
        storeURL: https://store
        storeSecret: store
`
	own, _, _ := strings.Cut(signers, "- apiVersion: v1\n  kind: Secret")
	sources := files(t, own)
	sources.Secrets = Layers{standIns}
	got := explained(sources, image, "team")
	if got.Result != Unverified || len(got.Asked) != 1 ||
		!reflect.DeepEqual(got.Asked[0].Signers,
			[]string{"alice-key", "bob-key"}) {
		t.Errorf("explained %+v %+v", got, got.Reason)
	}
	signatures := strings.Split(trusting, "    policy:")[0] + "    policy:" + entry
	sources = files(t, signatures)
	sources.Secrets = Layers{standIns}
	got = explained(sources, image, "team")
	if got.Result != Unverified || len(got.Asked) != 1 ||
		got.Asked[0].Store != "https://store" ||
		got.Asked[0].Address != "https://r:9001" || !reflect.DeepEqual(got.Asks,
		[]string{"sigstoreSigned with a key of the Secret cosign in the " +
			"namespace keys", "signedBy with a key of the Secret ring",
			"notation with an authority of the Secret roots by " +
				"x509.subject: C=CA, ST=Ontario, O=Example"}) {
		t.Errorf("explained %+v %+v", got, got.Reason)
	}
}

func TestAnObjectOfALaterFileTakesThePlaceOfTheFirst(t *testing.T) {
	sources := files(t, trusting, signers,
		strings.Replace(trusting, `name: "*"`, `name: "nginx"`, 1),
		strings.Replace(signers, "r:9001/*", "late/*", 1))
	for _, row := range []struct{ image, namespace, entry string }{
		{"busybox", "other", ""}, {"nginx", "other", "nginx"},
		{image, "team", ""}, {"late/app", "team", "late/*"},
	} {
		got := explained(sources, row.image, row.namespace)
		if got.Entry != row.entry {
			t.Errorf("%s is judged by %q, want %q",
				row.image, got.Entry, row.entry)
		}
	}
}

func TestAFileThatIsReadOtherwiseThanMeantIsRefused(t *testing.T) {
	for name, row := range map[string][2]string{
		"a rule at the wrong level": {strings.Replace(trusting,
			"policy: {trust", "trust: {policy", 1),
			`policy "usual": unknown field "spec.repositories[2].trust"`},
		"another version": {strings.Replace(trusting, "com/v1", "com/v2", 1),
			"must be \"portieris.cloud.ibm.com/v1\""},
		"no name": {strings.Replace(trusting, "name: usual", "", 1),
			"a policy has no metadata.name"},
		"no namespace": {strings.Replace(signers, ", namespace: team", "", 1),
			`ImagePolicy "own" names no namespace`},
		"no YAML": {trusting + "---\na: b: c\n", "document 2"},
		"a Secret that is none": {"apiVersion: v1\nkind: Secret\n" +
			"data: {name: '%hidden'}\n", "a Secret does not parse"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := NewSnapshot().AddFile(strings.NewReader(row[0]), "")
			if err == nil || !strings.Contains(err.Error(), row[1]) ||
				strings.Contains(err.Error(), "hidden") {
				t.Errorf("the error is %v, want %s", err, row[1])
			}
		})
	}
}

func TestOtherDocumentsArePassedOver(t *testing.T) {
	snapshot := NewSnapshot()
	policies, err := snapshot.AddFile(strings.NewReader(
		"# nothing\n---\nkind: Pod\napiVersion: v1\n---\n"+
			strings.ReplaceAll(trusting, "ClusterImagePolicy", "ImagePolicy")),
		"given")
	if err != nil || policies != 1 {
		t.Errorf("%d policies, %v", policies, err)
	}
	if set, _ := snapshot.Policies("given"); len(set.Namespaced) != 1 {
		t.Errorf("the given namespace has %+v", set)
	}
}
