// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"

	v1 "opendev.org/starlingx/portieris-armada-app/admission/api/v1"
)

// Standing is what became of one entry when an image was judged.
type Standing string

// The standings of an entry.
const (
	Chosen    Standing = "chosen"
	Outranked Standing = "outranked"
	Unmatched Standing = "unmatched"
	// Overruled is an entry of the cluster in a namespace that has policies
	// of its own.
	Overruled Standing = "overruled"
)

// Candidate is one entry of one policy that might have judged an image.
type Candidate struct {
	Source   string
	Entry    v1.Repository
	Standing Standing
	// Why is the standing for people.
	Why string

	rank int
}

// Rank tells of every entry that may count in the namespace why it judges the
// image or why it does not. The entry it calls chosen is the one that Choose
// returns.
func Rank(set Set, image Image) []Candidate {
	own, cluster := inListOrder(set.namespaced()), inListOrder(set.cluster())
	if len(own) == 0 {
		return ranked(cluster, image)
	}
	candidates := ranked(own, image)
	for _, policy := range cluster {
		for _, entry := range policy.spec.Repositories {
			candidates = append(candidates, Candidate{
				Source: policy.source(), Entry: entry, Standing: Overruled,
				Why: fmt.Sprintf("the namespace %q has an ImagePolicy, so no "+
					"ClusterImagePolicy counts in it", set.Namespace),
			})
		}
	}
	return candidates
}

func ranked(policies []named, image Image) []Candidate {
	ranks := newRanks(image)
	var candidates []Candidate
	best, matches := -1, 0
	for _, policy := range policies {
		for _, entry := range policy.spec.Repositories {
			rank := ranks.of(&entry)
			candidates = append(candidates, Candidate{
				Source: policy.source(), Entry: entry, rank: rank})
			if rank < 0 {
				continue
			}
			matches++
			if best < 0 || rank > candidates[best].rank {
				best = len(candidates) - 1
			}
		}
	}
	for i := range candidates {
		one := &candidates[i]
		switch {
		case i == best:
			one.Standing, one.Why = Chosen, whyChosen(one.rank, matches)
		case one.rank < 0:
			one.Standing, one.Why = Unmatched, "it does not match the image"
		default:
			one.Standing = Outranked
			one.Why = whyOutranked(one.rank, candidates[best].rank)
		}
	}
	return candidates
}

func whyChosen(rank, matches int) string {
	switch {
	case rank >= asWritten:
		return "it is the image as written"
	case rank >= exact:
		return "it is the image's full name"
	case matches == 1:
		return "it is the only entry that matches"
	default:
		return "it is the most specific entry that matches"
	}
}

func whyOutranked(rank, best int) string {
	if rank == best {
		return "it is as specific as the chosen entry, which stands before it"
	}
	return "it matches, but the chosen entry is more specific"
}
