// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "opendev.org/starlingx/portieris-armada-app/admission/api/v1"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/notationtest"
)

// notation is the real program with one signer and nobody to ask but the
// site's registry.
type notation struct {
	t         testing.TB
	site      *site
	program   string
	dir       string
	authority *notationtest.Identity
}

// newNotation makes a signer of an authority of his own.
func newNotation(t testing.TB, s *site) *notation {
	t.Helper()
	n := notationAt(t, s)
	n.authority = notationtest.NewAuthority(t)
	chain, key := n.authority.Authority(t).Signer(t).Files(t)
	n.write("ci.crt", chain)
	n.write("ci.key", key)
	n.write("notation/signingkeys.json", fmt.Appendf(nil,
		`{"default":"ci","keys":[{"name":"ci","keyPath":%q,"certPath":%q}]}`, n.file("ci.key"), n.file("ci.crt")))
	return n
}

func notationAt(t testing.TB, s *site) *notation {
	t.Helper()
	program, err := filepath.Abs("../../build/bin/notation")
	check(t, err)
	if _, err := os.Stat(program); err != nil {
		t.Fatalf("%s is not built: make build/bin/notation", program)
	}
	n := &notation{t: t, site: s, program: program, dir: t.TempDir()}
	n.write("ca.pem", s.authority.PEM)
	return n
}

func (n *notation) file(name string) string { return filepath.Join(n.dir, name) }

func (n *notation) write(name string, content []byte) {
	n.t.Helper()
	check(n.t, os.MkdirAll(filepath.Dir(n.file(name)), 0o700))
	check(n.t, os.WriteFile(n.file(name), content, 0o600))
}

// try runs notation. Whatever it asks of others than the registry goes to a
// proxy that is not there.
func (n *notation) try(args ...string) error {
	command := exec.Command(n.program, args...)
	command.Dir = n.dir
	command.Env = []string{"HOME=" + n.dir, "XDG_CONFIG_HOME=" + n.dir, "SSL_CERT_FILE=" + n.file("ca.pem"),
		"NOTATION_USERNAME=" + user, "NOTATION_PASSWORD=" + password,
		"HTTPS_PROXY=http://127.0.0.1:9", "HTTP_PROXY=http://127.0.0.1:9"}
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("notation %q: %w\n%s", args, err, output)
	}
	return nil
}

// sign signs an image by its digest.
func (n *notation) sign(image string, flags ...string) {
	n.t.Helper()
	check(n.t, n.try(append(append([]string{"sign"}, flags...), n.site.host+"/"+image)...))
}

// verifies tells what notation itself says with an authority and identities.
func (n *notation) verifies(image string, authority []byte, identities ...string) error {
	n.t.Helper()
	check(n.t, os.RemoveAll(n.file("notation/truststore")))
	n.write("notation/truststore/x509/ca/team/ca.crt", authority)
	n.write("notation/trustpolicy.json", encode(n.t, map[string]any{
		"version": "1.0", "trustPolicies": []any{map[string]any{
			"name": "team", "registryScopes": []string{"*"}, "trustStores": []string{"ca:team"},
			"signatureVerification": map[string]any{"level": "strict"},
			"trustedIdentities":     identities,
		}}}))
	return n.try("verify", n.site.host+"/"+image)
}

// ways are the ways to sign that differ in what lies in the registry.
var ways = map[string][]string{
	"JWS":                   {"--signature-format", "jws"},
	"COSE":                  {"--signature-format", "cose"},
	"the referrers API":     {"--force-referrers-tag=false"},
	"an end and a note":     {"--expiry", "24h", "--user-metadata", "by=ci"},
	"COSE, with end, API":   {"--signature-format", "cose", "--expiry", "24h", "--force-referrers-tag=false"},
	"COSE, with a note too": {"--signature-format", "cose", "--user-metadata", "by=ci"},
}

func TestSignatureOfNotationIsAdmittedFromEveryRegistry(t *testing.T) {
	for kind, open := range registries {
		for way, flags := range ways {
			// A registry with the API answers by it alone.
			if kind == "with the referrers API" && !slices.Contains(flags, "--force-referrers-tag=false") {
				flags = append(slices.Clone(flags), "--force-referrers-tag=false")
			}
			t.Run(way+", a registry "+kind, func(t *testing.T) {
				s := open(t)
				n := newNotation(t, s)
				digest := s.push("team/app:v1")
				s.requires(v1.RequirementNotation, n.authority.PEM())
				s.denies("team/app:v1", "NOT-SIGNED", "no signature exists")
				n.sign(at("team/app", digest), flags...)
				s.requests(func() {
					s.admits("team/app:v1", digest)
					s.admits(at("team/app", digest), digest)
				})
				s.requires(v1.RequirementNotation, notationtest.NewAuthority(t).PEM())
				s.denies("team/app:v1", "SIGNATURE-REFUSED", "any trusted certificate")
			})
		}
	}
}

