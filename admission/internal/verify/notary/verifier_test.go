// SPDX-License-Identifier: Apache-2.0

package notary_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/notarytest"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/reason"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/registry"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/notary"
)

func TestMain(m *testing.M) { notarytest.Main(m) }

var (
	one   = digest("one")
	two   = digest("two")
	three = digest("three")
	known = registry.Credential{Username: notarytest.User, Password: notarytest.Password, Source: "secret team/known"}
	wrong = registry.Credential{Username: notarytest.User, Password: "no", Source: "secret team/wrong"}
)

func digest(text string) string { return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(text))) }

// bed is a verifier with a real trust server behind it.
type bed struct {
	*notarytest.Server
	*notary.Verifier
	transport *registry.Transport
	requests  atomic.Int64 // made by the verifier, tokens included
	pins      notary.Pins
	now       atomic.Int64 // seconds the verifier's clock is ahead
}

func newBed(t *testing.T, freshness time.Duration, flags ...string) *bed {
	t.Helper()
	notarytest.NoGoroutineLeft(t)
	a := notarytest.NewAuthority(t)
	b := &bed{Server: notarytest.Start(t, a, flags...), pins: notary.NewMemoryPins()}
	b.restart(t, freshness)
	return b
}

// restart gives the bed a verifier that has seen nothing; the pins stay.
func (b *bed) restart(t *testing.T, freshness time.Duration) {
	t.Helper()
	transport := registry.New(registry.Options{Observe: func(registry.Exchange) { b.requests.Add(1) }})
	if err := transport.SetCA(b.PEM); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(transport.CloseIdle)
	b.transport = transport
	b.Verifier = notary.New(notary.Options{Transport: transport, Pins: b.pins, Freshness: freshness,
		Now: func() time.Time { return time.Now().Add(time.Duration(b.now.Load()) * time.Second) }})
}

// repository creates a repository with v1 signed as one in targets.
func (b *bed) repository(t *testing.T) (*notarytest.Signer, notary.Request) {
	t.Helper()
	gun := "registry.local:9001/" + strings.ToLower(t.Name()) + "/app"
	signer := b.Signer(t, gun).Init().Sign("v1", one)
	return signer, notary.Request{TrustServer: b.URL, GUN: gun, Tag: "v1",
		Credentials: []registry.Credential{known}}
}

func (b *bed) admits(t *testing.T, r notary.Request, want string) {
	t.Helper()
	if got, err := b.Digest(t.Context(), r); got != want {
		t.Fatalf("got %q, %v; want %s", got, err, want)
	}
}

func (b *bed) denies(t *testing.T, r notary.Request, code reason.Code, words ...string) *reason.Denial {
	t.Helper()
	got, err := b.Digest(t.Context(), r)
	var denial *reason.Denial
	if got != "" || !errors.As(err, &denial) {
		t.Fatalf("got %q, %v; want a denial %s", got, err, code)
	}
	if denial.Code != code {
		t.Fatalf("denied for %s (%s), want %s", denial.Code, denial, code)
	}
	for _, word := range words {
		if !strings.Contains(denial.Sentence, word) {
			t.Errorf("the sentence %q does not hold %q", denial.Sentence, word)
		}
	}
	return denial
}

func signers(r notary.Request, list ...notary.Signer) notary.Request {
	r.Signers = list
	return r
}

func TestASignedTagIsAdmittedWithItsDigest(t *testing.T) {
	b := newBed(t, 0)
	signer, r := b.repository(t)
	b.admits(t, r, one)

	signer.Sign("v1", two)
	b.admits(t, r, two)

	r.Tag = "unsigned"
	b.denies(t, r, reason.NotSigned, "failed to get content trust information: No valid trust data for unsigned")
	r.GUN += "/unknown"
	b.denies(t, r, reason.NoTrustData, "does not have trust data for "+r.GUN)
}

func TestATrailingSlashOfTheTrustServerIsAccepted(t *testing.T) {
	b := newBed(t, 0)
	_, r := b.repository(t)
	r.TrustServer += "/"
	b.admits(t, r, one)
}

func TestATagOfTargetsReleasesIsReleased(t *testing.T) {
	b := newBed(t, 0)
	signer, r := b.repository(t)
	signer.Delegate("targets/releases")
	signer.Sign("v1", two, "targets/releases").Sign("v2", three, "targets/releases")
	b.admits(t, r, two)
	r.Tag = "v2"
	b.admits(t, r, three)
}

