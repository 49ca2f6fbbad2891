// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	containers "github.com/google/go-containerregistry/pkg/v1"

	v1 "opendev.org/starlingx/portieris-armada-app/admission/api/v1"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/gpgtest"
)

// shop is a registry and a signature store that wants a password, filled by
// the real skopeo.
type shop struct {
	*site
	store string // directory
	front http.Handler
}

func newShop(t testing.TB) *shop {
	t.Helper()
	s := &shop{site: withoutReferrers(t), store: t.TempDir()}
	s.front = http.FileServer(http.Dir(s.store))
	server := s.authority.Serve(t, wantsPassword(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.front.ServeHTTP(w, r)
	})))
	s.entry.Simple.StoreURL, s.entry.Simple.StoreSecret = server.URL+"/", "store"
	return s
}

// requires makes the policy ask for a signature by any key of each ring.
func (s *shop) requires(rings ...[]byte) { s.site.requires(v1.RequirementSignedBy, rings...) }

// identity sets the name that the signature must give.
func (s *shop) identity(identity v1.IdentityRequirement) {
	s.entry.Simple.Requirements[0].SignedIdentity = identity
}

// signer is a GnuPG home with one key pair.
type signer struct {
	*gpgtest.Home
	t    testing.TB
	ring []byte
}

// newSigner makes a key pair; conf goes into its gpg.conf before.
func newSigner(t testing.TB, kind, expires, conf string) *signer {
	t.Helper()
	g := &signer{Home: gpgtest.New(t), t: t}
	check(t, os.WriteFile(filepath.Join(g.Dir, "gpg.conf"), []byte(conf), 0o600))
	g.Key("ci", kind, expires)
	g.ring = g.Ring("ci")
	return g
}

func rsaSigner(t testing.TB) *signer { return newSigner(t, "rsa2048", "never", "") }

// sign signs an image by copying it onto itself, as the manual says.
func (g *signer) sign(s *shop, image string, more ...string) {
	g.t.Helper()
	certificates, registriesD := g.t.TempDir(), g.t.TempDir()
	check(g.t, os.WriteFile(filepath.Join(certificates, "ca.crt"), s.authority.PEM, 0o600))
	check(g.t, os.WriteFile(filepath.Join(registriesD, "store.yaml"), fmt.Appendf(nil,
		"docker: {%q: {lookaside-staging: %q}}\n", s.host, "file://"+s.store), 0o600))
	credentials := user + ":" + password
	args := []string{"--insecure-policy", "--registries.d", registriesD, "copy", "--quiet",
		"--src-cert-dir", certificates, "--dest-cert-dir", certificates,
		"--src-creds", credentials, "--dest-creds", credentials, "--sign-by", "ci@example.com"}
	reference := "docker://" + s.host + "/" + image
	g.Run("skopeo", append(append(args, more...), reference, reference)...)
}

// signatures is the directory of an image's signatures in the store.
func (s *shop) signatures(repository string, digest containers.Hash) string {
	return filepath.Join(s.store, repository+"@sha256="+digest.Hex)
}

func TestImageSignedBySkopeoIsAdmitted(t *testing.T) {
	for kind, name := range map[string]string{"rsa2048": "RSA", "ed25519": "Ed25519"} {
		t.Run(name, func(t *testing.T) {
			s, g := newShop(t), newSigner(t, kind, "never", "")
			digest := s.push("team/app:v1")
			s.requires(g.ring)
			s.denies("team/app:v1", "NOT-SIGNED", "no signature exists")
			g.sign(s, "team/app:v1")
			s.admits("team/app:v1", digest)
			s.admits(at("team/app", digest), digest)
			s.requires(rsaSigner(t).ring)
			s.denies("team/app:v1", "SIGNATURE-REFUSED", "")
		})
	}
}

