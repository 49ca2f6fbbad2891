// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"strings"
	"testing"
)

func TestRankTellsOfEveryEntryWhyItJudgesOrNot(t *testing.T) {
	const image = "r:9001/team/app:v1"
	for name, row := range map[string]struct {
		set  Set
		want []string // entry, standing, and a word of the reason
	}{
		"the only one": {set(cluster("x", "r:9001/*", "other/*")), []string{
			"r:9001/* chosen only", "other/* unmatched not match"}},
		"a more specific one": {
			set(cluster("x", "*"), cluster("y", "r:9001/*")), []string{
				"* outranked more specific", "r:9001/* chosen most specific"}},
		"the first of equals": {
			set(cluster("x", "r:9001/*", "r:9*001/*")), []string{
				"r:9001/* chosen most specific",
				"r:9*001/* outranked before"}},
		"the image as written": {
			set(cluster("x", image, "r:9001/team/app*v1*****")), []string{
				image + " chosen as written",
				"r:9001/team/app*v1***** outranked more specific"}},
		"a policy of the namespace": {
			set(cluster("x", image), namespaced("own", "*")), []string{
				"* chosen only", image + ` overruled "team" has`}},
		"no policy": {set(), nil},
	} {
		t.Run(name, func(t *testing.T) {
			got := Rank(row.set, parsed(t, image))
			if len(got) != len(row.want) {
				t.Fatalf("ranked %+v, want %q", got, row.want)
			}
			for i, want := range row.want {
				one := got[i]
				begin := one.Entry.Name + " " + string(one.Standing) + " "
				rest, ok := strings.CutPrefix(want, begin)
				if !ok || !strings.Contains(one.Why, rest) {
					t.Errorf("%d: %s%s; want %s", i, begin, one.Why, want)
				}
			}
		})
	}
}

func TestTheFullNameOfAnImageIsNamedAsTheReason(t *testing.T) {
	got := Rank(set(cluster("x", "docker.io/library/nginx:latest", "*")),
		parsed(t, "nginx"))
	if got[0].Standing != Chosen || got[0].Why != "it is the image's full name" {
		t.Errorf("ranked %+v", got)
	}
}

func TestRankAndChooseNeverDisagree(t *testing.T) {
	patterns := []string{"*", "nginx", "docker.io/*", "*/nginx",
		"docker.io/library/nginx:latest", "docker.io/library/ngin*", "r:9001/*",
		"r:9001/app", "r:9001/a*p", "r:9001/app:v1", "r:*/app:*", ""}
	images := []string{"nginx", "docker.io/library/nginx", "r:9001/app",
		"r:9001/app:v1", "r:9001/other:v1@sha256:" + strings.Repeat("1", 64)}
	for i := range patterns {
		for j := range patterns {
			for k := range patterns {
				sets := []Set{
					set(cluster("x", patterns[i], patterns[j]),
						cluster("a", patterns[k])),
					set(cluster("x", patterns[i]),
						namespaced("b", patterns[j]),
						namespaced("a", patterns[k])),
				}
				for _, set := range sets {
					for _, written := range images {
						agree(t, set, parsed(t, written))
					}
				}
			}
		}
	}
}

func agree(t *testing.T, set Set, image Image) {
	t.Helper()
	choice, _ := Choose(set, image)
	var ranked Choice
	for _, one := range Rank(set, image) {
		if one.Standing != Chosen {
			continue
		}
		if ranked.Source != "" {
			t.Fatalf("two entries are chosen for %s", image.Written)
		}
		ranked = Choice{Source: one.Source, Entry: one.Entry}
	}
	if ranked.Source != choice.Source || ranked.Entry.Name != choice.Entry.Name {
		t.Errorf("%s: Rank says %q of %s, Choose %q of %s", image.Written,
			ranked.Entry.Name, ranked.Source,
			choice.Entry.Name, choice.Source)
	}
}
