// SPDX-License-Identifier: Apache-2.0

package policyreview

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"

	v1 "opendev.org/starlingx/portieris-armada-app/admission/api/v1"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/notationtest"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/policy"
)

// cluster has the policies and Secrets that it is given.
type cluster struct {
	policy.Set
	secrets  map[string]*corev1.Secret
	accounts map[string][]string
	failure  error
}

func (c *cluster) Policies(string) (policy.Set, error) {
	return c.Set, c.failure
}

func (c *cluster) Secret(_ context.Context, namespace, name string) (
	*corev1.Secret, error) {
	return c.secrets[namespace+"/"+name], c.failure
}

func (c *cluster) AccountPullSecrets(_ context.Context, namespace,
	account string) ([]string, error) {
	return c.accounts[namespace+"/"+account], c.failure
}

func (c *cluster) namespaced(name string, entries ...string) {
	one := &v1.ImagePolicy{}
	one.Name, one.Spec = name, spec(entries)
	c.Namespaced = append(c.Namespaced, one)
}

func (c *cluster) wide(name string, entries ...string) {
	one := &v1.ClusterImagePolicy{}
	one.Name, one.Spec = name, spec(entries)
	c.Cluster = append(c.Cluster, one)
}

func spec(entries []string) v1.PolicySpec {
	var spec v1.PolicySpec
	for _, name := range entries {
		spec.Repositories = append(spec.Repositories, v1.Repository{
			Name: name,
			Policy: &v1.Policy{Trust: v1.Trust{
				TrustServer: "https://notary:4443"}},
		})
	}
	return spec
}

func (c *cluster) secret(where string, data map[string]string) {
	secret := &corev1.Secret{Data: map[string][]byte{}}
	secret.Type = corev1.SecretTypeDockerConfigJson
	for key, value := range data {
		secret.Data[key] = []byte(value)
	}
	if c.secrets == nil {
		c.secrets = map[string]*corev1.Secret{}
	}
	c.secrets[where] = secret
}

func (c *cluster) review(applied Policy, before *Policy) []Finding {
	reviewer := &Reviewer{
		Policies: c, Secrets: c,
		Ready:  func() bool { return true },
		Exempt: func(namespace string) bool { return namespace == "exempt" },
	}
	return reviewer.Applied(context.Background(), applied, before)
}

const publicKey = `-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEVs/o5+uQbTjL3chynL4wXgUg2R9
q9UU8I5mEovUf86QZ7kOBIjJwqnzD1omageEHWwHdBO6B+dFabmdT9POxg==
-----END PUBLIC KEY-----
`