func TestAnyKeyOfARingMayHaveSignedAndEveryRingMustHold(t *testing.T) {
	s, one, two := newShop(t), rsaSigner(t), rsaSigner(t)
	digest := s.push("team/app:v1")
	two.sign(s, "team/app:v1")
	s.requires(append(append([]byte(nil), one.ring...), two.ring...))
	s.admits("team/app:v1", digest)
	s.requires(one.ring, two.ring)
	s.denies("team/app:v1", "SIGNATURE-REFUSED", "")
	one.sign(s, "team/app:v1")
	s.requires(one.ring)
	s.admits("team/app:v1", digest)
}

func TestKeysMayLieInAnotherNamespace(t *testing.T) {
	s, g := newShop(t), rsaSigner(t)
	digest := s.push("team/app:v1")
	g.sign(s, "team/app:v1")
	s.secrets["security/ring"] = g.ring
	s.entry.Simple.Requirements = []v1.SimpleRequirement{{Type: v1.RequirementSignedBy,
		KeySecret: "ring", KeySecretNamespace: "security"}}
	s.admits("team/app:v1", digest)
	s.entry.Simple.Requirements[0].KeySecretNamespace = ""
	s.denies("team/app:v1", "KEY-MISSING", `namespace "team"`)
}

func TestSignatureByAKeyThatHasExpiredIsRefused(t *testing.T) {
	s := newShop(t)
	g := newSigner(t, "rsa2048", "10d", "faked-system-time 20250101T000000!\n")
	s.push("team/app:v1")
	g.sign(s, "team/app:v1")
	s.requires(g.ring)
	s.denies("team/app:v1", "SIGNATURE-REFUSED", "expired")
}

func TestSignatureCopiedToAnotherImageIsRefused(t *testing.T) {
	s, g := newShop(t), rsaSigner(t)
	trusted, other := s.push("team/app:v1"), s.push("team/app:v2")
	g.sign(s, "team/app:v1")
	check(t, os.Rename(s.signatures("team/app", trusted), s.signatures("team/app", other)))
	s.requires(g.ring)
	s.denies("team/app:v2", "SIGNATURE-REFUSED", "does not match")
}

func TestSignatureOfSimpleSigningNamesRepositoryAndTag(t *testing.T) {
	s, g := newShop(t), rsaSigner(t)
	digest := s.push("origin/app:v1")
	g.sign(s, "origin/app:v1")
	s.copyTag("origin/app", "mirror/app", "v1", "v1")
	s.copyTag("origin/app", "origin/app", "v1", "v2")
	check(t, os.Mkdir(filepath.Join(s.store, "mirror"), 0o700))
	check(t, os.Symlink(s.signatures("origin/app", digest), s.signatures("mirror/app", digest)))
	s.requires(g.ring)
	s.denies("mirror/app:v1", "SIGNATURE-REFUSED", "not accepted")
	s.denies("origin/app:v2", "SIGNATURE-REFUSED", "not accepted")
	byDigest := at("origin/app", digest)
	s.identity(v1.IdentityRequirement{Type: "matchExact"})
	s.admits("origin/app:v1", digest)
	s.denies(byDigest, "SIGNATURE-REFUSED", "not accepted")
	s.identity(v1.IdentityRequirement{Type: "matchRepository"})
	s.admits("origin/app:v2", digest)
	s.admits(byDigest, digest)
	for name, identity := range map[string]v1.IdentityRequirement{
		"remapIdentity":        {Type: "remapIdentity", Prefix: s.host + "/mirror", SignedPrefix: s.host + "/origin"},
		"matchExactRepository": {Type: "matchExactRepository", DockerRepository: s.host + "/origin/app"},
		"matchExactReference":  {Type: "matchExactReference", DockerReference: s.host + "/origin/app:v1"},
	} {
		t.Run(name, func(t *testing.T) {
			s.identity(identity)
			s.admits("mirror/app:v1", digest)
			s.admits(at("mirror/app", digest), digest)
		})
	}
}

