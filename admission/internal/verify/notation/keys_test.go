// SPDX-License-Identifier: Apache-2.0

package notation

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"

	gocose "github.com/veraison/go-cose"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/notationtest"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/attached"
)

// large is a certificate with a key that takes long to use.
func large(t *testing.T) []byte {
	t.Helper()
	_, signer, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	key := &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 16383), E: 65537}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key, signer)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// led adds a certificate to those of an envelope.
func led(t *testing.T, envelope []byte, mediaType string, raw []byte) []byte {
	t.Helper()
	var changed []byte
	var err error
	if mediaType == jws {
		var read map[string]any
		if err := json.Unmarshal(envelope, &read); err != nil {
			t.Fatal(err)
		}
		header := read["header"].(map[string]any)
		header["x5c"] = append(header["x5c"].([]any), raw)
		changed, err = json.Marshal(read)
	} else {
		var read gocose.Sign1Message
		if err := read.UnmarshalCBOR(envelope); err != nil {
			t.Fatal(err)
		}
		header := read.Headers.Unprotected
		header[gocose.HeaderLabelX5Chain] = append(header[gocose.HeaderLabelX5Chain].([]any), raw)
		read.Headers.RawUnprotected = nil
		changed, err = read.MarshalCBOR()
	}
	if err != nil {
		t.Fatal(err)
	}
	return changed
}

func TestAnEnvelopeWithAKeyThatTakesSecondsIsRefused(t *testing.T) {
	image := attached.Descriptor{MediaType: attached.ManifestType, Size: 2,
		Digest: attached.DigestOf([]byte("{}"))}
	authority := notationtest.NewAuthority(t)
	signer := authority.Signer(t)
	for _, mediaType := range []string{jws, cose} {
		envelope := signer.Sign(t, mediaType, image)
		if err := checkKeys(envelope, mediaType); err != nil {
			t.Errorf("%s: %v", mediaType, err)
		}
		envelope = led(t, envelope, mediaType, large(t))
		_, err := trusting(t, authority).Check(t.Context(), envelope, mediaType, image)
		if err == nil || !strings.Contains(err.Error(), "16384 bits") {
			t.Errorf("%s with a large key: %v", mediaType, err)
		}
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: large(t)})
	if _, err := ParseSigners(text); err == nil || !strings.Contains(err.Error(), "16384 bits") {
		t.Errorf("authorities with a large key: %v", err)
	}
}
