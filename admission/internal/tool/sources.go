// SPDX-License-Identifier: Apache-2.0

package tool

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/decision"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/notary"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/signed"
)

// Sources is what a decision is made from. It is what the admission server
// uses, or what stands in for it where there is no cluster.
type Sources struct {
	Policies decision.Policies
	Secrets  decision.Secrets
	// Trust and Signatures are nil if nothing shall be verified.
	Trust      decision.Trust
	Signatures decision.Signatures
	// Exempt tells whether everything is admitted in a namespace.
	Exempt func(namespace string) bool
}

// verifies tells whether trust servers and registries are asked.
func (s Sources) verifies() bool { return s.Trust != nil }

// judge makes the decisions, and tells the recorder what was asked for them.
func (s Sources) judge(asked *recorder) *decision.Judge {
	return &decision.Judge{
		Policies:   s.Policies,
		Secrets:    s.Secrets,
		Trust:      recordedTrust{s.Trust, asked},
		Signatures: recordedSignatures{s.Signatures, asked},
	}
}

// Asked is one question that a decision depended on.
type Asked struct {
	// What was asked: trust server, registry.
	What string `json:"what"`
	// Address of what was asked.
	Address string `json:"address"`
	// NamedBy is who named the address: the entry, the cluster's policies, or
	// the image by its registry.
	NamedBy string `json:"namedBy"`
	// About is the name that the question was about.
	About string `json:"about"`
	// Signers and Store are what the question was narrowed to.
	Signers []string `json:"signers,omitempty"`
	Store   string   `json:"signatureStore,omitempty"`
	// Credentials says where they were found, the first to be tried first.
	Credentials []string `json:"credentials"`
	// Digest is the answer, or Refusal is.
	Digest  string `json:"digest,omitempty"`
	Refusal string `json:"refusal,omitempty"`
}

// recorder keeps what was asked for one decision.
type recorder struct {
	mutex sync.Mutex
	asked []Asked
}

func (r *recorder) add(one Asked, err error) {
	if r == nil {
		return
	}
	if err != nil {
		one.Refusal = err.Error()
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.asked = append(r.asked, one)
}

// unverified is the digest that nobody has vouched for. It lets a decision
// that is not verified come to its end, and is never shown.
var unverified = "sha256:" + strings.Repeat("0", 64)

func supposed(digest string) string {
	if digest != "" {
		return digest
	}
	return unverified
}

type recordedTrust struct {
	trust decision.Trust
	asked *recorder
}

func (t recordedTrust) Digest(ctx context.Context, r notary.Request) (
	string, error) {
	one := Asked{What: "trust server", Address: r.TrustServer, About: r.GUN,
		Credentials: []string{}}
	for _, signer := range r.Signers {
		one.Signers = append(one.Signers, signer.Name)
	}
	for _, credential := range r.Credentials {
		one.Credentials = append(one.Credentials, credential.Source)
	}
	if t.trust == nil {
		t.asked.add(one, nil)
		return supposed(r.Digest), nil
	}
	digest, err := t.trust.Digest(ctx, r)
	one.Digest = digest
	t.asked.add(one, err)
	return digest, err
}

type recordedSignatures struct {
	signatures decision.Signatures
	asked      *recorder
}

func (s recordedSignatures) Digest(ctx context.Context, r signed.Request) (
	string, error) {
	one := Asked{What: "registry", Address: "https://" + r.Host,
		NamedBy: "the image", About: r.Name, Store: r.StoreURL, Credentials: []string{}}
	for _, credential := range slices.Concat(
		r.Credentials, r.StoreCredentials) {
		one.Credentials = append(one.Credentials, credential.Source)
	}
	if s.signatures == nil {
		s.asked.add(one, nil)
		return supposed(r.Digest), nil
	}
	digest, err := s.signatures.Digest(ctx, r)
	one.Digest = digest
	s.asked.add(one, err)
	return digest, err
}

// Layers reads Secrets and ServiceAccounts from the first that has them.
type Layers []decision.Secrets

// Secret returns nil without an error if no layer has the Secret.
func (l Layers) Secret(ctx context.Context, namespace, name string) (
	*corev1.Secret, error) {
	for _, layer := range l {
		secret, err := layer.Secret(ctx, namespace, name)
		if secret != nil || err != nil {
			return secret, err
		}
	}
	return nil, nil
}

// AccountPullSecrets names the pull secrets of the first layer that knows any.
func (l Layers) AccountPullSecrets(ctx context.Context,
	namespace, account string) ([]string, error) {
	for _, layer := range l {
		names, err := layer.AccountPullSecrets(ctx, namespace, account)
		if len(names) > 0 || err != nil {
			return names, err
		}
	}
	return nil, nil
}

// StandIns stands in for Secrets that cannot be read because there is no
// cluster, in a decision in which nothing is verified.
type StandIns struct{ key, certificate []byte }

// NewStandIns returns StandIns with a key that nobody has signed by.
func NewStandIns() (*StandIns, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	public, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{NotAfter: time.Now().Add(time.Hour)}
	own, err := x509.CreateCertificate(rand.Reader, template, template,
		private.Public(), private)
	if err != nil {
		return nil, err
	}
	return &StandIns{
		pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}),
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: own}),
	}, nil
}

// Secret returns one that is of use as the Secret of a signer, of a key, of an
// authority and of a signature store.
func (s *StandIns) Secret(_ context.Context, _, name string) (
	*corev1.Secret, error) {
	return &corev1.Secret{Data: map[string][]byte{
		"name": []byte(name), "publicKey": s.key, "key": s.key,
		"ca.crt": s.certificate,
	}}, nil
}

// AccountPullSecrets knows of none.
func (s *StandIns) AccountPullSecrets(context.Context, string, string) (
	[]string, error) {
	return nil, nil
}
