// SPDX-License-Identifier: Apache-2.0

package notation

import (
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"

	gocose "github.com/veraison/go-cose"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/certtest"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/notationtest"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/attached"
)

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
		envelope = led(t, envelope, mediaType, certtest.RSA(t, 16384))
		_, err := trusting(t, authority).Check(t.Context(), envelope, mediaType, image)
		if err == nil || !strings.Contains(err.Error(), "16384 bits") {
			t.Errorf("%s with a large key: %v", mediaType, err)
		}
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certtest.RSA(t, 16384)})
	if _, err := ParseSigners(text); err == nil || !strings.Contains(err.Error(), "16384 bits") {
		t.Errorf("authorities with a large key: %v", err)
	}
}
