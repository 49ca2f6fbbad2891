// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"opendev.org/starlingx/portieris-armada-app/lab/internal/layout"
	"opendev.org/starlingx/portieris-armada-app/lab/internal/statedir"
)

func written(t *testing.T) statedir.Dir {
	t.Helper()
	d := statedir.Dir(t.TempDir() + "/lab")
	if err := d.Create(); err != nil {
		t.Fatal(err)
	}
	if err := WriteNode(d, layout.IPv6, "127.0.0.1:4711", "secret"); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestServersAreTrustedByTheAuthorityTheyBelongTo(t *testing.T) {
	d := written(t)
	for _, c := range []struct{ ca, cert, host string }{
		{"platform-ca.crt", "registry", layout.RegistryHost},
		{"platform-ca.crt", "notary", layout.TrustHost},
		{"ca.crt", "apiserver", "127.0.0.1"},
		{"ca.crt", "apiserver", layout.IPv6.ServiceIP},
		{"ca.crt", "apiserver", "kubernetes.default.svc"},
		{"ca.crt", "kubelet", layout.IPv6.NodeIP},
	} {
		pair, err := tls.LoadX509KeyPair(d.PKI(c.cert+".crt"), d.PKI(c.cert+".key"))
		if err != nil {
			t.Fatal(err)
		}
		cert, err := x509.ParseCertificate(pair.Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		pem, err := os.ReadFile(d.PKI(c.ca))
		if err != nil {
			t.Fatal(err)
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(pem)
		if _, err := cert.Verify(x509.VerifyOptions{Roots: pool, DNSName: c.host}); err != nil {
			t.Errorf("%s as %s: %v", c.cert, c.host, err)
		}
	}
}

func TestKubeconfigsNameTheServerInsideAndOutside(t *testing.T) {
	d := written(t)
	for file, server := range map[string]string{
		"admin.conf":         "server: " + layout.IPv6.APIServer() + "\n",
		"admin-outside.conf": "server: https://127.0.0.1:4711\n",
	} {
		b, err := os.ReadFile(d.PKI(file))
		if err != nil || !strings.Contains(string(b), server) {
			t.Errorf("%s: %v: %s", file, err, b)
		}
	}
}

func TestPasswordFileHoldsTheHashOnly(t *testing.T) {
	d := written(t)
	b, err := os.ReadFile(d.PKI("htpasswd"))
	if err != nil {
		t.Fatal(err)
	}
	user, hash, _ := strings.Cut(strings.TrimSpace(string(b)), ":")
	if user != layout.RegistryUser {
		t.Errorf("user %q", user)
	}
	if err := bcrypt.CompareHashAndPassword([]byte(hash), []byte("secret")); err != nil {
		t.Error(err)
	}
}

func TestKeysAreReadableByTheirOwnerOnly(t *testing.T) {
	d := written(t)
	entries, err := os.ReadDir(d.PKI(""))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		name := e.Name()
		secret := strings.HasSuffix(name, ".key") || strings.HasSuffix(name, ".conf") || name == "htpasswd"
		if secret && info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %o", name, info.Mode().Perm())
		}
	}
}
