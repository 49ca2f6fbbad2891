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
	"strings"
	"time"

	"github.com/notaryproject/notation-core-go/revocation"
	"github.com/notaryproject/notation-core-go/revocation/result"
	library "github.com/notaryproject/notation-go"
	"github.com/notaryproject/notation-go/verifier"
	"github.com/notaryproject/notation-go/verifier/trustpolicy"
	"github.com/notaryproject/notation-go/verifier/truststore"
)

// Trust is whose signatures count.
type Trust struct {
	// ID is the same for the same certificates and identities.
	ID       string
	verifier library.Verifier
}

// ParseCertificates reads all the "CERTIFICATE" blocks of a PEM text: those
// of authorities, or of a signer who is his own. One block of another kind
// spoils them all, as does a time at which none of them is valid.
func ParseCertificates(text []byte, now time.Time) ([]*x509.Certificate, error) {
	var all []*x509.Certificate
	var current bool
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
		current = current || !now.Before(certificate.NotBefore) && !now.After(certificate.NotAfter)
		all = append(all, certificate)
	}
	if len(all) == 0 {
		return nil, errors.New("no PEM block \"CERTIFICATE\" found")
	}
	if !current {
		return nil, fmt.Errorf("the certificate %q is valid from %s to %s only", all[0].Subject,
			all[0].NotBefore.Format(time.RFC3339), all[0].NotAfter.Format(time.RFC3339))
	}
	return all, truststore.ValidateCertificates(all)
}

// What an identity may be, as a trust policy of notation writes it.
const (
	anyone    = "*"
	subjectIs = "x509.subject:"
)

// statement names the one statement of the library's policy.
const statement = "portieris"

// NewTrust trusts signers whom the certificates vouch for and whose own
// subject is one of the identities; without identities, any.
func NewTrust(certificates []*x509.Certificate, identities []string) (*Trust, error) {
	if len(identities) == 0 {
		identities = []string{anyone}
	}
	for _, identity := range identities {
		if identity != anyone && !strings.HasPrefix(identity, subjectIs) {
			return nil, fmt.Errorf("the trusted identity %q does not begin with %q", identity, subjectIs)
		}
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
			},
			TrustStores:       []string{"ca:" + statement},
			TrustedIdentities: identities,
		}},
	}, store(certificates), nil, verifier.VerifierOptions{
		RevocationCodeSigningValidator:  offline{},
		RevocationTimestampingValidator: offline{},
	})
	if err != nil {
		prefix := fmt.Sprintf("trust policy: trust policy statement %q ", statement)
		return nil, errors.New("the requirement " + strings.TrimPrefix(err.Error(), prefix))
	}
	return &Trust{identify(certificates, identities), judge}, nil
}

func identify(certificates []*x509.Certificate, identities []string) string {
	all := sha256.New()
	for _, certificate := range certificates {
		one := sha256.Sum256(certificate.Raw)
		all.Write(one[:])
	}
	for _, identity := range identities {
		one := sha256.Sum256([]byte(identity))
		all.Write(one[:])
	}
	return hex.EncodeToString(all.Sum(nil))
}

// store is the certificates as the library asks for them.
type store []*x509.Certificate

// GetCertificates returns them all.
func (s store) GetCertificates(context.Context, truststore.Type, string) (
	[]*x509.Certificate, error) {
	return s, nil
}

// offline takes the place of who would ask on the internet whether a
// certificate was revoked. The policy lets nobody ask.
type offline struct{}

// ValidateContext says that nothing is known.
func (offline) ValidateContext(context.Context, revocation.ValidateContextOptions) (
	[]*result.CertRevocationResult, error) {
	return nil, errors.New("nobody is asked whether certificates were revoked")
}
