// SPDX-License-Identifier: Apache-2.0

package keysize_test

import (
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"math/big"
	"testing"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/leaktest"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/keysize"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

func of(bits uint) *rsa.PublicKey {
	return &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), bits-1), E: 65537}
}

func TestAKeyThatTakesSecondsIsRefused(t *testing.T) {
	for _, key := range []any{of(2048), of(8192), ed25519.PublicKey{}, nil} {
		if err := keysize.Check(key); err != nil {
			t.Errorf("%T: %v", key, err)
		}
	}
	if keysize.Check(of(8193)) == nil {
		t.Error("a key of 8193 bits is accepted")
	}
	if keysize.Certificates([]*x509.Certificate{{PublicKey: of(2048)}}) != nil ||
		keysize.Certificates([]*x509.Certificate{{PublicKey: of(2048)}, {PublicKey: of(16384)}}) == nil {
		t.Error("certificates are not judged by each key")
	}
}
