// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"context"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/digitorus/timestamp"
	containers "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/notaryproject/notation-core-go/signature"
	"github.com/notaryproject/tspclient-go"

	v1 "opendev.org/starlingx/portieris-armada-app/admission/api/v1"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/notationtest"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/attached"
)

// timestamper confirms when something was signed.
type timestamper struct {
	root, own *notationtest.Identity
	now       time.Time // what it takes for the time
}

func newTimestamper(t testing.TB, now time.Time, edit ...func(*x509.Certificate)) *timestamper {
	t.Helper()
	purpose, err := asn1.Marshal([]asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 8}})
	check(t, err)
	root := notationtest.NewAuthority(t, edit...)
	return &timestamper{root, root.Signer(t, append(edit, func(c *x509.Certificate) {
		c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Critical: true, Value: purpose}}
	})...), now}
}

// answer is what it says to a question, both as RFC 3161 has them.
func (s *timestamper) answer(question []byte) ([]byte, error) {
	asked, err := timestamp.ParseRequest(question)
	if err != nil {
		return nil, err
	}
	stamp := timestamp.Timestamp{HashAlgorithm: asked.HashAlgorithm, HashedMessage: asked.HashedMessage,
		Nonce: asked.Nonce, Time: s.now, Accuracy: time.Second, Policy: asn1.ObjectIdentifier{1, 2, 3},
		AddTSACertificate: true}
	return stamp.CreateResponseWithOpts(s.own.Chain[0], s.own.Key, crypto.SHA256)
}

// Timestamp answers the library of notation.
func (s *timestamper) Timestamp(_ context.Context, request *tspclient.Request) (*tspclient.Response, error) {
	question, err := request.MarshalBinary()
	if err != nil {
		return nil, err
	}
	answer, err := s.answer(question)
	if err != nil {
		return nil, err
	}
	var response tspclient.Response
	return &response, response.UnmarshalBinary(answer)
}

// ServeHTTP answers the program.
func (s *timestamper) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	question, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answer, err := s.answer(question)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/timestamp-reply")
	_, _ = w.Write(answer)
}

// pushSigned stores a new image with a signature that may have a timestamp,
// as notation does.
func (s *site) pushSigned(signer *notationtest.Identity, mediaType string, by *timestamper) containers.Hash {
	s.t.Helper()
	digest := s.push("team/app:v1")
	found, err := remote.Head(s.reference("team/app:v1"), s.options()...)
	check(s.t, err)
	envelope := signer.Sign(s.t, mediaType, attached.Descriptor{
		MediaType: string(found.MediaType), Digest: digest.String(), Size: found.Size,
	}, func(r *signature.SignRequest) {
		if by != nil {
			r.Timestamper, r.TSARootCAs = by, x509.NewCertPool()
			r.TSARootCAs.AddCert(by.root.Chain[0])
		}
	})
	s.store("team/app", "", map[string]any{
		"config":  descriptor([]byte("{}"), notationtest.SignatureType),
		"subject": map[string]any{"mediaType": manifestType, "digest": digest.String(), "size": 2},
	}, stored{mediaType, envelope, nil})
	return digest
}

func ago(minutes time.Duration) time.Time { return time.Now().Add(-minutes * time.Minute) }

func hasEnded(c *x509.Certificate) { c.NotAfter = ago(60) }

func TestTimestampLetsASignatureOutliveItsCertificates(t *testing.T) {
	authority := notationtest.NewAuthority(t)
	signer := authority.Signer(t, hasEnded)
	inTime, late := newTimestamper(t, ago(90)), newTimestamper(t, ago(30))
	for name, row := range map[string]struct {
		by, trusted *timestamper
		sentence    string // of the denial
	}{
		"made in time":                       {inTime, inTime, ""},
		"made too late":                      {late, late, "expired"},
		"by another than the one trusted":    {inTime, late, "timestamp"},
		"when none is trusted":               {inTime, nil, "expired"},
		"there is none, and one is trusted":  {nil, inTime, "no timestamp"},
		"there is none, and none is trusted": {nil, nil, "expired"},
	} {
		for _, mediaType := range []string{notationtest.JWS, notationtest.COSE} {
			t.Run(name+", "+mediaType, func(t *testing.T) {
				s := withReferrers(t)
				digest := s.pushSigned(signer, mediaType, row.by)
				if row.trusted != nil {
					s.timestampers = row.trusted.root.PEM()
				}
				s.requires(v1.RequirementNotation, authority.PEM())
				if row.sentence != "" {
					s.denies("team/app:v1", "SIGNATURE-REFUSED", row.sentence)
					return
				}
				s.requests(func() { s.admits("team/app:v1", digest) })
				if asked := s.requests(func() { s.admits(at("team/app", digest), digest) }); asked != 0 {
					t.Errorf("%d requests for a known digest", asked)
				}
			})
		}
	}
}

func TestNobodyIsAskedWhetherATimestamperWasRevoked(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer server.Close()
	authority := notationtest.NewAuthority(t)
	clock := newTimestamper(t, ago(90), func(c *x509.Certificate) {
		c.OCSPServer, c.CRLDistributionPoints = []string{server.URL}, []string{server.URL}
	})
	s := withReferrers(t)
	digest := s.pushSigned(authority.Signer(t, hasEnded), notationtest.JWS, clock)
	s.requires(v1.RequirementNotation, authority.PEM())
	s.timestampers = clock.root.PEM()
	s.admits("team/app:v1", digest)
	if asked.Load() != 0 {
		t.Errorf("%d questions", asked.Load())
	}
}

func TestSignatureThatNotationLetTimestampIsAdmitted(t *testing.T) {
	clock := newTimestamper(t, time.Now())
	server := httptest.NewServer(clock)
	defer server.Close()
	s := withoutReferrers(t)
	n := newNotation(t, s)
	n.write("tsa.pem", clock.root.PEM())
	digest := s.push("team/app:v1")
	n.sign(at("team/app", digest), "--timestamp-url", server.URL, "--timestamp-root-cert", n.file("tsa.pem"))
	s.requires(v1.RequirementNotation, n.authority.PEM())
	s.admits("team/app:v1", digest)
	s.timestampers = clock.root.PEM()
	s.admits("team/app:v1", digest)
}
