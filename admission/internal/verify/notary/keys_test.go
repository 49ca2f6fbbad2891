// SPDX-License-Identifier: Apache-2.0

package notary

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"testing"
)

// info is an RSA key of some bits, which nobody has.
func info(t *testing.T, bits uint) []byte {
	t.Helper()
	key := &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), bits-1), E: 65537}
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// certified is a certificate of such a key.
func certified(t *testing.T, bits uint) []byte {
	t.Helper()
	_, signer, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.ParsePKIXPublicKey(info(t, bits))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key, signer)
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
		"usual certificate":       {certificate(certified(t, 4096)), false},
		"large certificate":       {certificate(certified(t, 16384)), true},
		"large second of a chain": {append(certificate(certified(t, 4096)), certificate(certified(t, 16384))...), true},
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
