// SPDX-License-Identifier: Apache-2.0

// Package notationtest signs as notation does, with certificates made for the
// test. The real notation is held against the same verifier by the
// interoperability suite.
package notationtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	"github.com/notaryproject/notation-core-go/signature"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/attached"
)

// What notation writes.
const (
	JWS           = "application/jose+json"
	COSE          = "application/cose"
	SignatureType = "application/vnd.cncf.notary.signature"
	payloadType   = "application/vnd.cncf.notary.payload.v1+json"
)

// Identity is a key pair and the certificates that vouch for it.
type Identity struct {
	Chain []*x509.Certificate // its own first, the root last
	Key   *ecdsa.PrivateKey
}

// NewAuthority makes a root.
func NewAuthority(t testing.TB, edit ...func(*x509.Certificate)) *Identity {
	t.Helper()
	return issue(t, nil, "authority", append([]func(*x509.Certificate){isAuthority}, edit...))
}

// NewSelfSigned makes a signer who vouches for himself.
func NewSelfSigned(t testing.TB, edit ...func(*x509.Certificate)) *Identity {
	t.Helper()
	return issue(t, nil, "self-signed", edit)
}

// Authority makes an authority below another.
func (i *Identity) Authority(t testing.TB) *Identity {
	t.Helper()
	return issue(t, i, "intermediate", []func(*x509.Certificate){isAuthority})
}

// Signer makes a signer.
func (i *Identity) Signer(t testing.TB, edit ...func(*x509.Certificate)) *Identity {
	t.Helper()
	return issue(t, i, "signer", edit)
}

func isAuthority(c *x509.Certificate) {
	c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
}

func issue(t testing.TB, issuer *Identity, name string, edit []func(*x509.Certificate)) *Identity {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	check(t, err)
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject: pkix.Name{Country: []string{"CA"}, Province: []string{"Ontario"},
			Organization: []string{"Example"}, CommonName: name},
		NotBefore: time.Now().Add(-3 * time.Hour),
		NotAfter:  time.Now().Add(24 * time.Hour),
		KeyUsage:  x509.KeyUsageDigitalSignature,
	}
	for _, change := range edit {
		change(template)
	}
	parent, parentKey, rest := template, key, []*x509.Certificate(nil)
	if issuer != nil {
		parent, parentKey, rest = issuer.Chain[0], issuer.Key, issuer.Chain
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), parentKey)
	check(t, err)
	certificate, err := x509.ParseCertificate(raw)
	check(t, err)
	return &Identity{append([]*x509.Certificate{certificate}, rest...), key}
}

// PEM is the identity's own certificate.
func (i *Identity) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.Chain[0].Raw})
}

// Files are the chain and the private key as notation reads them.
func (i *Identity) Files(t testing.TB) (chain, key []byte) {
	t.Helper()
	for _, certificate := range i.Chain {
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw})...)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(i.Key)
	check(t, err)
	return chain, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})
}

// Sign signs an image.
func (i *Identity) Sign(t testing.TB, mediaType string, image attached.Descriptor,
	edit ...func(*signature.SignRequest)) []byte {
	t.Helper()
	signer, err := signature.NewLocalSigner(i.Chain, i.Key)
	check(t, err)
	content, err := json.Marshal(map[string]any{"targetArtifact": map[string]any{
		"mediaType": image.MediaType, "digest": image.Digest, "size": image.Size}})
	check(t, err)
	request := &signature.SignRequest{
		Payload:       signature.Payload{ContentType: payloadType, Content: content},
		Signer:        signer,
		SigningTime:   time.Now().Add(-2 * time.Hour),
		SigningScheme: signature.SigningSchemeX509,
	}
	for _, change := range edit {
		change(request)
	}
	envelope, err := signature.NewEnvelope(mediaType)
	check(t, err)
	signed, err := envelope.Sign(request)
	check(t, err)
	return signed
}

// Manifest is the referrer that leads to an envelope.
func Manifest(image, envelope attached.Descriptor) map[string]any {
	return map[string]any{
		"schemaVersion": 2, "mediaType": attached.ManifestType,
		"config": map[string]any{"mediaType": SignatureType, "size": 2, "digest": attached.DigestOf([]byte("{}"))},
		"layers": []any{envelope}, "subject": image,
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
