// SPDX-License-Identifier: Apache-2.0

// Package gpgtest makes GPG key pairs and signs images for tests, with the
// real gpg and skopeo. Where these are not installed tests skip.
package gpgtest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Home is a GnuPG home with key pairs.
type Home struct {
	Dir string
	t   testing.TB
}

// New makes a home with an RSA key pair for each name, until the test ends.
func New(t testing.TB, names ...string) *Home {
	t.Helper()
	for _, tool := range []string{"gpg", "skopeo"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("skipped: %s is not installed: apt-get install gnupg skopeo", tool)
		}
	}
	// A GnuPG home must have a short path: its agent's socket lies there.
	dir, err := os.MkdirTemp("", "gpg")
	check(t, err)
	h := &Home{Dir: dir, t: t}
	t.Cleanup(func() {
		h.Run("gpgconf", "--kill", "all")
		check(t, os.RemoveAll(dir))
	})
	for _, name := range names {
		h.Key(name, "rsa2048", "never")
	}
	return h
}

// Key makes a key pair of a kind that expires after a while.
func (h *Home) Key(name, kind, expires string) {
	h.t.Helper()
	h.Run("gpg", "--batch", "--quiet", "--passphrase", "",
		"--quick-generate-key", name+"@example.com", kind, "sign", expires)
}

// Run runs a command that uses the home and returns what it prints.
func (h *Home) Run(name string, args ...string) []byte {
	h.t.Helper()
	command := exec.Command(name, args...)
	command.Env = append(os.Environ(), "GNUPGHOME="+h.Dir)
	var problems bytes.Buffer
	command.Stderr = &problems
	out, err := command.Output()
	if err != nil {
		h.t.Fatalf("%s %q: %v\n%s", name, args, err, &problems)
	}
	return out
}

// Ring is the public key of a name, armored.
func (h *Home) Ring(name string) []byte {
	h.t.Helper()
	return h.Run("gpg", "--armor", "--export", name+"@example.com")
}

// Sign makes the signature of a manifest for a reference.
func (h *Home) Sign(name, reference string, manifest []byte) []byte {
	h.t.Helper()
	dir := h.t.TempDir()
	in, out := filepath.Join(dir, "manifest"), filepath.Join(dir, "signature")
	check(h.t, os.WriteFile(in, manifest, 0o600))
	listing := string(h.Run("gpg", "--with-colons", "--fingerprint", name+"@example.com"))
	_, after, _ := strings.Cut(listing, "\nfpr:::::::::")
	fingerprint, _, _ := strings.Cut(after, ":")
	h.Run("skopeo", "standalone-sign", in, reference, fingerprint, "-o", out)
	signature, err := os.ReadFile(out)
	check(h.t, err)
	return signature
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
