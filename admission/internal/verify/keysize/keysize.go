// SPDX-License-Identifier: Apache-2.0

// Package keysize refuses keys by which one signature takes seconds to check.
// It never says whether a key is strong enough, or trusted.
package keysize

import (
	"crypto/rsa"
	"crypto/x509"
	"fmt"
)

// most is the largest RSA key, in bits. The time grows with the square of it:
// a key that fits into 50 kB takes half a minute, and nothing interrupts it.
const most = 8192

// Check says what is wrong with the size of a public key.
func Check(key any) error {
	if public, ok := key.(*rsa.PublicKey); ok {
		return Bits(public.N.BitLen())
	}
	return nil
}

// Bits says what is wrong with the size of an RSA key.
func Bits(bits int) error {
	if bits > most {
		return fmt.Errorf("it is a key of %d bits; %d are accepted", bits, most)
	}
	return nil
}

// Certificates says what is wrong with the size of any of the keys.
func Certificates(certificates []*x509.Certificate) error {
	for _, certificate := range certificates {
		if err := Check(certificate.PublicKey); err != nil {
			return fmt.Errorf("certificate %q: %w", certificate.Subject, err)
		}
	}
	return nil
}
