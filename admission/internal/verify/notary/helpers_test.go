// SPDX-License-Identifier: Apache-2.0

package notary_test

import (
	"crypto/x509"
	"encoding/pem"
	"testing"
)

// bareKey returns the public key of a certificate, both PEM.
func bareKey(t *testing.T, certificate []byte) []byte {
	t.Helper()
	block, _ := pem.Decode(certificate)
	parsed, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: parsed.RawSubjectPublicKeyInfo})
}
