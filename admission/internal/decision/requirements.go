// SPDX-License-Identifier: Apache-2.0

package decision

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	v1 "opendev.org/starlingx/portieris-armada-app/admission/api/v1"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/policy"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/reason"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/registry"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/notation"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/signed"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/sigstore"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/simple"
)

// Signatures finds the digest for which an image has signatures beside it.
type Signatures interface {
	Digest(ctx context.Context, request signed.Request) (string, error)
}

// simple returns the digest that the requirements of simple signing vouch
// for, or nothing if they ask for no signature.
func (j *Judge) simple(ctx context.Context, material *material,
	image policy.Image, choice policy.Choice) (string, error) {
	request := signed.Request{
		Host: image.Host, Name: image.Name, Tag: image.Tag,
		Digest: image.Digest,
	}
	for _, requirement := range choice.Entry.Policy.Simple.Requirements {
		err := require(ctx, material, requirement, image, choice, &request)
		if err != nil {
			return "", err
		}
	}
	if len(request.SignedBy)+len(request.Cosign)+len(request.Notation) == 0 {
		return "", nil
	}
	if err := storeOf(ctx, material, choice, &request); err != nil {
		return "", err
	}
	credentials, problems, err := material.credentials(ctx, image.Name)
	if err != nil {
		return "", err
	}
	request.Credentials = credentials
	digest, err := j.Signatures.Digest(ctx, request)
	if err != nil {
		return "", explained(err, problems)
	}
	return checkedDigest(digest, image, "signatures")
}

// require adds what one requirement asks for to the request.
func require(ctx context.Context, material *material,
	requirement v1.SimpleRequirement, image policy.Image,
	choice policy.Choice, request *signed.Request) error {
	switch requirement.Type {
	case v1.RequirementAcceptAnything:
	case v1.RequirementReject:
		return reason.New(reason.Rejected,
			"%s rejects every image that matches %q",
			choice.Source, choice.Entry.Name)
	case v1.RequirementSignedBy:
		ring, err := material.key(ctx, requirement)
		if err != nil {
			return err
		}
		request.SignedBy = append(request.SignedBy, simple.Requirement{
			KeyRing:  ring,
			Identity: simple.Identity(requirement.SignedIdentity),
		})
	case v1.RequirementSigstoreSigned:
		keys, err := cosignKeys(ctx, material, requirement, image)
		if err != nil {
			return err
		}
		request.Cosign = append(request.Cosign, keys)
	case v1.RequirementNotation:
		trust, err := notationTrust(ctx, material, requirement)
		if err != nil {
			return err
		}
		request.Notation = append(request.Notation, trust)
	default:
		return reason.New(reason.RequirementUnsupported,
			"%s asks for the requirement %q, which this server does not "+
				"support", choice.Source, requirement.Type)
	}
	return nil
}

// cosignKeys is one requirement for the verifier.
func cosignKeys(ctx context.Context, material *material,
	requirement v1.SimpleRequirement, image policy.Image) (
	signed.CosignKeys, error) {
	text, err := material.key(ctx, requirement)
	if err != nil {
		return signed.CosignKeys{}, err
	}
	keys, err := sigstore.ParseKeys(text)
	if err != nil {
		return signed.CosignKeys{}, useless(requirement, err)
	}
	want, err := signedName(requirement.SignedIdentity, image)
	if err != nil {
		return signed.CosignKeys{}, err
	}
	return signed.CosignKeys{
		Keys:       keys,
		Repository: want,
		// A bundle names no repository: it is taken if no particular name is
		// asked for, since its digest is what the key has signed.
		RequireIdentity: requirement.SignedIdentity.Type != "",
	}, nil
}

// notationTrust is one requirement for the verifier.
func notationTrust(ctx context.Context, material *material,
	requirement v1.SimpleRequirement) (*notation.Trust, error) {
	if err := checkSigners(requirement); err != nil {
		return nil, err
	}
	found, err := authorities(ctx, material, requirement)
	if err != nil {
		return nil, err
	}
	return notation.NewTrust(found, requirement.TrustedIdentities)
}