func TestSignerOfNotationsOwnMakingIsTrustedByHisCertificate(t *testing.T) {
	s := withoutReferrers(t)
	n := notationAt(t, s)
	check(t, n.try("cert", "generate-test", "--default", "ci.example.com"))
	certificate, err := os.ReadFile(n.file("notation/localkeys/ci.example.com.crt"))
	check(t, err)
	digest := s.push("team/app:v1")
	n.sign(at("team/app", digest))
	s.requires(v1.RequirementNotation, certificate)
	s.admits("team/app:v1", digest)
}

func TestWhoIsTrustedIsWhomNotationTrusts(t *testing.T) {
	s := withoutReferrers(t)
	n := newNotation(t, s)
	digest := s.push("team/app:v1")
	image := at("team/app", digest)
	n.sign(image)
	for name, row := range map[string]struct {
		authority []byte
		identity  string
		trusted   bool
	}{
		"anyone":               {n.authority.PEM(), "*", true},
		"an organization":      {n.authority.PEM(), "x509.subject: C=CA, ST=Ontario, O=Example", true},
		"a signer's full name": {n.authority.PEM(), "x509.subject: C=CA, ST=Ontario, O=Example, CN=signer", true},
		"another organization": {n.authority.PEM(), "x509.subject: C=CA, ST=Ontario, O=Other", false},
		"the authority itself": {n.authority.PEM(), "x509.subject: C=CA, ST=Ontario, O=Example, CN=authority", false},
		"another authority":    {notationtest.NewAuthority(t).PEM(), "*", false},
	} {
		t.Run(name, func(t *testing.T) {
			if err := n.verifies(image, row.authority, row.identity); (err == nil) != row.trusted {
				t.Errorf("notation: %v", err)
			}
			s.requires(v1.RequirementNotation, row.authority)
			s.entry.Simple.Requirements[0].TrustedIdentities = []string{row.identity}
			if row.trusted {
				s.admits("team/app:v1", digest)
			} else {
				s.denies("team/app:v1", "SIGNATURE-REFUSED", "trusted")
			}
		})
	}
}

func TestSignatureOfNotationForAnIndexIsNotOneOfItsPlatforms(t *testing.T) {
	s := withReferrers(t)
	n := newNotation(t, s)
	whole, platform := s.pushIndex("team/app:v1")
	s.requires(v1.RequirementNotation, n.authority.PEM())
	n.sign(at("team/app", whole), "--force-referrers-tag=false")
	s.admits("team/app:v1", whole)
	s.denies(at("team/app", platform), "NOT-SIGNED", "no signature exists")
}

func TestSignatureOfNotationMovedToAnotherImageIsRefused(t *testing.T) {
	s := withoutReferrers(t)
	n := newNotation(t, s)
	trusted, other := s.push("team/app:v1"), s.push("team/app:v2")
	n.sign(at("team/app", trusted))
	s.copyTag("team/app", "team/app", strings.Replace(trusted.String(), ":", "-", 1),
		strings.Replace(other.String(), ":", "-", 1))
	s.requires(v1.RequirementNotation, n.authority.PEM())
	s.denies("team/app:v2", "SIGNATURE-REFUSED", "mismatch")
}

func TestSignatureOfNotationGoesWithAnImageToAnotherRepository(t *testing.T) {
	s := withoutReferrers(t)
	n := newNotation(t, s)
	digest := s.push("origin/app:v1")
	n.sign(at("origin/app", digest))
	list := strings.Replace(digest.String(), ":", "-", 1)
	s.copyTag("origin/app", "mirror/app", "v1", "v1")
	s.copyTag("origin/app", "mirror/app", list, list)
	s.requires(v1.RequirementNotation, n.authority.PEM())
	s.admits("mirror/app:v1", digest)
	s.entry.Simple.Requirements[0].SignedIdentity.Type = "matchRepository"
	s.denies("mirror/app:v1", "POLICY-INVALID", "names no repository")
}

func TestAnImageOfNotationCostsOneRequestOnceItsSignatureWasFound(t *testing.T) {
	for kind, cold := range map[string]int{
		"with the referrers API":    5, // the first request tells what the registry wants
		"without the referrers API": 6,
	} {
		t.Run("a registry "+kind, func(t *testing.T) {
			s := registries[kind](t)
			n := newNotation(t, s)
			digest := s.push("team/app:v1")
			n.sign(at("team/app", digest), "--force-referrers-tag=false")
			s.requires(v1.RequirementNotation, n.authority.PEM())
			if asked := s.requests(func() { s.admits("team/app:v1", digest) }); asked > cold {
				t.Errorf("%d requests for the first time, more than %d", asked, cold)
			}
			if asked := s.requests(func() { s.admits("team/app:v1", digest) }); asked != 1 {
				t.Errorf("%d requests for a known image", asked)
			}
			if asked := s.requests(func() { s.admits(at("team/app", digest), digest) }); asked != 0 {
				t.Errorf("%d requests for a known digest", asked)
			}
		})
	}
}
