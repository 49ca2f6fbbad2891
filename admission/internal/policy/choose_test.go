// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"errors"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "opendev.org/starlingx/portieris-armada-app/admission/api/v1"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/reason"
)

func spec(patterns ...string) v1.PolicySpec {
	spec := v1.PolicySpec{Repositories: []v1.Repository{}}
	for _, pattern := range patterns {
		spec.Repositories = append(spec.Repositories,
			v1.Repository{Name: pattern})
	}
	return spec
}

func namespaced(name string, patterns ...string) *v1.ImagePolicy {
	return &v1.ImagePolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: name},
		Spec:       spec(patterns...),
	}
}

func cluster(name string, patterns ...string) *v1.ClusterImagePolicy {
	return &v1.ClusterImagePolicy{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       spec(patterns...),
	}
}

func set(policies ...any) Set {
	made := Set{Namespace: "team"}
	for _, policy := range policies {
		switch policy := policy.(type) {
		case *v1.ImagePolicy:
			made.Namespaced = append(made.Namespaced, policy)
		case *v1.ClusterImagePolicy:
			made.Cluster = append(made.Cluster, policy)
		}
	}
	return made
}

func parsed(t *testing.T, written string) Image {
	t.Helper()
	image, err := Parse(written)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

func TestChooseTakesTheMostSpecificEntryThatCounts(t *testing.T) {
	for name, row := range map[string]struct {
		set    Set
		image  string
		source string
		entry  string
	}{
		"a policy of the namespace before those of the cluster": {
			set(namespaced("a", "*"), cluster("x", "r:9001/app:v1")),
			"r:9001/app:v1", `ImagePolicy "a"`, "*"},
		"policies of the cluster if the namespace has none": {
			set(cluster("x", "*")),
			"r:9001/app:v1", `ClusterImagePolicy "x"`, "*"},
		"the entries of all policies are one pool": {
			set(namespaced("a", "*"), namespaced("b", "r:9001/*")),
			"r:9001/app:v1", `ImagePolicy "b"`, "r:9001/*"},
		"the entry written as the image before a longer one": {
			set(namespaced("a", "ngin*x", "nginx",
				"docker.io/library/nginx*")),
			"nginx", `ImagePolicy "a"`, "nginx"},
		"the longer name before the shorter": {
			set(namespaced("a", "r:9001/*", "r:9001/team/*")),
			"r:9001/team/app", `ImagePolicy "a"`, "r:9001/team/*"},
		"stars do not make a name longer": {
			set(namespaced("a", "r:9001/app", "*******r:9001/ap*")),
			"r:9001/app:v1", `ImagePolicy "a"`, "r:9001/app"},
		"the first of equals in one policy": {
			set(namespaced("a", "r:9001/ap*", "r:9001/a*p")),
			"r:9001/app", `ImagePolicy "a"`, "r:9001/ap*"},
		"the first policy by name among equals": {
			set(namespaced("b", "r:9001/*"), namespaced("a", "r:9001/*")),
			"r:9001/app", `ImagePolicy "a"`, "r:9001/*"},
		"a pattern for a tag before the name alone": {
			set(namespaced("a", "r:9001/app", "r:9001/app:v*")),
			"r:9001/app:v1", `ImagePolicy "a"`, "r:9001/app:v*"},
	} {
		t.Run(name, func(t *testing.T) {
			choice, err := Choose(row.set, parsed(t, row.image))
			if err != nil || choice.Source != row.source ||
				choice.Entry.Name != row.entry {
				t.Errorf("chose %q of %s, %v; want %q of %s",
					choice.Entry.Name, choice.Source, err,
					row.entry, row.source)
			}
		})
	}
}

// No spelling of a reference leads around the entry that is meant for it.
func TestChooseSeesTheFullName(t *testing.T) {
	for name, row := range map[string]struct{ entry, image string }{
		"of a short name":           {"docker.io/*", "nginx"},
		"of an official image":      {"docker.io/library/nginx", "nginx:1"},
		"with the tag left out":     {"r:9001/app:latest", "r:9001/app"},
		"with a digest for the tag": {"r:9001/app", "r:9001/app@" + digest},
		"with tag and digest":       {"r:9001/app:v1", "r:9001/app:v1@" + digest},
		"of another spelling":       {"docker.io/*", "index.docker.io/a/b"},
		"in other letters":          {"r.io:9001/*", "R.io:9001/app"},
		"in the policy's letters":   {"R.io:9001/app", "r.io:9001/app:v1"},
		"with the usual port":       {"r.io/app:v1", "r.io:443/app:v1"},
		"without the usual port":    {"r.io:443/*", "r.io/app"},
		"with zeros in the port":    {"r.io:9001/*", "r.io:09001/app"},
		"at the Hub's own host":     {"docker.io/*", "registry-1.docker.io/library/nginx"},
		"of the Hub's own host":     {"index.docker.io/*", "nginx"},
		"at an address":             {"[fd00::1]:9001/*", "[FD00:0::0001]:9001/app"},
		"at an address in full":     {"[fd00:0:0:0:0:0:0:1]/*", "[fd00::1]:443/app"},
		"at a mapped address":       {"10.0.0.1:9001/*", "[::ffff:a00:1]:9001/app"},
	} {
		t.Run(name, func(t *testing.T) {
			policies := cluster("x", "*", row.entry)
			policies.Spec.Repositories[1].Policy = rejecting
			choice, err := Choose(set(policies), parsed(t, row.image))
			if err != nil || choice.Entry.Name != row.entry {
				t.Errorf("%q is judged by %q, %v; want %q",
					row.image, choice.Entry.Name, err, row.entry)
			}
		})
	}
}

var rejecting = &v1.Policy{Simple: v1.Simple{
	Requirements: []v1.SimpleRequirement{{Type: v1.RequirementReject}}}}

// Runtimes pass over the tag of a reference with a digest.
func TestATagBesideADigestOpensNothing(t *testing.T) {
	const tagged = "r:9001/app:v1"
	for name, entry := range map[string]v1.Repository{
		"without a policy":       {},
		"that asks for nothing":  {Policy: &v1.Policy{}},
		"that accepts anything":  {Policy: &v1.Policy{Simple: v1.Simple{Requirements: []v1.SimpleRequirement{{Type: v1.RequirementAcceptAnything}}}}},
		"that only warns":        {Policy: rejecting, Mode: v1.ModeWarn},
		"that has trust in vain": {Policy: &v1.Policy{Trust: v1.Trust{TrustServer: "https://notary"}}},
	} {
		t.Run("an entry "+name, func(t *testing.T) {
			entry.Name = tagged
			policies := cluster("x", "r:9001/*")
			policies.Spec.Repositories = append(policies.Spec.Repositories, entry)
			for image, want := range map[string]string{
				tagged:                "r:9001/app:v1",
				tagged + "@" + digest: "r:9001/*",
			} {
				choice, err := Choose(set(policies), parsed(t, image))
				if err != nil || choice.Entry.Name != want {
					t.Errorf("%q is judged by %q, %v; want %q", image,
						choice.Entry.Name, err, want)
				}
			}
		})
	}
}

func TestChooseKeepsRegistriesApart(t *testing.T) {
	for entry, image := range map[string]string{
		"r.io/*":           "r.io:9001/app",
		"r.io:443/*":       "r.io:9443/app",
		"r.io:9001/*":      "r.io/app",
		"[fd00::1]/*":      "[fd00::1:443]/app",
		"[fd00::1]:9001/*": "[fd00::2]:9001/app",
	} {
		choice, err := Choose(set(cluster("x", "*", entry)), parsed(t, image))
		if err != nil || choice.Entry.Name != "*" {
			t.Errorf("%q is judged by %q, %v", image, choice.Entry.Name, err)
		}
	}
}

func TestChooseSaysWhyNoEntryJudges(t *testing.T) {
	without := &v1.ImagePolicy{ObjectMeta: metav1.ObjectMeta{Name: "bare"}}
	for name, row := range map[string]struct {
		set      Set
		code     reason.Code
		sentence string
	}{
		"no policy at all": {set(), reason.NoPolicy,
			"no image policies or cluster polices"},
		"none of the namespace matches, though one of the cluster does": {
			set(namespaced("a", "other/*"), cluster("x", "*")),
			reason.NoMatchingPolicy,
			"no matching repositories in the ImagePolicies"},
		"none of the cluster matches": {set(cluster("x", "other/*")),
			reason.NoMatchingPolicy,
			"no matching repositories in ClusterImagePolicy and no " +
				`ImagePolicies in the "team" namespace`},
		"an empty list": {set(namespaced("a")), reason.NoMatchingPolicy,
			"no matching repositories in the ImagePolicies"},
		"no list": {set(without), reason.PolicyInvalid,
			"no matching repositories in the ImagePolicies: " +
				`ImagePolicy "bare" has no spec.repositories`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Choose(row.set, parsed(t, "r:9001/app:v1"))
			var denial *reason.Denial
			if !errors.As(err, &denial) || denial.Code != row.code ||
				denial.Sentence != row.sentence {
				t.Errorf("got %v, want %s: %s", err, row.code, row.sentence)
			}
		})
	}
}

func TestTrustServerIsThatOfTheClusterPolicies(t *testing.T) {
	policies := cluster("x", "*", "r:9001/*", "r:9001/team/*")
	policies.Spec.Repositories[1].Policy = &v1.Policy{
		Trust: v1.Trust{TrustServer: "https://notary:4443"},
	}
	if got := TrustServer(set(policies),
		parsed(t, "r:9001/team/app")); got != "https://notary:4443" {
		t.Errorf("got %q for an image of the registry", got)
	}
	if got := TrustServer(set(policies), parsed(t, "nginx")); got != "" {
		t.Errorf("got %q for an image of another registry", got)
	}
}

func BenchmarkChooseAmongAThousandEntries(b *testing.B) {
	patterns := make([]string, 1000)
	for i := range patterns {
		patterns[i] = "r:9001/team" + strings.Repeat("x", i%50) + "/*"
	}
	policies := set(cluster("x", patterns...))
	image, err := Parse("r:9001/teamxxx/app:v1")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := Choose(policies, image); err != nil {
			b.Fatal(err)
		}
	}
}
