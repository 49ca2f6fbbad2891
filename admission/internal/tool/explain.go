// SPDX-License-Identifier: Apache-2.0

package tool

import (
	"context"
	"strings"

	v1 "opendev.org/starlingx/portieris-armada-app/admission/api/v1"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/decision"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/policy"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/reason"
)

// Result is what becomes of an image.
type Result string

// The results.
const (
	Admitted Result = "admitted"
	Denied   Result = "denied"
	// Warned is admitted although it is not trusted, by an entry in the mode
	// warn.
	Warned Result = "warned"
	// Exempt is admitted unseen, because its namespace is exempt.
	Exempt Result = "exempt"
	// Unverified is admitted if what the entry asks for holds.
	Unverified Result = "unverified"
)

// Candidate is an entry that was looked at.
type Candidate struct {
	Policy   string          `json:"policy"`
	Entry    string          `json:"entry"`
	Standing policy.Standing `json:"standing"`
	Why      string          `json:"why"`
}

// Reason is a denial with everything that helps against it.
type Reason struct {
	Code     reason.Code `json:"code"`
	Sentence string      `json:"sentence"`
	Cure     string      `json:"cure"`
}

func newReason(denial *reason.Denial) *Reason {
	if denial == nil {
		return nil
	}
	return &Reason{denial.Code, denial.Sentence, denial.Cure()}
}

// Explanation is everything that a decision about one image depended on.
type Explanation struct {
	Image          string  `json:"image"`
	Namespace      string  `json:"namespace"`
	ServiceAccount string  `json:"serviceAccount"`
	Result         Result  `json:"result"`
	Reason         *Reason `json:"reason,omitempty"`

	// Name is the image's full name, without tag and digest.
	Name   string  `json:"name,omitempty"`
	Policy string  `json:"policy,omitempty"`
	Entry  string  `json:"entry,omitempty"`
	Mode   v1.Mode `json:"mode,omitempty"`
	// Asks says what the entry asks for.
	Asks []string `json:"asks"`
	// Candidates are all entries, the chosen one included.
	Candidates []Candidate `json:"candidates"`

	Asked []Asked `json:"asked"`
	// Digest is what was vouched for.
	Digest string `json:"digest,omitempty"`
	// Replacement is the reference that would be put into the object. If
	// nothing was verified it says so in place of the digest.
	Replacement string `json:"replacement,omitempty"`
}

// Explain decides about an image as admission does, without a trace, and
// tells how it came to the decision.
func Explain(ctx context.Context, sources Sources, workload decision.Workload,
	image string) Explanation {
	workload.DryRun = true
	e := Explanation{
		Image: image, Namespace: workload.Namespace,
		ServiceAccount: workload.ServiceAccount,
		Asks:           []string{}, Candidates: []Candidate{}, Asked: []Asked{},
	}
	set, parsed := e.candidates(sources)
	if sources.Exempt(workload.Namespace) {
		e.Result = Exempt
		return e
	}
	asked := &recorder{}
	made := sources.judge(asked).All(ctx, workload, []string{image})[0]
	e.Policy, e.Entry = made.Choice.Source, made.Choice.Entry.Name
	e.Mode = made.Choice.Entry.Mode
	e.Asks = append(e.Asks, asks(made.Choice.Entry.Policy)...)
	for _, one := range asked.asked {
		if one.NamedBy == "" {
			one.NamedBy = namedBy(made.Choice.Entry, set, parsed)
		}
		e.Asked = append(e.Asked, one)
	}
	e.Reason = newReason(made.Denial)
	e.Result = result(made, !sources.verifies() && len(e.Asked) > 0)
	e.Digest, e.Replacement = made.Digest, made.Replacement
	if e.Result == Unverified {
		e.Digest = ""
		if e.Replacement != "" {
			e.Replacement = e.Name + "@<the digest that is signed>"
		}
	}
	return e
}

// result is what becomes of an image. A decision that nobody vouched for,
// because nobody was asked, is open unless it is a denial anyway.
func result(made decision.Decision, open bool) Result {
	switch {
	case made.Denial != nil && made.Allowed():
		return Warned
	case made.Denial != nil:
		return Denied
	case open:
		return Unverified
	default:
		return Admitted
	}
}

// namedBy is who named the trust server, in the order in which the decision
// looks for one.
func namedBy(entry v1.Repository, set policy.Set, image policy.Image) string {
	switch {
	case entry.Policy.Trust.TrustServer != "":
		return "the entry"
	case policy.TrustServer(set, image) != "":
		return "the cluster's policies"
	default:
		return "the image"
	}
}

// candidates looks up what the policies say about the image. What is wrong
// with the image or the policies is told by the decision.
func (e *Explanation) candidates(sources Sources) (set policy.Set,
	image policy.Image) {
	image, err := policy.Parse(e.Image)
	if err != nil {
		return set, image
	}
	e.Name = image.Name
	set, err = sources.Policies.Policies(e.Namespace)
	if err != nil {
		return set, image
	}
	for _, one := range policy.Rank(set, image) {
		e.Candidates = append(e.Candidates, Candidate{
			one.Source, one.Entry.Name, one.Standing, one.Why})
	}
	return set, image
}

// asks says in words what an entry asks for.
func asks(rules *v1.Policy) []string {
	var wants []string
	if rules == nil {
		return nil
	}
	if enabled := rules.Trust.Enabled; enabled != nil && *enabled {
		want := "trust data of a trust server"
		for i, secret := range rules.Trust.SignerSecrets {
			if i == 0 {
				want += ", signed by the signer of the Secret "
			} else {
				want += " and of "
			}
			want += secret.Name
		}
		wants = append(wants, want)
	}
	for _, requirement := range rules.Simple.Requirements {
		want := string(requirement.Type)
		if requirement.KeySecret != "" {
			means := "a key"
			if requirement.Type == v1.RequirementNotation {
				means = "an authority"
			}
			want += " with " + means + " of the Secret " + requirement.KeySecret
			if requirement.KeySecretNamespace != "" {
				want += " in the namespace " + requirement.KeySecretNamespace
			}
		}
		if len(requirement.TrustedIdentities) > 0 {
			want += " by " + strings.Join(requirement.TrustedIdentities, " or ")
		}
		wants = append(wants, want)
	}
	if enabled := rules.Vulnerability.ICCRVA.Enabled; enabled != nil && *enabled {
		wants = append(wants, "a verdict about vulnerabilities")
	}
	return wants
}
