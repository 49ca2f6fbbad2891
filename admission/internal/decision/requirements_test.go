// SPDX-License-Identifier: Apache-2.0

package decision

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"reflect"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	v1 "opendev.org/starlingx/portieris-armada-app/admission/api/v1"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/notationtest"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/reason"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/registry"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/attached"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/signed"
)

// signatures answers for the signatures beside an image.
type signatures struct {
	digest  string
	refusal error
	asked   []signed.Request
}

func (s *signatures) Digest(_ context.Context, request signed.Request) (
	string, error) {
	s.asked = append(s.asked, request)
	return s.digest, s.refusal
}

// requiring is a world whose one entry has the requirements.
func requiring(requirements ...v1.SimpleRequirement) *world {
	return &world{
		entries: []v1.Repository{{Name: "*", Policy: &v1.Policy{
			Simple: v1.Simple{
				Requirements: requirements,
				StoreURL:     "https://store/signatures",
				StoreSecret:  "store",
			}}}},
		secrets: map[string]*corev1.Secret{
			"ring":  {Data: map[string][]byte{"key": []byte("a ring")}},
			"empty": {Data: map[string][]byte{}},
			"store": {Data: map[string][]byte{
				"username": []byte("u"), "password": []byte("p")}},
			"pull": pullSecret("r:9001", "pod"),
		},
		digest: wanted,
	}
}

func (w *world) judgeWith(s *signatures, images ...string) []Decision {
	judge := Judge{Policies: w, Secrets: w, Trust: w, Signatures: s}
	return judge.All(context.Background(), Workload{
		Namespace: "team", PullSecrets: []string{"pull"},
	}, images)
}

// publicKey is a key that cosign could sign with.
func publicKey(t *testing.T) []byte {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: raw})
}

func TestSignaturesAreAskedForAsTheEntrySays(t *testing.T) {
	world := requiring(v1.SimpleRequirement{
		Type: v1.RequirementSignedBy, KeySecret: "ring",
		KeySecretNamespace: "keys", SignedIdentity: v1.IdentityRequirement{
			Type: "remapIdentity", Prefix: "r", SignedPrefix: "s"},
	})
	s := &signatures{digest: wanted}
	got := world.judgeWith(s, image)[0]
	if got.Denial != nil || got.Digest != wanted ||
		got.Replacement != "r:9001/app@"+wanted {
		t.Errorf("decided %+v %v", got, got.Denial)
	}
	if len(s.asked) != 1 {
		t.Fatalf("asked %v", s.asked)
	}
	asked := s.asked[0]
	if asked.Host != "r:9001" || asked.Name != "r:9001/app" ||
		asked.Tag != "v1" || asked.StoreURL != "https://store/signatures" ||
		!reflect.DeepEqual(asked.StoreCredentials, []registry.Credential{
			{Username: "u", Password: "p", Source: "secret team/store"}}) ||
		len(asked.Credentials) != 1 || len(asked.SignedBy) != 1 ||
		string(asked.SignedBy[0].KeyRing) != "a ring" ||
		asked.SignedBy[0].Identity.SignedPrefix != "s" {
		t.Errorf("asked %+v", asked)
	}
	if world.read["keys/ring"] != 1 || world.asked != nil {
		t.Errorf("read %v, asked the trust server %v", world.read, world.asked)
	}
}

func TestASignatureOfACosignKeyMustNameTheRightRepository(t *testing.T) {
	for name, row := range map[string]struct {
		identity v1.IdentityRequirement
		wanted   string
		required bool
	}{
		"the image's own": {v1.IdentityRequirement{},
			"r:9001/app", false},
		"a given one": {v1.IdentityRequirement{
			Type: "matchExactRepository", DockerRepository: "up/app"},
			"docker.io/up/app", true},
		"that of a given reference": {v1.IdentityRequirement{
			Type: "matchExactReference", DockerReference: "up.io/app:v9"},
			"up.io/app", true},
		"one under another prefix": {v1.IdentityRequirement{
			Type: "remapIdentity", Prefix: "r:9001",
			SignedPrefix: "up.io/team"},
			"up.io/team/app", true},
		"its own beside the prefix": {v1.IdentityRequirement{
			Type: "remapIdentity", Prefix: "r:9001/ap",
			SignedPrefix: "up.io"},
			"r:9001/app", true},
	} {
		t.Run(name, func(t *testing.T) {
			world := requiring(v1.SimpleRequirement{
				Type: v1.RequirementSigstoreSigned, KeySecret: "cosign",
				SignedIdentity: row.identity})
			world.secrets["cosign"] = &corev1.Secret{
				Data: map[string][]byte{"key": publicKey(t)}}
			s := &signatures{digest: wanted}
			got := world.judgeWith(s, image)[0]
			if got.Denial != nil || len(s.asked) != 1 {
				t.Fatalf("decided %v after asking %v", got.Denial, s.asked)
			}
			keys := s.asked[0].Cosign[0]
			if len(keys.Keys) != 1 || keys.Repository != row.wanted ||
				keys.RequireIdentity != row.required {
				t.Errorf("%+v is judged otherwise", keys)
			}
		})
	}
}

