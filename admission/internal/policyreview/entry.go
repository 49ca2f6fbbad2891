// SPDX-License-Identifier: Apache-2.0

package policyreview

import (
	"strings"

	v1 "opendev.org/starlingx/portieris-armada-app/admission/api/v1"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/decision"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/policy"
)

// reviewEntry says what is wrong with one entry.
func reviewEntry(here findings, entry Entry) {
	if problem := neverMatches(entry.Name); problem != "" {
		here.wrong("%s", problem)
	} else if surprise := matchesOthers(entry.Name); surprise != "" {
		here.warn("%s", surprise)
	}
	verifies := policy.Verifies(entry.Policy)
	switch {
	case entry.Mode == v1.ModeWarn && verifies:
		here.warn("it is in mode warn, so images that are not trusted are " +
			"admitted with a warning")
	case entry.Mode != "" && entry.Mode != v1.ModeWarn &&
		entry.Mode != v1.ModeEnforce:
		here.wrong("its mode %q is none of enforce and warn", entry.Mode)
	}
	if entry.Policy == nil {
		here.warn("it has no policy, so images that match are admitted " +
			"unseen; if that is meant, write policy: {}")
		return
	}
	reviewTrust(here, entry.Policy.Trust)
	reviewSimple(here, entry.Policy.Simple)
	if onlyTags(entry.Policy) {
		here.warn("matchExact accepts no reference by digest, by which the " +
			"tag is replaced: a workload that is judged once more is denied; " +
			"without a type of signedIdentity it is not")
	}
	if verifies && namesATag(entry.Name) {
		here.warn("its name %q names a tag, so another entry judges the image "+
			"by its digest, also in a workload that is judged once more; "+
			"without the tag it is every image of the repository", entry.Name)
	}
	switch {
	case isTrue(entry.Policy.Vulnerability.ICCRVA.Enabled):
		here.warn("policy.vulnerability.ICCRVA needs IBM's own image: this " +
			"server denies the images")
	case verifies && entry.Policy.MutateImage != nil &&
		!*entry.Policy.MutateImage:
		here.warn("policy.mutateImage is false, so a tag can be moved to " +
			"another image after it was judged")
	case !verifies && !entry.Open && !acceptsAloud(entry.Policy):
		here.warn("its policy asks for nothing, so images that match are " +
			"admitted unseen; if that is meant, write policy: {}")
	}
}

// acceptsAloud tells whether rules say that they accept anything.
func acceptsAloud(rules *v1.Policy) bool {
	return len(rules.Simple.Requirements) > 0
}

// onlyTags tells whether rules replace a tag by a digest for which they then
// accept no signature.
func onlyTags(rules *v1.Policy) bool {
	replaces := rules.MutateImage == nil || *rules.MutateImage
	for _, requirement := range rules.Simple.Requirements {
		if replaces && requirement.Type == v1.RequirementSignedBy &&
			requirement.SignedIdentity.Type == "matchExact" {
			return true
		}
	}
	return false
}

// reviewTrust says what is wrong with what an entry asks of a trust server.
func reviewTrust(here findings, trust v1.Trust) {
	here.where += ", policy.trust"
	if !isTrue(trust.Enabled) {
		if trust.TrustServer != "" || len(trust.SignerSecrets) > 0 {
			here.warn("it is not enabled, so no trust server is asked; write " +
				"enabled: true")
		}
		return
	}
	if trust.TrustServer != "" {
		server := strings.TrimRight(trust.TrustServer, "/")
		if problem := decision.ServerProblem(server); problem != "" {
			here.wrong("%s", problem)
		} else if server != trust.TrustServer {
			here.warn("the slash at the end of trustServer is left out here; " +
				"IBM's own server denies the images for it")
		}
	}
	for i, secret := range trust.SignerSecrets {
		if secret.Name == "" {
			here.wrong("signerSecrets[%d] has no name", i)
		}
	}
}

// reviewSimple says what is wrong with the requirements of an entry.
func reviewSimple(here findings, rules v1.Simple) {
	here.where += ", policy.simple"
	types := map[v1.RequirementType]bool{}
	for i, requirement := range rules.Requirements {
		types[requirement.Type] = true
		reviewRequirement(here.at("requirements[%d]", i), requirement)
	}
	if types[v1.RequirementReject] && len(types) > 1 {
		here.warn("reject denies every image, so the other requirements " +
			"never count")
	} else if types[v1.RequirementAcceptAnything] && len(types) > 1 {
		here.warn("insecureAcceptAnything has no effect beside other " +
			"requirements, which must hold all the same")
	}
	signedBy := types[v1.RequirementSignedBy]
	switch {
	case signedBy && rules.StoreURL == "":
		here.wrong("signedBy needs a storeURL, where the signatures are")
	case !signedBy && rules.StoreURL != "":
		here.warn("only signedBy uses the storeURL, and nothing asks for it")
	}
	if rules.StoreURL != "" && signedBy {
		if problem := decision.StoreProblem(rules.StoreURL); problem != "" {
			here.wrong("%s", problem)
		}
	}
	if rules.StoreSecret != "" && rules.StoreURL == "" {
		here.warn("the storeSecret is for the storeURL, and there is none")
	}
}

// reviewRequirement says what is wrong with one requirement.
func reviewRequirement(here findings, requirement v1.SimpleRequirement) {
	switch requirement.Type {
	case v1.RequirementAcceptAnything, v1.RequirementReject:
		if requirement.KeySecret != "" {
			here.warn("%s uses no keySecret", requirement.Type)
		}
	case v1.RequirementSignedBy, v1.RequirementSigstoreSigned,
		v1.RequirementNotation:
		if requirement.KeySecret == "" {
			here.wrong("%s needs a keySecret", requirement.Type)
		}
		if problem := decision.IdentityProblem(requirement); problem != "" {
			here.wrong("it can never be met: %s", problem)
		}
		if requirement.Type != v1.RequirementNotation {
			reviewIdentity(here, requirement.SignedIdentity)
		}
	default:
		here.wrong("its type %q is none of insecureAcceptAnything, reject, "+
			"signedBy, sigstoreSigned and notation", requirement.Type)
	}
	if len(requirement.TrustedIdentities) > 0 &&
		requirement.Type != v1.RequirementNotation {
		here.warn("trustedIdentities counts only for notation, and the type "+
			"is %q", requirement.Type)
	}
}

// reviewIdentity says which fields the type of a signedIdentity passes over.
func reviewIdentity(here findings, identity v1.IdentityRequirement) {
	for _, field := range []struct{ name, value, of string }{
		{"dockerReference", identity.DockerReference, "matchExactReference"},
		{"dockerRepository", identity.DockerRepository,
			"matchExactRepository"},
		{"prefix", identity.Prefix, "remapIdentity"},
		{"signedPrefix", identity.SignedPrefix, "remapIdentity"},
	} {
		if field.value != "" && identity.Type != field.of {
			here.warn("signedIdentity.%s counts only with the type %s, and "+
				"the type is %q", field.name, field.of, identity.Type)
		}
	}
}

func isTrue(flag *bool) bool { return flag != nil && *flag }
