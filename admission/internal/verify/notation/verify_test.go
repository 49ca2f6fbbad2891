// SPDX-License-Identifier: Apache-2.0

package notation

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/notaryproject/notation-core-go/signature"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/notationtest"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/attached"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/attached/attachedtest"
)

var (
	image  = describe("a1")
	theirs = describe("b2")

	list     = "referrers/" + image.Digest
	fallback = "manifests/" + strings.Replace(image.Digest, ":", "-", 1)
)

func describe(digits string) attached.Descriptor {
	return attached.Descriptor{MediaType: attached.ManifestType,
		Digest: "sha256:" + strings.Repeat(digits, 32), Size: 512}
}

// madeOut writes our digest over theirs in the payload of an envelope.
func madeOut(t testing.TB, mediaType string, envelope []byte) []byte {
	t.Helper()
	if mediaType == cose {
		return bytes.Replace(envelope, []byte(theirs.Digest), []byte(image.Digest), 1)
	}
	var parts map[string]any
	if err := json.Unmarshal(envelope, &parts); err != nil {
		t.Fatal(err)
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts["payload"].(string))
	if err != nil {
		t.Fatal(err)
	}
	parts["payload"] = base64.RawURLEncoding.EncodeToString(
		bytes.Replace(payload, []byte(theirs.Digest), []byte(image.Digest), 1))
	forged, err := json.Marshal(parts)
	if err != nil {
		t.Fatal(err)
	}
	return forged
}

