// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	containers "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	v1 "opendev.org/starlingx/portieris-armada-app/admission/api/v1"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/notarytest"
)

func TestMain(m *testing.M) { notarytest.Main(m) }

// cosign is the real program with one key pair and nobody to ask but the
// site's registry.
type cosign struct {
	t       testing.TB
	site    *site
	program string
	dir     string
	public  []byte
}

// newCosign makes a key pair of cosign's own kind.
func newCosign(t testing.TB, s *site, version int) *cosign {
	t.Helper()
	c := cosignAt(t, s, version)
	c.run("generate-key-pair", "--output-key-prefix", c.file("key"))
	c.public = c.read("key.pub")
	return c
}

// importing makes one of a private key that came from elsewhere.
func importing(t testing.TB, s *site, version int, private any) *cosign {
	t.Helper()
	c := cosignAt(t, s, version)
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	check(t, err)
	check(t, os.WriteFile(c.file("made.pem"),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}), 0o600))
	c.run("import-key-pair", "--key", c.file("made.pem"), "--output-key-prefix", c.file("key"))
	c.public = c.read("key.pub")
	return c
}

func cosignAt(t testing.TB, s *site, version int) *cosign {
	t.Helper()
	program, err := filepath.Abs(fmt.Sprintf("../../build/bin/cosign%d", version))
	check(t, err)
	if _, err := os.Stat(program); err != nil && version == 3 {
		t.Fatalf("%s is not built: make build/bin/cosign3 (takes minutes, once)", program)
	} else if err != nil {
		t.Skip("skipped: make test-interop builds cosign 2 and runs this too")
	}
	c := &cosign{t: t, site: s, program: program, dir: t.TempDir()}
	check(t, os.WriteFile(c.file("ca.pem"), s.authority.PEM, 0o600))
	// What `cosign signing-config create` and `trusted-root create` write:
	// no log, no authority of time, no certificates.
	check(t, os.WriteFile(c.file("signing-config.json"), []byte(`{"mediaType":`+
		`"application/vnd.dev.sigstore.signingconfig.v0.2+json","rekorTlogConfig":{},"tsaConfig":{}}`), 0o600))
	check(t, os.WriteFile(c.file("trusted-root.json"), []byte(`{"mediaType":`+
		`"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}`), 0o600))
	return c
}

func (c *cosign) file(name string) string { return filepath.Join(c.dir, name) }

func (c *cosign) read(name string) []byte {
	c.t.Helper()
	content, err := os.ReadFile(c.file(name))
	check(c.t, err)
	return content
}

// try runs cosign. Whatever it asks of others than the registry goes to a
// proxy that is not there.
func (c *cosign) try(args ...string) (string, error) {
	command := exec.Command(c.program, args...)
	command.Dir = c.dir
	command.Env = []string{"HOME=" + c.dir, "PATH=" + os.Getenv("PATH"), "COSIGN_PASSWORD=",
		"SSL_CERT_FILE=" + c.file("ca.pem"), "COSIGN_EXPERIMENTAL=1",
		"HTTPS_PROXY=http://127.0.0.1:9", "HTTP_PROXY=http://127.0.0.1:9"}
	output, err := command.CombinedOutput()
	return string(output), err
}

func (c *cosign) run(args ...string) {
	c.t.Helper()
	if output, err := c.try(args...); err != nil {
		c.t.Fatalf("%s %q: %v\n%s", c.program, args, err, output)
	}
}

// credentials are the flags every command that meets the registry needs.
func (c *cosign) credentials() []string {
	return []string{"--registry-username", user, "--registry-password", password,
		"--registry-cacert", c.file("ca.pem")}
}

// form is one way to sign without the internet.
type form struct {
	name    string
	version int
	bundle  bool
	flags   []string
}

var forms = []form{
	{"cosign 3 by its signing config", 3, true,
		[]string{"--signing-config", "signing-config.json", "--trusted-root", "trusted-root.json"}},
	{"cosign 3 by its old flags", 3, true,
		[]string{"--use-signing-config=false", "--tlog-upload=false"}},
	{"cosign 3 in the tag form", 3, false,
		[]string{"--new-bundle-format=false", "--use-signing-config=false", "--tlog-upload=false"}},
	{"cosign 2", 2, false, []string{"--tlog-upload=false"}},
	{"cosign 2 as a bundle", 2, true, []string{"--tlog-upload=false", "--new-bundle-format=true"}},
}

