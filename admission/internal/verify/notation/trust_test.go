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
	ended := notationtest.NewAuthority(t, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Hour) })
	for name, row := range map[string]struct{ text, want string }{
		"nothing":                 {"", `no PEM block "CERTIFICATE"`},
		"no PEM":                  {"a certificate", `no PEM block "CERTIFICATE"`},
		"a key beside one":        {string(authority.PEM()) + "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", `"PUBLIC KEY" is not a certificate`},
		"garbage in the frame":    {"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "x509"},
		"a signer's of another":   {string(authority.PEM()) + string(signer.PEM()), "not a CA certificate or self-signed"},
		"one that has ended":      {string(ended.PEM()), "is valid from"},
		"several that have ended": {string(ended.PEM()) + string(ended.PEM()), "is valid from"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseCertificates([]byte(row.text), time.Now())
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("the error is %v, not ...%s...", err, row.want)
			}
		})
	}
	both := slices.Concat(ended.PEM(), authority.PEM())
	if got, err := ParseCertificates(both, time.Now()); err != nil || len(got) != 2 {
		t.Errorf("the old and the new one: %d, %v", len(got), err)
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
			_, err := NewTrust(nil, row.identities)
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("the error is %v, not ...%s...", err, row.want)
			}
		})
	}
}

func TestTrustInOthersIsAnotherTrust(t *testing.T) {
	one, two := notationtest.NewAuthority(t), notationtest.NewAuthority(t)
	named, err := NewTrust(one.Chain, []string{"x509.subject: C=CA, ST=Ontario, O=Example"})
	if err != nil {
		t.Fatal(err)
	}
	ids := []string{trusting(t, one).ID, trusting(t, two).ID, trusting(t, one, two).ID, named.ID}
	if slices.Sort(ids); len(slices.Compact(ids)) != 4 {
		t.Errorf("two of %q are the same", ids)
	}
	if again := trusting(t, one); again.ID != trusting(t, one).ID {
		t.Errorf("the same trust is %s now", again.ID)
	}
}
