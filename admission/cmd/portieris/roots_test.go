// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/x509"
	"os"
	"os/exec"
	"testing"
)

// What a process trusts it finds out once, so each case is a process.
func TestPublicAuthoritiesAreTrustedAlsoWhereThereAreNoFilesOfThem(
	t *testing.T) {
	const inside = "PORTIERIS_TEST_ROOTS"
	none := x509.NewCertPool()
	if os.Getenv(inside) != "" {
		if pool, err := x509.SystemCertPool(); err != nil || pool.Equal(none) {
			t.Errorf("nobody is trusted, %v", err)
		}
		return
	}
	again := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$")
	again.Env = append(os.Environ(), inside+"=1",
		"SSL_CERT_FILE=/nonexistent", "SSL_CERT_DIR=/nonexistent")
	if out, err := again.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