// sign signs an image as form says.
func (c *cosign) sign(form form, image string, more ...string) {
	c.t.Helper()
	args := append([]string{"sign", "--key", c.file("key.key"), "-y"}, c.credentials()...)
	args = append(append(args, form.flags...), more...)
	c.run(append(args, c.site.host+"/"+image)...)
}

// attest makes an attestation, which is no signature.
func (c *cosign) attest(image string, flags ...string) {
	c.t.Helper()
	check(c.t, os.WriteFile(c.file("predicate.json"), []byte(`{"buildType":"x"}`), 0o600))
	args := append([]string{"attest", "--key", c.file("key.key"), "-y", "--type", "custom",
		"--predicate", c.file("predicate.json")}, c.credentials()...)
	c.run(append(append(args, flags...), c.site.host+"/"+image)...)
}

// verifies tells what cosign itself says about a bundle.
func (c *cosign) verifies(image string) error {
	args := append([]string{"verify", "--key", c.file("key.pub"), "--trusted-root", "trusted-root.json",
		"--private-infrastructure"}, c.credentials()...)
	if output, err := c.try(append(args, c.site.host+"/"+image)...); err != nil {
		return fmt.Errorf("%w\n%s", err, output)
	}
	return nil
}

func at(image string, digest containers.Hash) string { return image + "@" + digest.String() }

func TestSignatureOfCosignIsAdmittedFromEveryRegistry(t *testing.T) {
	for kind, open := range registries {
		for _, form := range forms {
			t.Run(form.name+", a registry "+kind, func(t *testing.T) {
				s := open(t)
				c := newCosign(t, s, form.version)
				digest := s.push("team/app:v1")
				s.requires(v1.RequirementSigstoreSigned, c.public)
				s.denies("team/app:v1", "NOT-SIGNED", "no signature exists")
				c.sign(form, at("team/app", digest))
				s.requests(func() {
					s.admits("team/app:v1", digest)
					s.admits(at("team/app", digest), digest)
				})
				s.requires(v1.RequirementSigstoreSigned, newCosign(t, s, form.version).public)
				s.denies("team/app:v1", "SIGNATURE-REFUSED", "no trusted key")
			})
		}
	}
}

func TestSignatureIsAdmittedForEveryKeyThatCosignSignsWith(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	check(t, err)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	check(t, err)
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	check(t, err)
	for name, private := range map[string]any{"RSA": rsaKey, "P-384": p384, "Ed25519": ed} {
		for _, form := range forms[1:] {
			t.Run(name+", "+form.name, func(t *testing.T) {
				s := withReferrers(t)
				c := importing(t, s, form.version, private)
				digest := s.push("team/app:v1")
				c.sign(form, at("team/app", digest))
				s.requires(v1.RequirementSigstoreSigned, c.public)
				s.admits("team/app:v1", digest)
			})
		}
	}
}

func TestAnyKeyOfASecretMayHaveSignedAndEveryRequirementMustHold(t *testing.T) {
	for _, form := range forms[:4] {
		t.Run(form.name, func(t *testing.T) {
			s := withoutReferrers(t)
			one, two := newCosign(t, s, form.version), newCosign(t, s, form.version)
			digest := s.push("team/app:v1")
			both := append(append([]byte(nil), one.public...), two.public...)
			one.sign(form, at("team/app", digest))
			s.requires(v1.RequirementSigstoreSigned, both)
			s.admits("team/app:v1", digest)
			s.requires(v1.RequirementSigstoreSigned, one.public, two.public)
			s.denies("team/app:v1", "SIGNATURE-REFUSED", "no trusted key")
			two.sign(form, at("team/app", digest))
			s.admits("team/app:v1", digest)
		})
	}
}

