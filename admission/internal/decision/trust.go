// SPDX-License-Identifier: Apache-2.0

package decision

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/policy"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/reason"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/notary"
)

var sha256Digest = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// trust returns the digest that the trust server vouches for.
func (j *Judge) trust(ctx context.Context, material *material, set policy.Set,
	image policy.Image, choice policy.Choice, notice *string) (string, error) {
	rules := choice.Entry.Policy.Trust
	server, err := trustServer(choice, set, image)
	if err != nil {
		return "", err
	}
	signers := make([]notary.Signer, 0, len(rules.SignerSecrets))
	for _, reference := range rules.SignerSecrets {
		signer, err := material.signer(ctx, reference.Name)
		if err != nil {
			return "", err
		}
		signers = append(signers, signer)
	}
	credentials, problems, err := material.credentials(ctx, image.Name)
	if err != nil {
		return "", err
	}
	digest, err := j.Trust.Digest(ctx, notary.Request{
		TrustServer: server,
		GUN:         image.Name,
		Tag:         image.Tag,
		Digest:      image.Digest,
		Signers:     signers,
		Credentials: credentials,
		DryRun:      material.workload.DryRun,
		Notice:      func(sentence string) { *notice = sentence },
	})
	if err != nil {
		return "", explained(err, problems)
	}
	return checkedDigest(digest, image, "trust data")
}

// checkedDigest takes no digest from a verifier but one that an image can be
// run by, and no other than the image's own.
func checkedDigest(digest string, image policy.Image, what string) (
	string, error) {
	if !sha256Digest.MatchString(digest) ||
		(image.Digest != "" && image.Digest != digest) {
		return "", reason.New(reason.TrustDataInvalid,
			"the %s of %s vouches for the digest %q, which is not that of "+
				"an image to run", what, image.Name, digest)
	}
	return digest, nil
}

// explained names the pull secrets that are of no use, if a verifier wants
// for credentials.
func explained(err error, problems []string) error {
	var denial *reason.Denial
	if len(problems) == 0 || !errors.As(err, &denial) ||
		(denial.Code != reason.NoCredentials &&
			denial.Code != reason.CredentialsRefused) {
		return err
	}
	return reason.Wrap(reason.PullSecretInvalid, err, "%s; %s",
		denial.Sentence, strings.Join(problems, "; "))
}

// trustServer is the entry's own, else the one that the cluster's policies
// name for the image, else the well-known one of its registry.
func trustServer(choice policy.Choice, set policy.Set, image policy.Image) (
	string, error) {
	server := choice.Entry.Policy.Trust.TrustServer
	if server == "" {
		server = policy.TrustServer(set, image)
	}
	if server == "" {
		server = wellKnown(image.Host)
	}
	if server == "" {
		return "", reason.New(reason.TrustServerUnknown,
			"no trust server could be found for the registry %s", image.Host)
	}
	return checked(server, choice.Source)
}

func wellKnown(host string) string {
	switch {
	case host == "docker.io" || strings.HasSuffix(host, ".docker.io"):
		return "https://notary.docker.io"
	case host == "quay.io" || strings.HasSuffix(host, ".quay.io"):
		return "https://quay.io:443"
	default:
		return ""
	}
}

// checked accepts the address of a trust server, with or without a slash at
// its end.
func checked(server, source string) (string, error) {
	server = strings.TrimRight(server, "/")
	if problem := ServerProblem(server); problem != "" {
		return "", reason.New(reason.PolicyInvalid, "%s: %s", source, problem)
	}
	return server, nil
}

// ServerProblem says what is wrong with the address of a trust server, or
// nothing.
func ServerProblem(server string) string {
	address, err := url.Parse(server)
	switch {
	case err != nil || address.Host == "" || address.User != nil ||
		address.RawQuery != "" || address.Fragment != "":
		return fmt.Sprintf("the trust server %q is not of the form "+
			"https://host[:port]", redacted(server))
	case address.Scheme != "https":
		return fmt.Sprintf("the trust server %q does not begin with "+
			"https://; trust data is never asked for over plain HTTP", server)
	}
	return ""
}

// redacted leaves out whatever stands before an @, which may be a password.
func redacted(server string) string {
	if at := strings.LastIndex(server, "@"); at >= 0 {
		return "..." + server[at:]
	}
	return server
}