func TestAnImageOfGPGCostsOneRequestOnceItsSignatureWasFound(t *testing.T) {
	s, g := newShop(t), rsaSigner(t)
	digest := s.push("team/app:v1")
	g.sign(s, "team/app:v1")
	s.requires(g.ring)
	s.admits("team/app:v1", digest)
	if asked := s.requests(func() { s.admits("team/app:v1", digest) }); asked != 1 {
		t.Errorf("%d requests for a tag whose signature was found", asked)
	}
	s.admits(at("team/app", digest), digest)
	if asked := s.requests(func() { s.admits(at("team/app", digest), digest) }); asked != 0 {
		t.Errorf("%d requests for a digest whose signature was found", asked)
	}
}

func TestIndexAndPlatformAreBothSignedByCopyingAll(t *testing.T) {
	s, g := newShop(t), rsaSigner(t)
	whole, platform := s.pushIndex("team/app:v1")
	g.sign(s, "team/app:v1", "--all")
	s.requires(g.ring)
	s.admits("team/app:v1", whole)
	s.admits(at("team/app", platform), platform)
}

func TestSignatureStoreThatFailsIsNotAnUnsignedImage(t *testing.T) {
	s, g := newShop(t), rsaSigner(t)
	digest := s.push("team/app:v1")
	g.sign(s, "team/app:v1")
	s.requires(g.ring)
	signature := filepath.Join(s.signatures("team/app", digest), "signature-1")
	content, err := os.ReadFile(signature)
	check(t, err)
	answer := func(status int, body []byte) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = w.Write(body)
		})
	}
	for name, row := range map[string]struct {
		front          http.Handler
		code, sentence string
	}{
		"error":                  {answer(500, nil), "REGISTRY-ERROR", "answered 500"},
		"page of HTML":           {answer(200, []byte("<html>")), "REGISTRY-ERROR", "more than 32"},
		"signature of 5 MB":      {answer(200, make([]byte, 5<<20)), "REGISTRY-ERROR", "too large"},
		"the same without end":   {answer(200, content), "REGISTRY-ERROR", "more than 32"},
		"redirect to plain http": {http.RedirectHandler("http://127.0.0.1:1/", http.StatusFound), "REGISTRY-ERROR", "where this server does not go"},
	} {
		t.Run(name, func(t *testing.T) {
			s.front = row.front
			s.denies("team/app:v1", row.code, row.sentence)
		})
	}
	t.Run("file that is no signature", func(t *testing.T) {
		s.front = http.FileServer(http.Dir(s.store))
		check(t, os.WriteFile(signature, []byte("<html>"), 0o600))
		s.denies("team/app:v1", "SIGNATURE-REFUSED", "")
	})
	t.Run("wants a password and has none", func(t *testing.T) {
		s.entry.Simple.StoreSecret = ""
		s.denies("team/app:v1", "NO-CREDENTIALS", "storeSecret")
	})
	t.Run("is not there", func(t *testing.T) {
		s.entry.Simple.StoreURL = "https://127.0.0.1:1"
		s.denies("team/app:v1", "REGISTRY-UNREACHABLE", "cannot connect")
	})
	t.Run("is not named", func(t *testing.T) {
		s.entry.Simple.StoreURL = ""
		s.denies("team/app:v1", "POLICY-INVALID", "no storeURL")
	})
}

func TestGpgAndCosignMustBothHoldForOneDigest(t *testing.T) {
	s, g := newShop(t), rsaSigner(t)
	c := newCosign(t, s.site, 3)
	digest := s.push("team/app:v1")
	g.sign(s, "team/app:v1")
	s.requires(g.ring)
	s.secrets["team/cosign"] = c.public
	s.entry.Simple.Requirements = append(s.entry.Simple.Requirements,
		v1.SimpleRequirement{Type: v1.RequirementSigstoreSigned, KeySecret: "cosign"})
	s.denies("team/app:v1", "NOT-SIGNED", "no signature exists")
	c.sign(forms[0], at("team/app", digest))
	s.admits("team/app:v1", digest)
	s.entry.Simple.Requirements = append(s.entry.Simple.Requirements, v1.SimpleRequirement{Type: v1.RequirementReject})
	if got := s.decide("team/app:v1"); got.Denial == nil || !strings.Contains(got.Sentence(), "rejects") {
		t.Errorf("decided %v", got.Denial)
	}
}
