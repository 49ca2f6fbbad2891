// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"math/rand/v2"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "opendev.org/starlingx/portieris-armada-app/admission/api/v1"
)

// crowd is a number of policies in no order, of which three could judge r/app
// with the same right.
func crowd(count int) Set {
	var set Set
	for i := range count {
		entry := fmt.Sprintf("other%d/*", i)
		if i >= count-3 {
			entry = "r/*"
		}
		set.Cluster = append(set.Cluster, &v1.ClusterImagePolicy{
			ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("p%04d", i)},
			Spec:       v1.PolicySpec{Repositories: []v1.Repository{{Name: entry}}},
		})
	}
	rand.Shuffle(count, func(i, j int) {
		set.Cluster[i], set.Cluster[j] = set.Cluster[j], set.Cluster[i]
	})
	return set
}

func TestEveryOrderOfPoliciesGivesTheSameChoice(t *testing.T) {
	image, err := Parse("r/app")
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		set := crowd(20)
		choice, err := Choose(set, image)
		if err != nil || choice.Source != `ClusterImagePolicy "p0017"` {
			t.Fatalf("chosen is %s, %v", choice.Source, err)
		}
		for _, candidate := range Rank(set, image) {
			if candidate.Standing == Chosen &&
				candidate.Source != choice.Source {
				t.Fatalf("the explanation names %s", candidate.Source)
			}
		}
	}
}

func BenchmarkChooseAmongAThousandPolicies(b *testing.B) {
	set := crowd(1000)
	image, err := Parse("r/app")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := Choose(set, image); err != nil {
			b.Fatal(err)
		}
	}
}