func TestWhatWillSurpriseInTheClusterIsWarnedOf(t *testing.T) {
	withSigner := trust("\n    signerSecrets:\n    - name: alice")
	noServer := "name: r:9001/team/*\npolicy:\n  trust:\n    enabled: true"
	pulls := func(c *cluster, key string) {
		c.accounts = map[string][]string{"team/default": {"pull"}}
		c.secret("team/pull", map[string]string{".dockerconfigjson": `{"auths":
			{"` + key + `": {"username": "u", "password": "p"}}}`})
	}
	for name, row := range map[string]struct {
		kind, entry string
		cluster     func(c *cluster)
		want        string
	}{
		"nothing surprises": {Namespaced, withSigner, func(c *cluster) {
			c.secret("team/alice", map[string]string{
				"name": "alice", "publicKey": publicKey})
			pulls(c, "r:9001")
		}, ""},
		"the first policy of a namespace": {Namespaced, trust(""),
			func(c *cluster) { c.wide("all", "*") },
			`it is the first of the namespace "team", so the ` +
				`ClusterImagePolicies (1) no longer count`},
		"a signer's Secret is missing": {Namespaced, withSigner, nil,
			`the signer Secret "alice" in the namespace "team" does not exist`},
		"a signer's Secret is malformed": {Namespaced, withSigner,
			func(c *cluster) {
				c.secret("team/alice", map[string]string{"name": "alice"})
			}, `no PEM text under the key "publicKey"`},
		"a key Secret is missing": {Namespaced, simple(cosign, ""), nil,
			`the key Secret "cosign" in the namespace "team" does not exist`},
		"a key Secret has no key": {Namespaced, simple(cosign, ""),
			func(c *cluster) { c.secret("team/cosign", nil) }, `no key "key"`},
		"a key is of another kind": {Namespaced, simple(signedBy, store),
			func(c *cluster) {
				c.secret("team/gpg", map[string]string{"key": publicKey})
			}, "of no use for signedBy"},
		"a cosign key is garbage": {Namespaced, simple(cosign, ""),
			func(c *cluster) {
				c.secret("team/cosign", map[string]string{"key": "x"})
			}, "of no use for sigstoreSigned"},
		"a key is no certificate": {Namespaced, simple(notation, ""),
			func(c *cluster) {
				c.secret("team/roots", map[string]string{"key": publicKey})
			}, "of no use for notation: PEM block"},
		"every certificate has expired": {Namespaced, simple(notation, ""),
			func(c *cluster) {
				expired := notationtest.NewAuthority(t, func(
					c *x509.Certificate) {
					c.NotAfter = time.Now().Add(-time.Hour)
				})
				c.secret("team/roots", map[string]string{
					"key": string(expired.PEM())})
			}, "of no use for notation: the certificate"},
		"a pull secret is for another registry than the signature's": {
			Namespaced, strings.Replace(simple(notation+
				"      keySecretNamespace: keys\n", ""), "r.io", "r:9001", 1),
			func(c *cluster) { pulls(c, "r:5000") },
			"has credentials for r:9001, so pods need one of their own"},
		"the keys are in another namespace": {Namespaced, simple(cosign+
			"      keySecretNamespace: keys\n", ""), nil, ""},
		"the cluster's keys are missing": {Cluster, simple(cosign+
			"      keySecretNamespace: keys\n", ""), nil,
			`the key Secret "cosign" in the namespace "keys" does not exist`},
		"the cluster's signers are each namespace's": {
			Cluster, withSigner, nil, ""},
		"the store's Secret is missing": {Namespaced, simple(signedBy+
			"      keySecretNamespace: keys\n", store+"    storeSecret: s\n"),
			nil, `the store Secret "s" in the namespace "team"`},
		"a pull secret is for another registry": {Namespaced, trust(""),
			func(c *cluster) { pulls(c, "r:5000") },
			"has credentials for r:9001, so pods need one of their own"},
		"a pull secret is missing": {Namespaced, trust(""),
			func(c *cluster) {
				c.accounts = map[string][]string{"team/default": {"pull"}}
			}, `the pull secret "pull" in the namespace "team" does not exist`},
		"no pull secret is needed": {Namespaced,
			"name: r:9001/*\npolicy: {}",
			func(c *cluster) { pulls(c, "r:5000") }, ""},
		"no trust server is known": {Namespaced, noServer, nil,
			"no trust server could be found for the registry r:9001"},
		"the cluster knows the trust server": {Namespaced, noServer,
			func(c *cluster) {
				c.namespaced("other", "x")
				c.wide("all", "r:9001/*")
			}, ""},
		"the policy names the trust server itself": {Cluster,
			strings.Replace(trust(""), "team/*", "*", 1), nil, ""},
		"Docker Hub's is well known": {Namespaced,
			strings.Replace(noServer, "r:9001", "docker.io", 1), nil, ""},
		"another policy comes first": {Namespaced, trust(""),
			func(c *cluster) { c.namespaced("a", "r:9001/team/*") },
			`stands in ImagePolicy "a" too, which comes first, so this ` +
				`entry never counts`},
		"another policy came first": {Namespaced, trust(""),
			func(c *cluster) { c.namespaced("z", "r:9001/team/*") },
			`stands in ImagePolicy "z" too, whose entry no longer counts`},
		"another cluster policy comes first": {Cluster, trust(""),
			func(c *cluster) { c.wide("a", "r:9001/team/*") },
			`stands in ClusterImagePolicy "a" too, which comes first`},
		"the policy stood there before": {Namespaced, trust(""),
			func(c *cluster) { c.namespaced("p", "r:9001/team/*") }, ""},
		"the cluster cannot be read": {Namespaced, withSigner,
			func(c *cluster) { c.failure = errors.New("no") }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := &cluster{}
			if row.cluster != nil {
				row.cluster(c)
			}
			applied := aPolicy(t, row.kind, "p", entry(row.entry))
			if row.kind == Cluster {
				applied.Namespace = ""
			}
			text := said(c.review(applied, nil))
			if (row.want == "") != (text == "") ||
				!strings.Contains(text, row.want) ||
				strings.Contains(text, "error: ") {
				t.Errorf("it is told %q; want %q", text, row.want)
			}
		})
	}
}

// What the review says of two entries of one name is what is decided.
func TestOfTwoEntriesOfOneNameTheOneThatCountsIsNamed(t *testing.T) {
	image, err := policy.Parse("r:9001/team/app:1")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b-2", "z"} {
		c := &cluster{}
		c.namespaced("b", "r:9001/team/*")
		text := said(c.review(aPolicy(t, Namespaced, name,
			entry(trust(""))), nil))
		c.namespaced(name, "r:9001/team/*")
		choice, err := policy.Choose(c.Set, image)
		if err != nil {
			t.Fatal(err)
		}
		lost := strings.Contains(text, "so this entry never counts")
		if lost != (choice.Source == `ImagePolicy "b"`) {
			t.Errorf("%s counts, and %q is told %s", choice.Source, name, text)
		}
	}
}

func TestAPolicyOfAnExemptNamespaceIsToldThatNothingIsJudged(t *testing.T) {
	applied := aPolicy(t, Namespaced, "p", entry(trust("")))
	applied.Namespace = "exempt"
	if text := said((&cluster{}).review(applied, nil)); !strings.HasSuffix(
		text, `the namespace "exempt" is exempt, so nothing in it is judged`) {
		t.Errorf("it is told %s", text)
	}
}

