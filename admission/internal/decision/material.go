// SPDX-License-Identifier: Apache-2.0

package decision

import (
	"context"
	"encoding/pem"
	"fmt"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"

	v1 "opendev.org/starlingx/portieris-armada-app/admission/api/v1"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/reason"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/registry"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/notary"
)

// material is what the verifiers need of the cluster for one workload. Each
// Secret is read once for all images of the workload and forgotten with it,
// so that a changed Secret counts from the next request on.
type material struct {
	source   Secrets
	workload Workload

	secrets  memo[*corev1.Secret]
	accounts memo[[]string]
}

func newMaterial(source Secrets, workload Workload) *material {
	return &material{source: source, workload: workload}
}

// secret reads a Secret of the workload's namespace.
func (m *material) secret(ctx context.Context, name string) (
	*corev1.Secret, error) {
	return m.secretOf(ctx, m.workload.Namespace, name)
}

func (m *material) secretOf(ctx context.Context, namespace, name string) (
	*corev1.Secret, error) {
	return m.secrets.get(namespace+"/"+name, func() (*corev1.Secret, error) {
		return m.source.Secret(ctx, namespace, name)
	})
}

// key reads the keys that a requirement names.
func (m *material) key(ctx context.Context,
	requirement v1.SimpleRequirement) ([]byte, error) {
	secret, err := m.keySecret(ctx, requirement)
	if err != nil {
		return nil, err
	}
	places := placesOf(requirement.Type)
	for _, place := range places {
		if len(secret.Data[place]) > 0 {
			return secret.Data[place], nil
		}
	}
	return nil, reason.New(reason.KeyInvalid, "the key Secret %q in the "+
		"namespace %q has no key \"%s\"", requirement.KeySecret,
		m.namespaceOf(requirement), strings.Join(places, `" and no key "`))
}

// keySecret reads the Secret that a requirement names.
func (m *material) keySecret(ctx context.Context,
	requirement v1.SimpleRequirement) (*corev1.Secret, error) {
	return m.needed(ctx, "key", requirement.KeySecret,
		m.namespaceOf(requirement))
}

func (m *material) namespaceOf(requirement v1.SimpleRequirement) string {
	if requirement.KeySecretNamespace != "" {
		return requirement.KeySecretNamespace
	}
	return m.workload.Namespace
}

// placesOf is where in a Secret the keys for a requirement may be. ca.crt is
// where cert-manager puts the certificate of an authority.
func placesOf(kind v1.RequirementType) []string {
	if kind == v1.RequirementNotation {
		return []string{"ca.crt", "key"}
	}
	return []string{"key"}
}

// needed reads a Secret without which there is no decision.
func (m *material) needed(ctx context.Context, what, name,
	namespace string) (*corev1.Secret, error) {
	where := fmt.Sprintf("the %s Secret %q in the namespace %q",
		what, name, namespace)
	secret, err := m.secretOf(ctx, namespace, name)
	if err != nil {
		return nil, unreadable(err, "could not read %s", where)
	}
	if secret == nil {
		return nil, reason.New(reason.KeyMissing, "%s does not exist", where)
	}
	return secret, nil
}

// signer reads the Secret of a signer.
func (m *material) signer(ctx context.Context, name string) (
	notary.Signer, error) {
	where := fmt.Sprintf("the signer Secret %q in the namespace %q",
		name, m.workload.Namespace)
	secret, err := m.secret(ctx, name)
	if err != nil {
		return notary.Signer{}, unreadable(err,
			"could not get signerSecret from your cluster, %s", where)
	}
	if secret == nil {
		return notary.Signer{}, reason.New(reason.SignerMissing,
			"could not get signerSecret from your cluster, %s does not exist",
			where)
	}
	signer := notary.Signer{
		Name:      strings.TrimSpace(string(secret.Data["name"])),
		PublicKey: secret.Data["publicKey"],
	}
	if signer.Name == "" {
		return notary.Signer{}, reason.New(reason.SignerInvalid,
			"%s has no key \"name\"", where)
	}
	if block, _ := pem.Decode(signer.PublicKey); block == nil {
		return notary.Signer{}, reason.New(reason.SignerInvalid,
			"%s has no PEM text under the key \"publicKey\"", where)
	}
	return signer, nil
}

// credentials gathers the credentials for an image by its full name, those of the
// pod's pull secrets before those of its ServiceAccount's. Pull secrets that
// do not exist or cannot be used are problems to tell, not errors, since the
// kubelet passes over them as well and others may do.
func (m *material) credentials(ctx context.Context, image string) (
	credentials []registry.Credential, problems []string, err error) {
	names, err := m.pullSecrets(ctx)
	if err != nil {
		return nil, nil, err
	}
	for _, name := range names {
		where := fmt.Sprintf("the pull secret %q in the namespace %q",
			name, m.workload.Namespace)
		secret, err := m.secret(ctx, name)
		if err != nil {
			return nil, nil, unreadable(err, "could not read %s", where)
		}
		if secret == nil {
			problems = append(problems, where+" does not exist")
			continue
		}
		found, err := registry.CredentialsFor(
			string(secret.Type), secret.Data, image)
		if err != nil {
			problems = append(problems, fmt.Sprintf("%s: %v", where, err))
			continue
		}
		for i := range found {
			found[i].Source = fmt.Sprintf("secret %s/%s",
				m.workload.Namespace, name)
		}
		credentials = append(credentials, found...)
	}
	return credentials, problems, nil
}

func (m *material) pullSecrets(ctx context.Context) ([]string, error) {
	account := m.workload.ServiceAccount
	ofAccount, err := m.accounts.get(account, func() ([]string, error) {
		return m.source.AccountPullSecrets(ctx, m.workload.Namespace, account)
	})
	if err != nil {
		return nil, unreadable(err,
			"could not read the ServiceAccount %q in the namespace %q",
			account, m.workload.Namespace)
	}
	return distinct(append(append([]string(nil),
		m.workload.PullSecrets...), ofAccount...)), nil
}

// memo remembers the answers to questions for as long as it lives and lets
// everybody wait for a question that is under way.
type memo[T any] struct {
	mutex   sync.Mutex
	answers map[string]func() (T, error)
}

func (m *memo[T]) get(key string, ask func() (T, error)) (T, error) {
	m.mutex.Lock()
	answer, ok := m.answers[key]
	if !ok {
		if m.answers == nil {
			m.answers = map[string]func() (T, error){}
		}
		answer = sync.OnceValues(ask)
		m.answers[key] = answer
	}
	m.mutex.Unlock()
	return answer()
}
