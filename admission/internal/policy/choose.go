// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"sort"
	"strings"

	v1 "opendev.org/starlingx/portieris-armada-app/admission/api/v1"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/reason"
)

// Set is every policy that may count for one namespace.
type Set struct {
	Namespace  string
	Namespaced []*v1.ImagePolicy
	Cluster    []*v1.ClusterImagePolicy
}

// Choice is the entry that judges an image, and where it stands.
type Choice struct {
	Entry v1.Repository
	// Source names the policy: ImagePolicy "team" or ClusterImagePolicy "x".
	Source string
}

// named is a policy of either kind.
type named struct {
	kind, name string
	spec       *v1.PolicySpec
}

func (n named) source() string {
	return fmt.Sprintf("%s %q", n.kind, n.name)
}

// Choose returns the entry that judges the image. The policies of the
// namespace count if there are any, else those of the cluster. Entries are
// pooled: one that is written exactly as the image wins, else the one with
// the longest name not counting stars, else the first.
func Choose(set Set, image Image) (Choice, error) {
	policies := set.namespaced()
	unmatched := "no matching repositories in the ImagePolicies"
	if len(policies) == 0 {
		policies = set.cluster()
		unmatched = fmt.Sprintf("no matching repositories in "+
			"ClusterImagePolicy and no ImagePolicies in the %q namespace",
			set.Namespace)
	}
	if len(policies) == 0 {
		return Choice{}, reason.New(reason.NoPolicy,
			"no image policies or cluster polices")
	}
	if choice, ok := best(policies, image, anyEntry); ok {
		return choice, nil
	}
	if empty := withoutRepositories(policies); empty != "" {
		return Choice{}, reason.New(reason.PolicyInvalid,
			"%s: %s has no spec.repositories", unmatched, empty)
	}
	return Choice{}, reason.New(reason.NoMatchingPolicy, "%s", unmatched)
}

// TrustServer returns the trust server that the cluster's policies name for
// the image, for an entry that requires trust and names none. It is empty if
// they name none either.
func TrustServer(set Set, image Image) string {
	choice, ok := best(set.cluster(), image, func(e *v1.Repository) bool {
		return e.Policy != nil && e.Policy.Trust.TrustServer != ""
	})
	if !ok {
		return ""
	}
	return choice.Entry.Policy.Trust.TrustServer
}

func anyEntry(*v1.Repository) bool { return true }

// best returns the most specific entry that matches and that counts. Of
// several that are as specific as each other it is the first one in the order
// of the policies' names, so that every replica decides alike. Nothing is
// sorted for that: there may be thousands of policies, and this is done for
// each image.
func best(policies []named, image Image,
	counts func(*v1.Repository) bool) (Choice, bool) {
	ranks := newRanks(image)
	var entryOf named
	var found *v1.Repository
	longest := -1
	for _, policy := range policies {
		for i := range policy.spec.Repositories {
			entry := &policy.spec.Repositories[i]
			if !counts(entry) {
				continue
			}
			length := ranks.of(entry)
			if length > longest || length >= 0 && length == longest &&
				policy.name < entryOf.name {
				longest, entryOf, found = length, policy, entry
			}
		}
	}
	if found == nil {
		return Choice{}, false
	}
	return Choice{Entry: *found, Source: entryOf.source()}, true
}

// The ranks of a pattern without a star that is the image: one of its full
// forms, and the reference as written.
const exact, asWritten = 1 << 20, 1 << 21

// ranks are the spellings of one image by which entries are ranked.
type ranks struct{ judged, unseen spellings }

type spellings struct {
	forms []string
	whole int
}

func newRanks(image Image) (r ranks) {
	r.judged.forms, r.judged.whole = image.forms(false)
	r.unseen.forms, r.unseen.whole = image.forms(true)
	return r
}

// of is the rank of an entry, -1 if it does not match the image.
func (r ranks) of(entry *v1.Repository) int {
	by := r.judged
	if entry.Mode == v1.ModeWarn || !Verifies(entry.Policy) {
		by = r.unseen
	}
	return specificity(entry.Name, by.forms, by.whole)
}

// Verifies tells whether rules can deny an image.
func Verifies(rules *v1.Policy) bool {
	if rules == nil {
		return false
	}
	for _, requirement := range rules.Simple.Requirements {
		if requirement.Type != v1.RequirementAcceptAnything {
			return true
		}
	}
	return isTrue(rules.Trust.Enabled) ||
		isTrue(rules.Vulnerability.ICCRVA.Enabled)
}

func isTrue(flag *bool) bool { return flag != nil && *flag }

// specificity ranks a pattern that matches any form of an image by the length
// of its text; one that does not match gets -1. A pattern that is the
// reference as written ranks above all others, and one that is another whole
// form of it above every pattern with a star.
func specificity(pattern string, forms []string, whole int) int {
	if pattern == forms[0] {
		return asWritten
	}
	pattern = foldedHost(pattern)
	for _, form := range forms[1:whole] {
		if pattern == form {
			return exact + len(pattern)
		}
	}
	// What stands before the first star tells most patterns apart.
	beginning, _, _ := strings.Cut(pattern, "*")
	for _, form := range forms {
		if strings.HasPrefix(form, beginning) && matches(pattern, form) {
			return len(pattern) - strings.Count(pattern, "*")
		}
	}
	return -1
}

// withoutRepositories names the first policy whose spec lacks the list. An
// empty list is another matter: it is how one denies everything.
func withoutRepositories(policies []named) string {
	for _, policy := range inListOrder(policies) {
		if policy.spec.Repositories == nil {
			return policy.source()
		}
	}
	return ""
}

func (s Set) namespaced() []named {
	policies := make([]named, 0, len(s.Namespaced))
	for _, policy := range s.Namespaced {
		policies = append(policies,
			named{"ImagePolicy", policy.Name, &policy.Spec})
	}
	return policies
}

func (s Set) cluster() []named {
	policies := make([]named, 0, len(s.Cluster))
	for _, policy := range s.Cluster {
		policies = append(policies,
			named{"ClusterImagePolicy", policy.Name, &policy.Spec})
	}
	return policies
}

// inListOrder sorts as the Kubernetes API lists.
func inListOrder(policies []named) []named {
	sort.SliceStable(policies, func(i, j int) bool {
		return policies[i].name < policies[j].name
	})
	return policies
}
