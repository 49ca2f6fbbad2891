// SPDX-License-Identifier: Apache-2.0

package notation

import (
	"crypto/x509"
	"slices"
	"strings"
	"testing"
	"time"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/notationtest"
)

func TestCertificatesAreRefusedWholeIfOneIsUnfit(t *testing.T) {
	authority := notationtest.NewAuthority(t)
	signer := authority.Signer(t)
	for name, row := range map[string]struct{ text, want string }{
		"nothing":               {"", `no PEM block "CERTIFICATE"`},
		"no PEM":                {"a certificate", `no PEM block "CERTIFICATE"`},
		"a key beside one":      {string(authority.PEM()) + "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", `"PUBLIC KEY" is not a certificate`},
		"garbage in the frame":  {"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "x509"},
		"a signer's of another": {string(authority.PEM()) + string(signer.PEM()), "not a CA certificate or self-signed"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseSigners([]byte(row.text))
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("the error is %v, not ...%s...", err, row.want)
			}
		})
	}
}

func TestAuthoritiesOutOfDateAreOfUseOnlyToThoseWhoBelieveTimestamps(t *testing.T) {
	now := notationtest.NewAuthority(t).Chain[0]
	ended := notationtest.NewAuthority(t, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Hour) }).Chain[0]
	early := notationtest.NewAuthority(t, func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Hour) }).Chain[0]
	for name, row := range map[string]struct {
		authorities Authorities
		fine        bool
	}{
		"one in date":          {Authorities{Signers: []*x509.Certificate{now}}, true},
		"an old and a new one": {Authorities{Signers: []*x509.Certificate{ended, now}}, true},
		"one that has ended":   {Authorities{Signers: []*x509.Certificate{ended}}, false},
		"one to begin":         {Authorities{Signers: []*x509.Certificate{early, ended}}, false},
		"one that has ended, with timestamps": {
			Authorities{[]*x509.Certificate{ended}, []*x509.Certificate{now}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			if err := row.authorities.Check(time.Now()); (err == nil) != row.fine {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

func TestTimestampersMustBeRoots(t *testing.T) {
	root := notationtest.NewAuthority(t)
	if got, err := ParseTimestampers(root.PEM()); err != nil || len(got) != 1 {
		t.Errorf("the root: %d, %v", len(got), err)
	}
	for name, text := range map[string][]byte{
		"an authority below": root.Authority(t).PEM(), "no certificate": []byte("x")} {
		if _, err := ParseTimestampers(text); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func TestIdentitiesThatCannotBeMetAreRefused(t *testing.T) {
	for name, row := range map[string]struct {
		identities []string
		want       string
	}{
		"no kind":             {[]string{"C=CA, ST=Ontario, O=Example"}, `does not begin with "x509.subject:"`},
		"another kind":        {[]string{"did:x509:0"}, `does not begin with "x509.subject:"`},
		"no value":            {[]string{"x509.subject:"}, "the requirement has trusted identity"},
		"no organization":     {[]string{"x509.subject: C=CA, ST=Ontario"}, "mandatory"},
		"everybody and one":   {[]string{"*", "x509.subject: C=CA, ST=Ontario, O=Example"}, "wildcard"},
		"one within another":  {[]string{"x509.subject: C=CA, ST=Ontario, O=Example", "x509.subject: C=CA, ST=Ontario, O=Example, CN=a"}, "overlap"},
		"something malformed": {[]string{"x509.subject: C=CA, ST="}, "mandatory"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := NewTrust(Authorities{}, row.identities)
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("the error is %v, not ...%s...", err, row.want)
			}
		})
	}
}

func TestTrustInOthersIsAnotherTrust(t *testing.T) {
	one, two := notationtest.NewAuthority(t), notationtest.NewAuthority(t)
	named, err := NewTrust(Authorities{Signers: one.Chain}, []string{"x509.subject: C=CA, ST=Ontario, O=Example"})
	if err != nil {
		t.Fatal(err)
	}
	dated, err := NewTrust(Authorities{one.Chain, two.Chain}, nil)
	if err != nil {
		t.Fatal(err)
	}
	ids := []string{trusting(t, one).ID, trusting(t, two).ID, trusting(t, one, two).ID, named.ID, dated.ID}
	if slices.Sort(ids); len(slices.Compact(ids)) != 5 {
		t.Errorf("two of %q are the same", ids)
	}
	if again := trusting(t, one); again.ID != trusting(t, one).ID {
		t.Errorf("the same trust is %s now", again.ID)
	}
}
