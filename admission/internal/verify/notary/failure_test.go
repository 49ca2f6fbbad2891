// SPDX-License-Identifier: Apache-2.0

package notary

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/theupdateframework/notary/tuf/data"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/reason"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/registry"
)

func TestFailuresOfTheTransportHaveTheirReason(t *testing.T) {
	const server = "https://trust.example.com"
	for name, test := range map[string]struct {
		err  error
		code reason.Code
		text string
	}{
		"a handshake that takes too long": {&registry.Error{Kind: registry.Timeout, URL: server + "/v2/x"},
			reason.TrustServerTimeout, content + "trust server https://trust.example.com did not answer within 5s"},
		"a silent token service": {&registry.Error{Kind: registry.Timeout, URL: "https://tokens.example.com/t"},
			reason.TrustServerTimeout, content + "token service https://tokens.example.com/t of trust server https://trust.example.com did not answer within 5s"},
		"time up while waiting": {context.DeadlineExceeded,
			reason.TrustServerTimeout, content + "trust server https://trust.example.com did not answer within 5s"},
		"garbage of the token service": {&registry.Error{Kind: registry.Garbage, URL: "https://tokens.example.com/t", Err: errors.New("no JSON")},
			reason.TrustServerError, content + "the answer of https://tokens.example.com/t"},
		"a panic of the library": {errors.New("stopped by a panic: x"),
			reason.TrustDataInvalid, content + "the trust data of r/app at https://trust.example.com does not verify"},
		"a long story": {errors.New(strings.Repeat("x", 10000)),
			reason.TrustDataInvalid, content},
	} {
		got := reason.From(denial(Request{GUN: "r/app", Tag: "v1"}, server, 5*time.Second, test.err))
		if got.Code != test.code || !strings.HasPrefix(got.Sentence, test.text) || len(got.Sentence) > 600 {
			t.Errorf("%s: %s %s", name, got.Code, got.Sentence)
		}
	}
}

func TestARefusalNamesTheCallersOwnSecrets(t *testing.T) {
	shared := &registry.Error{Kind: registry.Refused, URL: "https://trust", Tried: []string{"secret theirs/pull"}}
	r := Request{GUN: "r/app", Tag: "v1", Credentials: []registry.Credential{{Username: "u", Source: "secret mine/pull"}}}
	got := denial(r, "https://trust", 0, shared).Error()
	if !strings.Contains(got, "mine/pull") || strings.Contains(got, "theirs") {
		t.Errorf("denied: %s", got)
	}
}

func TestKeysOfEveryKindAreComparedByWhatTheyAre(t *testing.T) {
	edPublic, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der := func(key any) []byte {
		out, err := x509.MarshalPKIXPublicKey(key)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	for name, test := range map[string]struct {
		registered data.PublicKey
		key        any
	}{
		"ed25519": {data.NewED25519PublicKey(edPublic), edPublic},
		"ecdsa":   {data.NewECDSAPublicKey(der(ec.Public())), ec.Public()},
		"rsa":     {data.NewRSAPublicKey(der(rsaKey.Public())), rsaKey.Public()},
	} {
		registered, err := keyInfo(test.registered)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		given, err := pemInfo(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der(test.key)}))
		if err != nil || string(given) != string(registered) {
			t.Errorf("%s: the two forms differ (%v)", name, err)
		}
	}
	for name, bad := range map[string]data.PublicKey{
		"a short ed25519 key":  data.NewED25519PublicKey([]byte("x")),
		"a broken key":         data.NewECDSAPublicKey([]byte("x")),
		"a broken certificate": data.NewECDSAx509PublicKey([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")),
	} {
		if _, err := keyInfo(bad); err == nil {
			t.Errorf("%s was read", name)
		}
	}
}
