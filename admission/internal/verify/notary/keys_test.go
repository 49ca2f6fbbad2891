// SPDX-License-Identifier: Apache-2.0

package notary

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"testing"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/certtest"
)

// info is an RSA key of some bits, which nobody has.
func info(t *testing.T, bits uint) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(certtest.RSAKey(bits))
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestTrustDataWithAKeyThatTakesSecondsIsRefused(t *testing.T) {
	public := func(der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}) }
	certificate := func(der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}) }
	for name, row := range map[string]struct {
		key     []byte
		refused bool
	}{
		"usual":                   {info(t, 4096), false},
		"large":                   {info(t, 16384), true},
		"large in PEM":            {public(info(t, 16384)), true},
		"usual certificate":       {certificate(certtest.RSA(t, 4096)), false},
		"large certificate":       {certificate(certtest.RSA(t, 16384)), true},
		"large second of a chain": {append(certificate(certtest.RSA(t, 4096)), certificate(certtest.RSA(t, 16384))...), true},
		"of another kind":         {[]byte("ed25519"), false},
	} {
		held := map[string]any{"keys": map[string]any{"id": map[string]any{"keyval": map[string]any{"public": row.key}}}}
		for place, signed := range map[string]any{"root": held, "targets": map[string]any{"delegations": held}} {
			file, err := json.Marshal(map[string]any{"signed": signed})
			if err != nil {
				t.Fatal(err)
			}
			if err := checkKeys(file); (err != nil) != row.refused {
				t.Errorf("%s in %s: %v", name, place, err)
			}
		}
	}
}
