// SPDX-License-Identifier: Apache-2.0

package notation

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/notaryproject/notation-core-go/revocation"
	"github.com/notaryproject/notation-core-go/revocation/result"
	library "github.com/notaryproject/notation-go"
	"github.com/notaryproject/notation-go/verifier"
	"github.com/notaryproject/notation-go/verifier/trustpolicy"
	"github.com/notaryproject/notation-go/verifier/truststore"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/keysize"
)

// Trust is whose signatures count.
type Trust struct {
	// ID is the same for the same certificates and identities.
	ID       string
	verifier library.Verifier
}

// ParseSigners reads the certificates of a PEM text: those of authorities, or
// of a signer who is his own. One that is neither spoils them all.
func ParseSigners(text []byte) ([]*x509.Certificate, error) {
	all, err := parse(text)
	if err != nil {
		return nil, err
	}
	return all, truststore.ValidateCertificates(all)
}

// ParseTimestampers reads the certificates of those who confirm when something
// was signed. Each must be a root; it need not be in date any more.
func ParseTimestampers(text []byte) ([]*x509.Certificate, error) {
	all, err := parse(text)
	if err != nil {
		return nil, err
	}
	for _, certificate := range all {
		if certificate.CheckSignatureFrom(certificate) != nil {
			return nil, fmt.Errorf("the certificate %q is not that of a root", certificate.Subject)
		}
	}
	return all, nil
}

// parse reads all the "CERTIFICATE" blocks of a PEM text, which holds no
// other.
func parse(text []byte) ([]*x509.Certificate, error) {
	var all []*x509.Certificate
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("PEM block %q is not a certificate", block.Type)
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		all = append(all, certificate)
	}
	if len(all) == 0 {
		return nil, errors.New("no PEM block \"CERTIFICATE\" found")
	}
	return all, keysize.Certificates(all)
}

// Authorities are the certificates of those who vouch: for the signers, and
// for when something was signed. Without the latter, timestamps do not count.
type Authorities struct{ Signers, Timestampers []*x509.Certificate }

// Check says at what time nobody whom they vouch for can have signed: when all
// certificates are out of date, unless a timestamp may say that they were not.
func (a Authorities) Check(now time.Time) error {
	if len(a.Timestampers) > 0 || slices.ContainsFunc(a.Signers, func(c *x509.Certificate) bool {
		return !now.Before(c.NotBefore) && !now.After(c.NotAfter)
	}) {
		return nil
	}
	first := a.Signers[0]
	return fmt.Errorf("the certificate %q is valid from %s to %s only", first.Subject,
		first.NotBefore.Format(time.RFC3339), first.NotAfter.Format(time.RFC3339))
}

// What an identity may be, as a trust policy of notation writes it.
const (
	anyone    = "*"
	subjectIs = "x509.subject:"
)

// statement names the one statement of the library's policy.
const statement = "portieris"

// NewTrust trusts signers whom the authorities vouch for and whose own subject
// is one of the identities; without identities, any.
func NewTrust(authorities Authorities, identities []string) (*Trust, error) {
	if len(identities) == 0 {
		identities = []string{anyone}
	}
	for _, identity := range identities {
		if identity != anyone && !strings.HasPrefix(identity, subjectIs) {
			return nil, fmt.Errorf("the trusted identity %q does not begin with %q", identity, subjectIs)
		}
	}
	stores := []string{"ca:" + statement}
	if len(authorities.Timestampers) > 0 {
		stores = append(stores, "tsa:"+statement)
	}
	judge, err := verifier.NewWithOptions(&trustpolicy.Document{
		Version: "1.0",
		TrustPolicies: []trustpolicy.TrustPolicy{{
			Name:           statement,
			RegistryScopes: []string{"*"},
			SignatureVerification: trustpolicy.SignatureVerification{
				VerificationLevel: trustpolicy.LevelStrict.Name,
				Override: map[trustpolicy.ValidationType]trustpolicy.ValidationAction{
					trustpolicy.TypeRevocation: trustpolicy.ActionSkip,
				},
				VerifyTimestamp: trustpolicy.OptionAfterCertExpiry,
			},
			TrustStores:       stores,
			TrustedIdentities: identities,
		}},
	}, authorities, nil, verifier.VerifierOptions{
		RevocationCodeSigningValidator:  offline{},
		RevocationTimestampingValidator: offline{},
	})
	if err != nil {
		prefix := fmt.Sprintf("trust policy: trust policy statement %q ", statement)
		return nil, errors.New("the requirement " + strings.TrimPrefix(err.Error(), prefix))
	}
	return &Trust{authorities.identify(identities), judge}, nil
}

// identify is a hash of lists of hashes, so that no two lists are the same.
func (a Authorities) identify(identities []string) string {
	var lists [3][]byte
	for i, certificates := range [][]*x509.Certificate{a.Signers, a.Timestampers} {
		for _, certificate := range certificates {
			one := sha256.Sum256(certificate.Raw)
			lists[i] = append(lists[i], one[:]...)
		}
	}
	for _, identity := range identities {
		one := sha256.Sum256([]byte(identity))
		lists[2] = append(lists[2], one[:]...)
	}
	var all []byte
	for _, list := range lists {
		one := sha256.Sum256(list)
		all = append(all, one[:]...)
	}
	sum := sha256.Sum256(all)
	return hex.EncodeToString(sum[:])
}

// GetCertificates returns them as the library asks for them.
func (a Authorities) GetCertificates(_ context.Context, kind truststore.Type, _ string) (
	[]*x509.Certificate, error) {
	if kind == truststore.TypeTSA {
		return a.Timestampers, nil
	}
	return a.Signers, nil
}

// offline takes the place of who would ask on the internet whether a
// certificate was revoked. The policy lets nobody ask about signers; about
// timestampers the library asks always.
type offline struct{}

// ValidateContext answers that no certificate can be revoked.
func (offline) ValidateContext(_ context.Context, options revocation.ValidateContextOptions) (
	[]*result.CertRevocationResult, error) {
	return slices.Repeat([]*result.CertRevocationResult{{Result: result.ResultNonRevokable}},
		len(options.CertChain)), nil
}
