// SPDX-License-Identifier: Apache-2.0

package decision

import (
	"context"
	"fmt"

	v1 "opendev.org/starlingx/portieris-armada-app/admission/api/v1"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/policy"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/reason"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/sigstore"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/simple"
)

// What follows says beforehand what a decision would stumble over, by the
// code that decides.

// IdentityProblem says why nothing that is signed can ever meet a requirement,
// or nothing.
func IdentityProblem(requirement v1.SimpleRequirement) string {
	identity := requirement.SignedIdentity
	var err error
	switch {
	case requirement.Type == v1.RequirementSignedBy:
		err = simple.Identity(identity).Check()
	case requirement.Type == v1.RequirementSigstoreSigned &&
		identity.Type != "remapIdentity":
		_, err = signedName(identity, policy.Image{Name: "registry/image"})
	case requirement.Type == v1.RequirementNotation:
		err = checkSigners(requirement)
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

// ServerMissing says that no trust server is known for the image of an entry
// that asks for trust, or nothing.
func ServerMissing(entry v1.Repository, set policy.Set,
	image policy.Image) string {
	_, err := trustServer(policy.Choice{Entry: entry}, set, image)
	if err != nil && reason.From(err).Code == reason.TrustServerUnknown {
		return err.Error()
	}
	return ""
}

// SecretProblems says which of the Secrets that an entry's rules name are
// missing or of no use for the workloads of a namespace. Without a namespace,
// which the rules of a cluster's policy have none of, only Secrets count for
// which the rules name one. Nothing is said of Secrets in foreign namespaces
// and of what cannot be read.
func SecretProblems(ctx context.Context, source Secrets, namespace string,
	rules *v1.Policy) []string {
	material := newMaterial(source, Workload{Namespace: namespace})
	var problems []string
	add := func(err error) {
		if err != nil && reason.From(err).Code != reason.KubernetesError {
			problems = append(problems, err.Error())
		}
	}
	if namespace != "" && isTrue(rules.Trust.Enabled) {
		for _, reference := range rules.Trust.SignerSecrets {
			_, err := material.signer(ctx, reference.Name)
			add(err)
		}
	}
	for _, requirement := range rules.Simple.Requirements {
		where := requirement.KeySecretNamespace
		if where == "" {
			where = namespace
		}
		if where != "" && (namespace == "" || where == namespace) {
			add(keyProblem(ctx, material, requirement))
		}
	}
	if store := rules.Simple.StoreSecret; store != "" && namespace != "" {
		_, err := material.needed(ctx, "store", store, namespace)
		add(err)
	}
	return problems
}

// keyProblem says what is wrong with the keys that a requirement names.
func keyProblem(ctx context.Context, material *material,
	requirement v1.SimpleRequirement) error {
	if requirement.KeySecret == "" {
		return nil
	}
	var check func(keys []byte) error
	switch requirement.Type {
	case v1.RequirementSignedBy:
		check = func(keys []byte) error {
			return simple.Requirement{KeyRing: keys}.Check()
		}
	case v1.RequirementSigstoreSigned:
		check = func(keys []byte) error {
			_, err := sigstore.ParseKeys(keys)
			return err
		}
	case v1.RequirementNotation:
		_, err := authorities(ctx, material, requirement)
		return err
	default:
		return nil
	}
	keys, err := material.key(ctx, requirement)
	if err != nil {
		return err
	}
	if err := check(keys); err != nil {
		return useless(requirement, err)
	}
	return nil
}

// PullSecretProblems says which pull secrets of the ServiceAccount default,
// by which pods pull that name neither an account nor a pull secret, are
// missing or of no use for an image. An account without pull secrets is no
// problem: the registry may be open to everybody.
func PullSecretProblems(ctx context.Context, source Secrets,
	namespace string, image policy.Image) []string {
	const account = "default"
	material := newMaterial(source, Workload{
		Namespace: namespace, ServiceAccount: account,
	})
	names, err := material.pullSecrets(ctx)
	if err != nil || len(names) == 0 {
		return nil
	}
	credentials, problems, err := material.credentials(ctx, image.Name)
	if err != nil || len(credentials) > 0 {
		return nil
	}
	return append(problems, fmt.Sprintf("no pull secret of the "+
		"ServiceAccount %q has credentials for %s, so pods need one of "+
		"their own", account, image.Host))
}