func TestATagOfAnotherDelegationIsNotReleased(t *testing.T) {
	b := newBed(t, 0)
	signer, r := b.repository(t)
	signer.Delegate("targets/alice")
	signer.Sign("v2", two, "targets/alice")
	r.Tag = "v2"
	b.denies(t, r, reason.NotSigned, "targets/alice only")
	r.Tag, r.Digest = "", two
	b.denies(t, r, reason.DigestNotSigned)
}

func TestEverySignerMustHaveSignedTheReleasedDigest(t *testing.T) {
	b := newBed(t, 0)
	s, r := b.repository(t)
	alice := notary.Signer{Name: "alice", PublicKey: s.Delegate("targets/alice")}
	bob := notary.Signer{Name: "bob", PublicKey: s.DelegateCertificate("targets/bob")}
	s.Sign("v1", one, "targets/alice")
	b.admits(t, signers(r, alice), one)
	b.denies(t, signers(r, alice, bob), reason.NotSignedBySigner, "no signature found for role bob")
	s.Sign("v1", one, "targets/bob")
	b.admits(t, signers(r, alice, bob), one)

	for name, test := range map[string]struct {
		signer notary.Signer
		code   reason.Code
		words  string
	}{
		"the key of another":    {notary.Signer{Name: "alice", PublicKey: bob.PublicKey}, reason.SignerKeyMismatch, "Public keys are different"},
		"nobody of the name":    {notary.Signer{Name: "carol", PublicKey: alice.PublicKey}, reason.NotSignedBySigner, "no signature found for role carol"},
		"a key that is no PEM":  {notary.Signer{Name: "alice", PublicKey: []byte("x")}, reason.SignerInvalid, "could not get signerSecret"},
		"a PEM block of no key": {notary.Signer{Name: "alice", PublicKey: []byte("-----BEGIN X-----\nAAAA\n-----END X-----\n")}, reason.SignerInvalid, "PUBLIC KEY"},
		"a key that is broken":  {notary.Signer{Name: "alice", PublicKey: []byte("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")}, reason.SignerInvalid, "parse"},
		"a broken certificate":  {notary.Signer{Name: "alice", PublicKey: []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")}, reason.SignerInvalid, "parse"},
		"no name":               {notary.Signer{PublicKey: alice.PublicKey}, reason.SignerInvalid, "no name"},
	} {
		t.Run(name, func(t *testing.T) { b.denies(t, signers(r, test.signer), test.code, test.words) })
	}

	s.Sign("v1", two, "targets/bob")
	b.denies(t, signers(r, alice, bob), reason.SignerDigestConflict, "Incompatible digest", one, two)
	b.admits(t, signers(r, alice), one)
	b.admits(t, r, one)
	s.Sign("v1", two)
	b.denies(t, signers(r, alice), reason.SignerDigestConflict)
	b.admits(t, signers(r, bob), two)
}

func TestAKeyIsTheSameAsABareKeyAndAsACertificate(t *testing.T) {
	b := newBed(t, 0)
	s, r := b.repository(t)
	certificate := s.DelegateCertificate("targets/bob")
	s.Sign("v1", one, "targets/bob")
	b.admits(t, signers(r, notary.Signer{Name: "bob", PublicKey: certificate}), one)
	b.admits(t, signers(r, notary.Signer{Name: "bob", PublicKey: bareKey(t, certificate)}), one)
}

func TestADigestIsAdmittedOnlyIfItIsSigned(t *testing.T) {
	b := newBed(t, 0)
	s, r := b.repository(t)
	alice := notary.Signer{Name: "alice", PublicKey: s.Delegate("targets/alice")}
	s.Sign("v2", two).Sign("v2", two, "targets/alice").Sign("v3", one).Sign("v3", one, "targets/alice")

	r.Tag, r.Digest = "", one
	b.admits(t, r, one)
	b.admits(t, signers(r, alice), one) // by v3, not by v1
	r.Digest = three
	b.denies(t, r, reason.DigestNotSigned, three)
	r.Tag, r.Digest = "v1", one
	b.admits(t, r, one)
	b.denies(t, signers(r, alice), reason.NotSignedBySigner)
	r.Digest = two // signed, but as v2
	b.denies(t, r, reason.DigestNotSigned, "the signed digest of tag v1 is "+one)
	for _, bad := range []string{"sha256:12", "sha512:" + strings.Repeat("0", 128), strings.ToUpper(one)} {
		r.Tag, r.Digest = "", bad
		b.denies(t, r, reason.ImageInvalid)
	}
	r.Digest = ""
	b.denies(t, r, reason.ImageInvalid)
}

func TestCredentialsAreTriedInTurnAndNamedWhenRefused(t *testing.T) {
	b := newBed(t, 0, "--public", "registry.local:9001/open/")
	_, r := b.repository(t)
	r.Credentials = []registry.Credential{wrong, known}
	b.admits(t, r, one)
	r.Credentials = []registry.Credential{wrong}
	b.denies(t, r, reason.CredentialsRefused, "no valid ImagePullSecret defined for "+r.GUN+":v1", "secret team/wrong")
	r.Credentials = nil
	b.denies(t, r, reason.NoCredentials, "no valid ImagePullSecret defined for "+r.GUN+":v1")

	b.Signer(t, "registry.local:9001/open/app").Init().Sign("v1", two)
	r.GUN = "registry.local:9001/open/app"
	b.admits(t, r, two)
	r.Credentials = []registry.Credential{wrong}
	b.admits(t, r, two)
}

func TestATrustServerThatWantsNoCredentialsGetsNone(t *testing.T) {
	a := notarytest.NewAuthority(t)
	b := &bed{Server: notarytest.StartOpen(t, a), pins: notary.NewMemoryPins()}
	b.restart(t, 0)
	_, r := b.repository(t)
	b.admits(t, r, one)
	r.Credentials = nil
	before := b.requests.Load()
	b.admits(t, r, one)
	if made := b.requests.Load() - before; made != 1 {
		t.Errorf("a warm check made %d requests", made)
	}
}

func TestAWarmCheckIsOneRequestAndAFreshOneNone(t *testing.T) {
	b := newBed(t, time.Minute)
	signer, r := b.repository(t)
	b.admits(t, r, one)

	before := b.requests.Load()
	for range 10 {
		b.admits(t, r, one)
	}
	if made := b.requests.Load() - before; made != 0 {
		t.Errorf("within the window %d requests were made", made)
	}

	signer.Sign("v1", two)
	b.admits(t, r, one) // within the window the last answer stands
	b.now.Store(61)
	b.admits(t, r, two)

	before = b.requests.Load()
	b.now.Store(122)
	b.admits(t, r, two)
	if made := b.requests.Load() - before; made != 1 {
		t.Errorf("a warm check made %d requests", made)
	}
}

func TestTheFirstCheckAtAKnownServerTakesFewRoundTrips(t *testing.T) {
	b := newBed(t, 0)
	_, r := b.repository(t)
	b.admits(t, r, one)
	signer := b.Signer(t, "registry.local:9001/second").Init().Sign("v1", two)
	signer.Delegate("targets/alice")
	signer.Sign("v1", two, "targets/alice")
	r.GUN = "registry.local:9001/second"
	before := b.requests.Load()
	b.admits(t, r, two)
	// A token; root and timestamp together; snapshot; targets and delegation together.
	if made := b.requests.Load() - before; made != 6 {
		t.Errorf("%d requests were made, want 6", made)
	}
}

func TestATagSignedAMomentAgoIsNotDeniedForFreshness(t *testing.T) {
	b := newBed(t, time.Minute)
	signer, r := b.repository(t)
	b.admits(t, r, one)
	r.Tag = "v2"
	b.denies(t, r, reason.NotSigned)
	signer.Sign("v2", two)
	b.admits(t, r, two)
}

func TestFreshnessIsForTheSameCredentialsAndCAOnly(t *testing.T) {
	b := newBed(t, time.Minute)
	_, r := b.repository(t)
	b.admits(t, r, one)
	r.Credentials = []registry.Credential{wrong}
	b.denies(t, r, reason.CredentialsRefused)
	r.Credentials = nil
	b.denies(t, r, reason.NoCredentials)

	r.Credentials = known1
	b.admits(t, r, one)
	if err := b.transport.SetCA(nil); err != nil {
		t.Fatal(err)
	}
	b.denies(t, r, reason.TrustServerCertificate)
}

func TestARemovedTagIsDeniedAfterTheWindow(t *testing.T) {
	b := newBed(t, time.Minute)
	signer, r := b.repository(t)
	b.admits(t, r, one)
	signer.Remove("v1")
	b.now.Store(61)
	b.denies(t, r, reason.NotSigned)
}

func TestAResignedTagIsSeenAfterTheWindow(t *testing.T) {
	b := newBed(t, time.Minute)
	signer, r := b.repository(t)
	b.admits(t, r, one)
	signer.Sign("v1", two)
	b.admits(t, r, one) // within the window nobody asks again
	b.now.Store(61)
	b.admits(t, r, two)
}

func TestDeletedTrustDataIsDenied(t *testing.T) {
	b := newBed(t, 0)
	signer, r := b.repository(t)
	b.admits(t, r, one)
	signer.Delete()
	b.denies(t, r, reason.NoTrustData)
}

func TestTrustDataFoundDeletedIsNotFreshAnyMore(t *testing.T) {
	b := newBed(t, time.Minute)
	signer, r := b.repository(t)
	b.admits(t, r, one)
	signer.Delete()
	b.admits(t, r, one) // nobody has asked again
	other := r
	other.Tag = "v2"
	b.denies(t, other, reason.NoTrustData)
	b.denies(t, r, reason.NoTrustData)
}

func TestAStoppedTrustServerAdmitsNothing(t *testing.T) {
	b := newBed(t, 0)
	_, r := b.repository(t)
	b.admits(t, r, one)
	b.Stop()
	b.denies(t, r, reason.TrustServerUnreachable, "could not resolve the auth-endpoint", b.URL)
}

func TestASilentTrustServerIsDeniedInTime(t *testing.T) {
	b := newBed(t, 0)
	_, r := b.repository(t)
	b.admits(t, r, one)
	b.Pause()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := b.Digest(ctx, r)
	if d := reason.From(err); d.Code != reason.TrustServerTimeout || !strings.Contains(d.Sentence, "trust server "+b.URL+" did not answer within ") {
		t.Errorf("denied for %s: %s", d.Code, d)
	}
	b.Resume()
	b.admits(t, r, one)
}

func TestAnUntrustedCertificateIsNamed(t *testing.T) {
	b := newBed(t, 0)
	_, r := b.repository(t)
	b.Verifier = notary.New(notary.Options{})
	b.denies(t, r, reason.TrustServerCertificate, b.URL)
}

func TestATrustServerThatIsNoHTTPSURLIsDenied(t *testing.T) {
	b := &bed{Verifier: notary.New(notary.Options{})}
	for _, server := range []string{"", "notary.local:4443", "http://notary.local", "https://", "https://u:p@x", "https://x?y"} {
		b.denies(t, notary.Request{TrustServer: server, GUN: "r/a", Tag: "v1"}, reason.TrustServerUnknown, "https://HOST")
	}
}

func TestManyAtOnceShareOneAsking(t *testing.T) {
	b := newBed(t, time.Minute)
	_, r := b.repository(t)
	results := make(chan error, 50)
	for range cap(results) {
		go func() {
			got, err := b.Digest(t.Context(), r)
			if err == nil && got != one {
				err = fmt.Errorf("got %s", got)
			}
			results <- err
		}()
	}
	for range cap(results) {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	if made := b.requests.Load(); made > 9 {
		t.Errorf("50 checks at once made %d requests", made)
	}
}

func TestOneWhoGivesUpDoesNotSpoilItForOthers(t *testing.T) {
	b := newBed(t, 0)
	_, r := b.repository(t)
	b.Pause()
	first, giveUp := context.WithCancel(t.Context())
	gaveUp, got := make(chan error), make(chan error)
	go func() { _, err := b.Digest(first, r); gaveUp <- err }()
	go func() { _, err := b.Digest(t.Context(), r); got <- err }()
	giveUp()
	if err := <-gaveUp; err == nil {
		t.Error("the one who gave up got an answer from a silent server")
	}
	b.Resume()
	if err := <-got; err != nil {
		t.Error(err)
	}
}

func TestNothingIsLeftOfManyChecks(t *testing.T) {
	b := newBed(t, 0)
	_, r := b.repository(t)
	b.admits(t, r, one)
	before := notarytest.Descriptors(t)
	for range 300 {
		b.admits(t, r, one)
	}
	if left := notarytest.Descriptors(t) - before; left > 0 {
		t.Errorf("300 checks left %d descriptors", left)
	}
}