func TestSignersOfNotationAreThoseOfTheSecretAndTheEntry(t *testing.T) {
	authority := notationtest.NewAuthority(t)
	envelope := func(organization string) []byte {
		return authority.Signer(t, func(c *x509.Certificate) {
			c.Subject.Organization = []string{organization}
		}).Sign(t, notationtest.JWS, attached.Descriptor{Digest: wanted})
	}
	for place, other := range map[string]string{
		"key": "", "ca.crt": "a key for something else"} {
		t.Run(place, func(t *testing.T) {
			world := requiring(v1.SimpleRequirement{
				Type: v1.RequirementNotation, KeySecret: "roots",
				TrustedIdentities: []string{
					"x509.subject: C=CA, ST=Ontario, O=Example"}})
			world.secrets["roots"] = &corev1.Secret{Data: map[string][]byte{
				"key": []byte(other)}}
			world.secrets["roots"].Data[place] = authority.PEM()
			s := &signatures{digest: wanted}
			got := world.judgeWith(s, image)[0]
			if got.Denial != nil || len(s.asked) != 1 {
				t.Fatalf("decided %v after asking %v", got.Denial, s.asked)
			}
			for organization, trusted := range map[string]bool{
				"Example": true, "Other": false} {
				_, err := s.asked[0].Notation[0].Check(t.Context(),
					envelope(organization), notationtest.JWS,
					attached.Descriptor{Digest: wanted})
				if (err == nil) != trusted {
					t.Errorf("the organization %q: %v", organization, err)
				}
			}
		})
	}
}

func TestTrustAndSignaturesMustAgreeOnTheDigest(t *testing.T) {
	yes := true
	world := requiring(v1.SimpleRequirement{
		Type: v1.RequirementSignedBy, KeySecret: "ring"})
	world.entries[0].Policy.Trust = v1.Trust{
		Enabled: &yes, TrustServer: "https://notary:4443"}
	got := world.judgeWith(&signatures{digest: wanted}, image)[0]
	if got.Denial != nil || got.Digest != wanted {
		t.Errorf("decided %+v %v although both agree", got, got.Denial)
	}
	other := strings.Replace(wanted, "1", "2", 1)
	got = world.judgeWith(&signatures{digest: other}, image)[0]
	if got.Denial == nil || got.Denial.Code != reason.DigestConflict ||
		!strings.HasPrefix(got.Denial.Sentence,
			"Notary signs conflicting digest") || got.Replacement != "" {
		t.Errorf("decided %+v %v although they do not", got, got.Denial)
	}
}

func TestARequirementThatCannotBeAskedForIsNamed(t *testing.T) {
	signedBy := func(secret string) v1.SimpleRequirement {
		return v1.SimpleRequirement{
			Type: v1.RequirementSignedBy, KeySecret: secret}
	}
	cosign := v1.SimpleRequirement{
		Type: v1.RequirementSigstoreSigned, KeySecret: "ring"}
	for name, row := range map[string]struct {
		requirement v1.SimpleRequirement
		change      func(*world)
		code        reason.Code
		want        string
	}{
		"a key Secret that is missing": {signedBy("absent"), nil,
			reason.KeyMissing, `the key Secret "absent" in the namespace "team"`},
		"a key Secret that is not named": {signedBy(""), nil,
			reason.KeyMissing, `the key Secret ""`},
		"a key Secret without a key": {signedBy("empty"), nil,
			reason.KeyInvalid, `no key "key"`},
		"certificates that are none": {v1.SimpleRequirement{
			Type: v1.RequirementNotation, KeySecret: "ring"}, nil,
			reason.KeyInvalid, `"ring" is of no use for notation`},
		"timestampers that are no roots": {v1.SimpleRequirement{
			Type: v1.RequirementNotation, KeySecret: "roots"},
			func(w *world) {
				root := notationtest.NewAuthority(t)
				w.secrets["roots"] = &corev1.Secret{Data: map[string][]byte{
					"ca.crt": root.PEM(), "tsa.crt": root.Signer(t).PEM()}}
			}, reason.KeyInvalid, "of no use for notation: under tsa.crt"},
		"certificates that are nowhere": {v1.SimpleRequirement{
			Type: v1.RequirementNotation, KeySecret: "empty"}, nil,
			reason.KeyInvalid, `has no key "ca.crt" and no key "key"`},
		"a name that notation does not sign": {v1.SimpleRequirement{
			Type: v1.RequirementNotation, KeySecret: "ring",
			SignedIdentity: v1.IdentityRequirement{Type: "matchExact"}},
			nil, reason.PolicyInvalid, "names no repository"},
		"a signer who cannot be": {v1.SimpleRequirement{
			Type: v1.RequirementNotation, KeySecret: "ring",
			TrustedIdentities: []string{"Example"}},
			nil, reason.PolicyInvalid, `trusted identity "Example"`},
		"cosign keys that are none": {cosign, nil,
			reason.KeyInvalid, `"ring" is of no use for sigstoreSigned`},
		"a store in the clear": {signedBy("ring"), func(w *world) {
			w.entries[0].Policy.Simple.StoreURL = "http://store"
		}, reason.PolicyInvalid, "storeURL"},
		"a store Secret that is missing": {signedBy("ring"), func(w *world) {
			w.entries[0].Policy.Simple.StoreSecret = "absent"
		}, reason.KeyMissing, `the store Secret "absent"`},
	} {
		t.Run(name, func(t *testing.T) {
			world := requiring(row.requirement)
			if row.change != nil {
				row.change(world)
			}
			s := &signatures{digest: wanted}
			got := world.judgeWith(s, image)[0].Denial
			if got == nil || got.Code != row.code ||
				!strings.Contains(got.Sentence, row.want) || s.asked != nil {
				t.Errorf("denial %v after asking %v, want %s ...%s...",
					got, s.asked, row.code, row.want)
			}
		})
	}
}