func TestBeforeThePoliciesAreReadOnlyThePolicyItselfIsReviewed(t *testing.T) {
	reviewer := &Reviewer{Ready: func() bool { return false }}
	found := reviewer.Applied(context.Background(),
		aPolicy(t, Namespaced, "p", entry("policy: {}")), nil)
	if len(found) != 1 || !found[0].Error {
		t.Errorf("it is told %s", said(found))
	}
}

func TestWhatWasWrongBeforeIsNoReasonToRefuseAnUpdate(t *testing.T) {
	bad, worse := entry("policy: {}"), entry("name: r.io/\npolicy: {}")
	good := entry("name: r.io/*\npolicy: {}")
	before := aPolicy(t, Namespaced, "p", bad)
	for name, row := range map[string]struct {
		entries string
		want    string
	}{
		"unchanged":        {bad, ""},
		"an entry is new":  {good + bad, "warning: has no name"},
		"a mistake is new": {bad + worse, "error: ends with a slash"},
		"mended":           {good, ""},
	} {
		t.Run(name, func(t *testing.T) {
			text := said((&cluster{}).review(
				aPolicy(t, Namespaced, "p", row.entries), &before))
			severity, want, _ := strings.Cut(row.want, ": ")
			if (row.want == "") != (text == "") ||
				!strings.Contains(text, want) ||
				strings.Contains(text, "error: ") != (severity == "error") {
				t.Errorf("it is told %s; want %q", text, row.want)
			}
		})
	}
}

func TestAPolicyThatIsBeingDeletedIsLeftAlone(t *testing.T) {
	applied := aPolicy(t, Namespaced, "p", entry("policy: {}"))
	applied.Deleting = true
	if found := (&cluster{}).review(applied, nil); found != nil {
		t.Errorf("it is told %s", said(found))
	}
}

// annotated is a policy as the API server shows it after kubectl apply: what
// no policy has is gone, and stands in the annotation alone.
func annotated(t *testing.T, written string) Policy {
	t.Helper()
	object := map[string]any{
		"apiVersion": "portieris.cloud.ibm.com/v1", "kind": Namespaced,
		"metadata": map[string]any{"name": "p", "annotations": map[string]any{
			lastApplied: written,
		}},
		"spec": map[string]any{"repositories": []any{
			map[string]any{"name": "r.io/*", "policy": map[string]any{}},
		}},
	}
	text, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	return parsed(t, string(text))
}

func TestAFieldThatKubernetesDroppedIsSeenInWhatWasApplied(t *testing.T) {
	const wrong = `{"spec": {"repositories": [{"name": "r.io/*",
		"policy": {"va": {"enabled": true}}}]}}`
	applied := annotated(t, wrong)
	text := said((&cluster{}).review(applied, nil))
	if text != `warning: ImagePolicy "p": Kubernetes has dropped the unknown `+
		`field "spec.repositories[0].policy.va"; it is called vulnerability `+
		`today` {
		t.Errorf("it is told %s", text)
	}
	// kubectl edit and patch leave the annotation as it was.
	before := applied
	applied.Entries = append([]Entry(nil), applied.Entries...)
	applied.Entries[0].Name = "r.io/app"
	if text := said((&cluster{}).review(applied, &before)); text != "" {
		t.Errorf("of an old mistake it is told %s", text)
	}
	for _, garbage := range []string{"", "x", "[]", "{}", "null"} {
		if found := (&cluster{}).review(
			annotated(t, garbage), nil); found != nil {
			t.Errorf("of %q it is told %s", garbage, said(found))
		}
	}
}

func TestWarningsAreAsFewAndShortAsTheAPIServerWants(t *testing.T) {
	var found []Finding
	for i := range 40 {
		found = append(found, Finding{"here", i%2 == 0,
			fmt.Sprint(i) + strings.Repeat("ä", 300)})
	}
	warnings := Warnings(found)
	all := 0
	for _, warning := range warnings {
		length := utf8.RuneCountInString(warning)
		all += length
		if length > 256 || !utf8.ValidString(warning) {
			t.Errorf("a warning has %d characters", length)
		}
	}
	if all > 4096 || len(warnings) != maxWarnings+1 ||
		!strings.HasPrefix(warnings[0], "here: 1ä") ||
		warnings[maxWarnings] !=
			"and 8 more; portieris lint FILE prints more" {
		t.Errorf("%d characters, %d warnings: %q", all, len(warnings),
			warnings)
	}
	lines := strings.Split(Errors(found), "\n")
	if len(lines) != maxWarnings+1 || !strings.HasPrefix(
		lines[maxWarnings], "and 8 more") {
		t.Errorf("%d errors, %q", len(lines), lines[len(lines)-1])
	}
}