func TestAttestationOfTheKeyIsNoSignatureThoughCosignTakesIt(t *testing.T) {
	for name, flags := range map[string][]string{
		"by its signing config": forms[0].flags, "by its old flags": forms[1].flags,
	} {
		for kind, open := range registries {
			t.Run(name+", a registry "+kind, func(t *testing.T) {
				s := open(t)
				c := newCosign(t, s, 3)
				digest := s.push("team/app:v1")
				c.attest(at("team/app", digest), flags...)
				if err := c.verifies("team/app:v1"); err != nil {
					t.Errorf("cosign takes attestations for signatures no longer, mend the manual: %v", err)
				}
				s.requires(v1.RequirementSigstoreSigned, c.public)
				if got := s.decide("team/app:v1"); got.Denial == nil {
					t.Error("the attestation counts as a signature")
				}
				c.sign(forms[0], at("team/app", digest))
				s.admits("team/app:v1", digest)
			})
		}
	}
}

func TestSignatureOfAnIndexIsNotOneOfItsPlatforms(t *testing.T) {
	for _, form := range forms[:4] {
		t.Run(form.name, func(t *testing.T) {
			s := withReferrers(t)
			c := newCosign(t, s, form.version)
			whole, platform := s.pushIndex("team/app:v1")
			s.requires(v1.RequirementSigstoreSigned, c.public)
			c.sign(form, at("team/app", whole))
			s.admits("team/app:v1", whole)
			s.denies(at("team/app", platform), "NOT-SIGNED", "no signature exists")
			c.sign(form, at("team/app", whole), "--recursive")
			s.admits(at("team/app", platform), platform)
		})
	}
}

func TestSignatureOfTheTagFormNamesItsRepository(t *testing.T) {
	s := withReferrers(t)
	c := newCosign(t, s, 3)
	digest := s.push("origin/app:v1")
	c.sign(forms[2], at("origin/app", digest))
	s.copyTag("origin/app", "mirror/app", "v1", "v1")
	signatures := strings.Replace(digest.String(), ":", "-", 1) + ".sig"
	s.copyTag("origin/app", "mirror/app", signatures, signatures)
	s.requires(v1.RequirementSigstoreSigned, c.public)
	s.denies("mirror/app:v1", "SIGNATURE-REFUSED", "was made for")
	for name, identity := range map[string]v1.IdentityRequirement{
		"remapIdentity": {Type: "remapIdentity",
			Prefix: s.host + "/mirror", SignedPrefix: s.host + "/origin"},
		"matchExactRepository": {Type: "matchExactRepository", DockerRepository: s.host + "/origin/app"},
		"matchExactReference":  {Type: "matchExactReference", DockerReference: s.host + "/origin/app:v1"},
	} {
		t.Run(name, func(t *testing.T) {
			s.entry.Simple.Requirements[0].SignedIdentity = identity
			s.admits("mirror/app:v1", digest)
		})
	}
	s.entry.Simple.Requirements[0].SignedIdentity = v1.IdentityRequirement{Type: "remapIdentity",
		Prefix: s.host + "/mirr", SignedPrefix: s.host + "/orig"}
	s.denies("mirror/app:v1", "SIGNATURE-REFUSED", "was made for")
}

func TestBundleNamesNoRepository(t *testing.T) {
	s := withoutReferrers(t)
	c := newCosign(t, s, 3)
	digest := s.push("origin/app:v1")
	c.sign(forms[0], at("origin/app", digest))
	s.copyTag("origin/app", "mirror/app", "v1", "v1")
	list := strings.Replace(digest.String(), ":", "-", 1)
	s.copyTag("origin/app", "mirror/app", list, list)
	s.requires(v1.RequirementSigstoreSigned, c.public)
	s.admits("mirror/app:v1", digest)
	s.entry.Simple.Requirements[0].SignedIdentity.Type = "matchRepository"
	s.denies("mirror/app:v1", "SIGNATURE-REFUSED", "names no repository")
	s.denies("origin/app:v1", "SIGNATURE-REFUSED", "names no repository")
}