// trusting trusts whom the certificates of identities vouch for.
func trusting(t testing.TB, identities ...*notationtest.Identity) *Trust {
	t.Helper()
	var text []byte
	for _, identity := range identities {
		text = append(text, identity.PEM()...)
	}
	certificates, err := ParseSigners(text)
	if err != nil {
		t.Fatal(err)
	}
	trust, err := NewTrust(Authorities{Signers: certificates}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return trust
}

// shelf is a repository in which notation keeps signatures.
type shelf struct{ *attachedtest.Shelf }

func newShelf() shelf { return shelf{attachedtest.New()} }

// attach stores a signature as notation does.
func (s shelf) attach(t testing.TB, mediaType string, envelope []byte) attached.Descriptor {
	t.Helper()
	return s.Manifest(t, notationtest.SignatureType, notationtest.Manifest(image, s.Blob(mediaType, envelope)))
}

func (s shelf) verify(t testing.TB, trust *Trust) (time.Time, error) {
	t.Helper()
	return Verify(t.Context(), Request{Repository: s, Image: image, Trust: trust})
}

var kinds = map[string]string{"JWS": jws, "COSE": cose}

func TestSignatureIsFoundWhereverItLies(t *testing.T) {
	authority := notationtest.NewAuthority(t)
	signer, stranger := authority.Signer(t), notationtest.NewAuthority(t).Signer(t)
	for name, fill := range map[string]func(s shelf, good, bad attached.Descriptor){
		"in the referrers API": func(s shelf, good, _ attached.Descriptor) { s.List(t, list, good) },
		"by the fallback tag":  func(s shelf, good, _ attached.Descriptor) { s.List(t, fallback, good) },
		"behind a stranger's":  func(s shelf, good, bad attached.Descriptor) { s.List(t, list, bad, good) },
		"on the second page": func(s shelf, good, bad attached.Descriptor) {
			s.List(t, list, bad)
			s.Answers[list].Header.Set("Link", `</v2/team/app/`+list+`?n=2>; rel="next"`)
			s.List(t, list+"?n=2", good)
		},
	} {
		for kind, mediaType := range kinds {
			t.Run(name+", "+kind, func(t *testing.T) {
				s := newShelf()
				fill(s, s.attach(t, mediaType, signer.Sign(t, mediaType, image)),
					s.attach(t, mediaType, stranger.Sign(t, mediaType, image)))
				if _, err := s.verify(t, trusting(t, authority)); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func TestEveryCertificateOfTheChainCanBeTrusted(t *testing.T) {
	root := notationtest.NewAuthority(t)
	between := root.Authority(t)
	signer, alone := between.Signer(t), notationtest.NewSelfSigned(t)
	for name, row := range map[string]struct {
		trusted []*notationtest.Identity
		signer  *notationtest.Identity
	}{
		"the root":                   {[]*notationtest.Identity{root}, signer},
		"the authority below it":     {[]*notationtest.Identity{between}, signer},
		"a signer who is his own":    {[]*notationtest.Identity{alone}, alone},
		"one of several authorities": {[]*notationtest.Identity{notationtest.NewAuthority(t), root}, signer},
	} {
		t.Run(name, func(t *testing.T) {
			envelope := row.signer.Sign(t, jws, image)
			if _, err := trusting(t, row.trusted...).Check(t.Context(), envelope, jws, image); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestEnvelopeIsRefused(t *testing.T) {
	authority := notationtest.NewAuthority(t)
	signer := authority.Signer(t)
	ended := authority.Signer(t, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Hour) })
	changed := func(change func(*attached.Descriptor)) func(string) []byte {
		other := image
		change(&other)
		return func(mediaType string) []byte { return signer.Sign(t, mediaType, other) }
	}
	edited := func(edit func(*signature.SignRequest)) func(string) []byte {
		return func(mediaType string) []byte { return signer.Sign(t, mediaType, image, edit) }
	}
	for name, row := range map[string]struct {
		make func(mediaType string) []byte
		want string
	}{
		"by a stranger": {func(m string) []byte {
			return notationtest.NewAuthority(t).Signer(t).Sign(t, m, image)
		}, "any trusted certificate"},
		"by a certificate that has expired": {func(m string) []byte { return ended.Sign(t, m, image) }, "expired"},
		"that has expired itself": {edited(func(r *signature.SignRequest) {
			r.Expiry = time.Now().Add(-time.Hour)
		}), "has expired"},
		"of another digest": {changed(func(d *attached.Descriptor) { *d = theirs }), "mismatch"},
		"of another media type": {changed(func(d *attached.Descriptor) {
			d.MediaType = attached.IndexType
		}), "mismatch"},
		"of another size": {changed(func(d *attached.Descriptor) { d.Size++ }), "mismatch"},
		"of a payload of another kind": {edited(func(r *signature.SignRequest) {
			r.Payload.ContentType = "application/json"
		}), "payload"},
		"with an attribute that must be understood": {edited(func(r *signature.SignRequest) {
			r.ExtendedSignedAttributes = []signature.Attribute{{Key: "only.in.lab", Critical: true, Value: "x"}}
		}), `"only.in.lab" is not understood`},
		"for a plugin": {edited(func(r *signature.SignRequest) {
			r.ExtendedSignedAttributes = []signature.Attribute{
				{Key: "io.cncf.notary.verificationPlugin", Critical: true, Value: "x"}}
		}), `verificationPlugin" is not understood`},
		"of a signing authority that says when": {edited(func(r *signature.SignRequest) {
			r.SigningScheme = signature.SigningSchemeX509SigningAuthority
		}), "no trusted certificates"},
		"of another image, made out for ours": {func(m string) []byte {
			return madeOut(t, m, signer.Sign(t, m, theirs))
		}, "signature is invalid"},
		"changed after signing": {func(m string) []byte {
			envelope := signer.Sign(t, m, image)
			envelope[len(envelope)/2] ^= 4
			return envelope
		}, ""},
		"cut off":    {func(m string) []byte { return signer.Sign(t, m, image)[:200] }, ""},
		"of nothing": {func(string) []byte { return nil }, ""},
		"of garbage": {func(string) []byte { return []byte("<html>") }, ""},
		"of the other kind": {func(m string) []byte {
			if m == jws {
				return signer.Sign(t, cose, image)
			}
			return signer.Sign(t, jws, image)
		}, ""},
	} {
		for kind, mediaType := range kinds {
			t.Run(name+", "+kind, func(t *testing.T) {
				_, err := trusting(t, authority).Check(t.Context(), row.make(mediaType), mediaType, image)
				if err == nil || !strings.Contains(err.Error(), row.want) {
					t.Errorf("the error is %v, not ...%s...", err, row.want)
				}
			})
		}
	}
}

func TestEnvelopeOfAnUnknownKindIsRefused(t *testing.T) {
	authority := notationtest.NewAuthority(t)
	envelope := authority.Signer(t).Sign(t, jws, image)
	_, err := trusting(t, authority).Check(t.Context(), envelope, "application/json", image)
	if err == nil || !strings.Contains(err.Error(), `media type "application/json"`) {
		t.Errorf("the error is %v", err)
	}
}

func TestOnlySignersOfATrustedIdentityCount(t *testing.T) {
	authority := notationtest.NewAuthority(t)
	envelope := authority.Signer(t).Sign(t, jws, image)
	for name, row := range map[string]struct {
		identities []string
		trusted    bool
	}{
		"anyone":                 {[]string{"*"}, true},
		"its organization":       {[]string{"x509.subject: C=CA, ST=Ontario, O=Example"}, true},
		"its name":               {[]string{"x509.subject: C=CA, ST=Ontario, O=Example, CN=signer"}, true},
		"one of two":             {[]string{"x509.subject: C=CA, ST=Ontario, O=Other", "x509.subject: C=CA, ST=Ontario, O=Example"}, true},
		"another organization":   {[]string{"x509.subject: C=CA, ST=Ontario, O=Other"}, false},
		"another name":           {[]string{"x509.subject: C=CA, ST=Ontario, O=Example, CN=root"}, false},
		"the authority's itself": {[]string{"x509.subject: C=CA, ST=Ontario, O=Example, CN=authority"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			trust, err := NewTrust(Authorities{Signers: authority.Chain}, row.identities)
			if err != nil {
				t.Fatal(err)
			}
			if _, err = trust.Check(t.Context(), envelope, jws, image); (err == nil) != row.trusted {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

func TestImageWithoutSignatureIsUnsignedAndNotAFault(t *testing.T) {
	s := newShelf()
	other := s.Manifest(t, "application/vnd.example.sbom", map[string]any{"layers": []any{}})
	mislabelled := s.Manifest(t, notationtest.SignatureType, map[string]any{"artifactType": "application/vnd.example.sbom"})
	s.List(t, list, other, mislabelled)
	if _, err := s.verify(t, trusting(t, notationtest.NewAuthority(t))); !errors.Is(err, attached.ErrUnsigned) {
		t.Errorf("the error is %v", err)
	}
	if len(s.Asked) != 2 {
		t.Errorf("asked for %q: what is of another type need not be opened", s.Asked)
	}
}

func TestWhatTheRegistryKeepsIsNotTrusted(t *testing.T) {
	authority := notationtest.NewAuthority(t)
	good := authority.Signer(t).Sign(t, jws, image)
	for name, fill := range map[string]func(s shelf){
		"another envelope in its place": func(s shelf) {
			d := s.attach(t, jws, notationtest.NewAuthority(t).Signer(t).Sign(t, jws, image))
			for path := range s.Answers {
				if strings.HasPrefix(path, "blobs/") {
					s.Put(path, "", good)
				}
			}
			s.List(t, list, d)
		},
		"two envelopes": func(s shelf) {
			manifest := notationtest.Manifest(image, s.Blob(jws, good))
			manifest["layers"] = append(manifest["layers"].([]any), s.Blob(jws, good))
			s.List(t, list, s.Manifest(t, notationtest.SignatureType, manifest))
		},
		"an envelope beyond the bounds": func(s shelf) {
			s.List(t, list, s.attach(t, jws, append(good, bytes.Repeat([]byte(" "), maxEnvelope)...)))
		},
		"an envelope larger than it says": func(s shelf) {
			d := s.Blob(jws, append(good, bytes.Repeat([]byte(" "), maxEnvelope)...))
			d.Size = 100
			s.List(t, list, s.Manifest(t, notationtest.SignatureType, notationtest.Manifest(image, d)))
		},
		"a manifest that is none": func(s shelf) {
			d := s.attach(t, jws, good)
			d.MediaType = attached.IndexType
			s.List(t, list, d)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShelf()
			fill(s)
			_, err := s.verify(t, trusting(t, authority))
			var refused attached.Refused
			if !errors.As(err, &refused) {
				t.Errorf("the error is %v, not a refusal", err)
			}
		})
	}
}

func TestFaultOfTheRegistryIsNotUnsigned(t *testing.T) {
	trust := trusting(t, notationtest.NewAuthority(t))
	for name, fill := range map[string]func(s shelf){
		"an error":        func(s shelf) { s.Answers[list] = attached.Answer{Status: http.StatusBadGateway} },
		"a lost answer":   func(s shelf) { s.Faults[list] = errors.New("reset") },
		"garbage":         func(s shelf) { s.Put(list, attached.IndexType, []byte("{")) },
		"a time that ran": func(s shelf) { s.Faults[list] = context.DeadlineExceeded },
	} {
		t.Run(name, func(t *testing.T) {
			s := newShelf()
			fill(s)
			_, err := s.verify(t, trust)
			var refused attached.Refused
			if err == nil || errors.Is(err, attached.ErrUnsigned) || errors.As(err, &refused) {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

func TestNumberOfSignaturesReadIsBounded(t *testing.T) {
	s := newShelf()
	var all []attached.Descriptor
	for i := range 2 * attached.MaxCandidates {
		all = append(all, s.attach(t, jws, fmt.Append(nil, i)))
	}
	s.List(t, list, all...)
	if _, err := s.verify(t, trusting(t, notationtest.NewAuthority(t))); err == nil {
		t.Error("accepted")
	}
	if limit := 1 + 2*attached.MaxCandidates; len(s.Asked) > limit {
		t.Errorf("%d requests, more than %d", len(s.Asked), limit)
	}
}

func TestTimestampIsNeededOnlyWhenACertificateHasRunOut(t *testing.T) {
	authority := notationtest.NewAuthority(t)
	ended := authority.Signer(t, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Hour) })
	trust, err := NewTrust(Authorities{authority.Chain, notationtest.NewAuthority(t).Chain}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := trust.Check(t.Context(), authority.Signer(t).Sign(t, jws, image), jws, image); err != nil {
		t.Errorf("in date: %v", err)
	}
	_, err = trust.Check(t.Context(), ended.Sign(t, jws, image), jws, image)
	if err == nil || !strings.Contains(err.Error(), "no timestamp") {
		t.Errorf("out of date: %v", err)
	}
}

func TestNobodyIsAskedWhetherACertificateWasRevoked(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer server.Close()
	revocable := func(c *x509.Certificate) {
		c.OCSPServer = []string{server.URL + "/ocsp"}
		c.CRLDistributionPoints = []string{server.URL + "/list.crl"}
		c.IssuingCertificateURL = []string{server.URL + "/issuer"}
	}
	authority := notationtest.NewAuthority(t, revocable)
	signer := authority.Signer(t, revocable)
	for kind, mediaType := range kinds {
		t.Run(kind, func(t *testing.T) {
			envelope := signer.Sign(t, mediaType, image)
			if _, err := trusting(t, authority).Check(t.Context(), envelope, mediaType, image); err != nil {
				t.Error(err)
			}
		})
	}
	if asked.Load() != 0 {
		t.Errorf("%d questions", asked.Load())
	}
}

func TestSignatureCountsUntilTheFirstOfItsEnds(t *testing.T) {
	soon := time.Now().Add(time.Hour).Truncate(time.Second)
	sooner := soon.Add(-time.Minute)
	until := func(end time.Time) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.NotAfter = end }
	}
	for name, row := range map[string]struct {
		authority, signer, signature, want time.Time
	}{
		"the signer's certificate": {soon.Add(time.Hour), soon, time.Time{}, soon},
		"the authority's":          {sooner, soon, time.Time{}, sooner},
		"its own":                  {soon, soon, sooner, sooner},
	} {
		t.Run(name, func(t *testing.T) {
			authority := notationtest.NewAuthority(t, until(row.authority))
			envelope := authority.Signer(t, until(row.signer)).Sign(t, jws, image,
				func(r *signature.SignRequest) { r.Expiry = row.signature })
			got, err := trusting(t, authority).Check(t.Context(), envelope, jws, image)
			if err != nil || !got.Equal(row.want) {
				t.Errorf("until %v, %v; not %v", got, err, row.want)
			}
		})
	}
}
