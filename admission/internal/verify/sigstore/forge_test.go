// SPDX-License-Identifier: Apache-2.0

package sigstore

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"
)

// What cosign does with a key, in the few lines that matter. The real cosign
// is held against the same code by the interoperability suite.

type signFunc func(message []byte) []byte

func newKey(t testing.TB, curve elliptic.Curve, hash crypto.Hash) ([]byte, signFunc) {
	t.Helper()
	private, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return publicPEM(t, private.Public()), func(message []byte) []byte {
		h := hash.New()
		h.Write(message)
		signature, err := ecdsa.SignASN1(rand.Reader, private, h.Sum(nil))
		if err != nil {
			t.Fatal(err)
		}
		return signature
	}
}

func p256(t testing.TB) ([]byte, signFunc) { return newKey(t, elliptic.P256(), crypto.SHA256) }

func rsaKey(t testing.TB, bits int) ([]byte, signFunc) {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return publicPEM(t, private.Public()), func(message []byte) []byte {
		digest := sha256.Sum256(message)
		signature, err := rsa.SignPKCS1v15(rand.Reader, private, crypto.SHA256, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		return signature
	}
}

func edKey(t testing.TB, prehashed bool) ([]byte, signFunc) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return publicPEM(t, public), func(message []byte) []byte {
		if !prehashed {
			return ed25519.Sign(private, message)
		}
		digest := sha512.Sum512(message)
		signature, err := private.Sign(nil, digest[:], crypto.SHA512)
		if err != nil {
			t.Fatal(err)
		}
		return signature
	}
}

func publicPEM(t testing.TB, public crypto.PublicKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func mustKeys(t testing.TB, texts ...[]byte) []Key {
	t.Helper()
	var all []byte
	for _, text := range texts {
		all = append(all, text...)
	}
	keys, err := ParseKeys(all)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

const payloadFor = `{"critical":{"identity":{"docker-reference":"REPO"},` +
	`"image":{"docker-manifest-digest":"DIGEST"},"type":"` + simpleType + `"},"optional":null}`

func payload(repository, digest string) []byte {
	return []byte(strings.NewReplacer("REPO", repository, "DIGEST", digest).Replace(payloadFor))
}

func statement(digest string) []byte {
	return []byte(`{"_type":"` + statementType + `","subject":[{"digest":{"sha256":"` +
		strings.TrimPrefix(digest, "sha256:") + `"},"annotations":{}}],"predicateType":"` + signPredicate + `"}`)
}

// bundle wraps a signed statement as cosign 3 does.
func bundle(t testing.TB, sign signFunc, statement []byte) map[string]any {
	t.Helper()
	encode := base64.StdEncoding.EncodeToString
	return map[string]any{
		"mediaType":            bundleType,
		"verificationMaterial": map[string]any{"publicKey": map[string]any{"hint": "aGludA=="}},
		"dsseEnvelope": map[string]any{
			"payload":     encode(statement),
			"payloadType": envelopeType,
			"signatures":  []any{map[string]any{"sig": encode(sign(preAuthentication(statement)))}},
		},
	}
}

func encode(t testing.TB, value any) []byte {
	t.Helper()
	out, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