func TestSignatureMovedToAnotherImageIsRefused(t *testing.T) {
	t.Run("tag form", func(t *testing.T) {
		s := withReferrers(t)
		c := newCosign(t, s, 3)
		trusted, other := s.push("team/app:v1"), s.push("team/app:v2")
		c.sign(forms[2], at("team/app", trusted))
		s.copyTag("team/app", "team/app", strings.Replace(trusted.String(), ":", "-", 1)+".sig",
			strings.Replace(other.String(), ":", "-", 1)+".sig")
		s.requires(v1.RequirementSigstoreSigned, c.public)
		s.denies("team/app:v2", "SIGNATURE-REFUSED", "for another digest")
	})
	t.Run("bundle by the fallback tag", func(t *testing.T) {
		s := withoutReferrers(t)
		c := newCosign(t, s, 3)
		trusted, other := s.push("team/app:v1"), s.push("team/app:v2")
		c.sign(forms[0], at("team/app", trusted))
		s.copyTag("team/app", "team/app", strings.Replace(trusted.String(), ":", "-", 1),
			strings.Replace(other.String(), ":", "-", 1))
		s.requires(v1.RequirementSigstoreSigned, c.public)
		s.denies("team/app:v2", "SIGNATURE-REFUSED", "for another digest")
	})
}

func TestAnImageCostsOneRequestOnceItsSignatureWasFound(t *testing.T) {
	for _, row := range []struct {
		form form
		kind string
		cold int // the first request tells what the registry wants
	}{
		{forms[0], "with the referrers API", 7},
		{forms[0], "without the referrers API", 8},
		{forms[2], "with the referrers API", 6},
		{forms[2], "without the referrers API", 7},
	} {
		t.Run(row.form.name+", a registry "+row.kind, func(t *testing.T) {
			s := registries[row.kind](t)
			c := newCosign(t, s, 3)
			digest := s.push("team/app:v1")
			c.sign(row.form, at("team/app", digest))
			s.requires(v1.RequirementSigstoreSigned, c.public)
			if asked := s.requests(func() { s.admits("team/app:v1", digest) }); asked > row.cold {
				t.Errorf("%d requests for the first time, more than %d", asked, row.cold)
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

func TestTheFallbackIndexOfCosignDoesNotNameTheTypeOfABundle(t *testing.T) {
	s := withoutReferrers(t)
	c := newCosign(t, s, 3)
	digest := s.push("team/app:v1")
	c.sign(forms[0], at("team/app", digest))
	found, err := remote.Get(s.reference("team/app:"+strings.Replace(digest.String(), ":", "-", 1)), s.options()...)
	check(t, err)
	var list struct {
		Manifests []struct{ ArtifactType string }
	}
	check(t, json.Unmarshal(found.Manifest, &list))
	if len(list.Manifests) != 1 || list.Manifests[0].ArtifactType != emptyType {
		t.Errorf("the index is %s: entries of the type %s need not be opened any more", found.Manifest, emptyType)
	}
}

func TestTheExperimentalFormOfCosign2IsNotRead(t *testing.T) {
	s := withReferrers(t)
	c := newCosign(t, s, 2)
	digest := s.push("team/app:v1")
	c.sign(forms[3], at("team/app", digest), "--registry-referrers-mode=oci-1-1")
	s.requires(v1.RequirementSigstoreSigned, c.public)
	s.denies("team/app:v1", "NOT-SIGNED", "no signature exists")
}

func TestSigningAsTheToolDoesByDefaultNeedsTheInternet(t *testing.T) {
	s := withReferrers(t)
	c := newCosign(t, s, 3)
	digest := s.push("team/app:v1")
	args := append([]string{"sign", "--key", c.file("key.key"), "-y"}, c.credentials()...)
	if output, err := c.try(append(args, s.host+"/"+at("team/app", digest))...); err == nil {
		t.Errorf("the manual says that this fails: %s", output)
	}
	s.requires(v1.RequirementSigstoreSigned, c.public)
	s.denies("team/app:v1", "NOT-SIGNED", "no signature exists")
}

// copyTag gives a manifest of one repository a tag in another, with all that
// it refers to.
func (s *site) copyTag(from, to, tag, as string) {
	s.t.Helper()
	source := s.reference(from + ":" + tag)
	found, err := remote.Get(source, s.options()...)
	check(s.t, err)
	target := s.reference(to + ":" + as)
	if found.MediaType.IsIndex() {
		index, err := found.ImageIndex()
		check(s.t, err)
		check(s.t, remote.WriteIndex(target, index, s.options()...))
		return
	}
	image, err := found.Image()
	check(s.t, err)
	check(s.t, remote.Write(target, image, s.options()...))
}