// authorities reads who vouches, as the key Secret says.
func authorities(ctx context.Context, material *material,
	requirement v1.SimpleRequirement) (found notation.Authorities, err error) {
	text, err := material.key(ctx, requirement)
	if err != nil {
		return found, err
	}
	found.Signers, err = notation.ParseSigners(text)
	if err != nil {
		return found, useless(requirement, err)
	}
	secret, err := material.keySecret(ctx, requirement)
	if err != nil {
		return found, err
	}
	if text := secret.Data[timestampersAt]; len(text) > 0 {
		found.Timestampers, err = notation.ParseTimestampers(text)
		if err != nil {
			return found, useless(requirement,
				fmt.Errorf("under %s: %w", timestampersAt, err))
		}
	}
	if err := found.Check(time.Now()); err != nil {
		return found, useless(requirement, err)
	}
	return found, nil
}

// timestampersAt is where in a key Secret the certificates of those are who
// confirm when something was signed.
const timestampersAt = "tsa.crt"

// checkSigners says why nobody can sign as a notation requirement asks.
func checkSigners(requirement v1.SimpleRequirement) error {
	if requirement.SignedIdentity != (v1.IdentityRequirement{}) {
		return reason.New(reason.PolicyInvalid, "a notation signature names "+
			"no repository, so signedIdentity cannot be compared with one; "+
			"trustedIdentities says who may sign")
	}
	_, err := notation.NewTrust(notation.Authorities{},
		requirement.TrustedIdentities)
	if err != nil {
		return reason.Wrap(reason.PolicyInvalid, err, "%v", err)
	}
	return nil
}

// useless says that a key Secret does not hold what the requirement needs.
func useless(requirement v1.SimpleRequirement, err error) error {
	return reason.Wrap(reason.KeyInvalid, err,
		"the key Secret %q is of no use for %s: %v",
		requirement.KeySecret, requirement.Type, err)
}

// signedName is the repository that a cosign signature must name.
func signedName(identity v1.IdentityRequirement, image policy.Image) (
	string, error) {
	written := image.Name
	switch identity.Type {
	case "", "matchExact", "matchRepository":
	case "matchExactReference":
		written = identity.DockerReference
	case "matchExactRepository":
		written = identity.DockerRepository
	case "remapIdentity":
		rest, ok := strings.CutPrefix(image.Name, identity.Prefix)
		if ok && (rest == "" || strings.HasPrefix(rest, "/")) {
			written = identity.SignedPrefix + rest
		}
	default:
		return "", reason.New(reason.PolicyInvalid,
			"the signedIdentity type %q is not known", identity.Type)
	}
	named, err := policy.Parse(written)
	if err != nil {
		return "", reason.Wrap(reason.PolicyInvalid, err,
			"the signedIdentity names %q, which is no repository", written)
	}
	return named.Name, nil
}

// storeOf adds the signature store of the policy entry to the request.
func storeOf(ctx context.Context, material *material, choice policy.Choice,
	request *signed.Request) error {
	rules := choice.Entry.Policy.Simple
	if rules.StoreURL == "" {
		return nil
	}
	if problem := StoreProblem(rules.StoreURL); problem != "" {
		return reason.New(reason.PolicyInvalid, "%s: %s",
			choice.Source, problem)
	}
	request.StoreURL = rules.StoreURL
	if rules.StoreSecret == "" {
		return nil
	}
	secret, err := material.needed(ctx, "store", rules.StoreSecret,
		material.workload.Namespace)
	if err != nil {
		return err
	}
	request.StoreCredentials = []registry.Credential{{
		Username: string(secret.Data["username"]),
		Password: string(secret.Data["password"]),
		Source: fmt.Sprintf("secret %s/%s", material.workload.Namespace,
			rules.StoreSecret),
	}}
	return nil
}

// StoreProblem says what is wrong with the address of a signature store, or
// nothing.
func StoreProblem(store string) string {
	address, err := url.Parse(store)
	if err != nil || address.Scheme != "https" || address.Host == "" ||
		address.User != nil || address.RawQuery != "" ||
		address.Fragment != "" {
		return fmt.Sprintf("the storeURL %q is not of the form "+
			"https://host[:port][/path]", redacted(store))
	}
	return ""
}
