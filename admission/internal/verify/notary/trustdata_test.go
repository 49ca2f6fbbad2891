// SPDX-License-Identifier: Apache-2.0

package notary_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/notarytest"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/reason"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/notary"
)

func (b *bed) eventuallyDenies(t *testing.T, r notary.Request, code reason.Code, words ...string) {
	t.Helper()
	notarytest.Eventually(t, fmt.Sprint("denied for ", code), func() bool {
		_, err := b.Digest(t.Context(), r)
		return err != nil
	})
	b.denies(t, r, code, words...)
}

func TestEachRoleThatExpiredIsDenied(t *testing.T) {
	b := newBed(t, 0)
	requests := map[string]notary.Request{}
	for _, role := range []string{"root", "targets", "snapshot"} {
		requests[role] = b.expiring(t, role)
	}
	for role, r := range requests {
		b.eventuallyDenies(t, r, reason.TrustDataExpired, "the role "+role+" of the trust data expired on")
	}
	b.restart(t, 0)
	for role, r := range requests {
		b.denies(t, r, reason.TrustDataExpired, "the role "+role+" of the trust data expired on")
	}
}

// expiring is a repository that was admitted and of which a role expires soon;
// not before it was admitted, however slow the machine is.
func (b *bed) expiring(t *testing.T, role string) notary.Request {
	t.Helper()
	for life := 4; life < 100; life *= 2 {
		gun := fmt.Sprintf("registry.local:9001/%s%d", role, life)
		b.Signer(t, gun).Expiring(fmt.Sprintf("%s=%ds", role, life)).Init().Sign("v1", one)
		// A trust server does not answer any more once a snapshot expired; one
		// that is held up before it does.
		held := &frozen{keep: true}
		r := notary.Request{TrustServer: b.Front(t, held.serve).URL, GUN: gun, Tag: "v1", Credentials: known1}
		if _, err := b.Digest(t.Context(), r); err == nil {
			return r
		}
	}
	t.Fatalf("%s expires before anybody can look", role)
	return notary.Request{}
}

func TestTrustDataThatExpiresInMemoryIsDenied(t *testing.T) {
	b := newBed(t, time.Minute)
	_, r := b.repository(t)
	b.admits(t, r, one)
	b.now.Store(15 * 24 * 3600)
	b.denies(t, r, reason.TrustDataExpired, "the role timestamp")
}

func TestAnExpiredDelegationSpoilsItsOwnSignaturesOnly(t *testing.T) {
	b := newBed(t, 0)
	s, r := b.repository(t)
	alice := notary.Signer{Name: "alice", PublicKey: s.Delegate("targets/alice")}
	s.Expiring("targets=3s").Sign("v1", one, "targets/alice")
	b.eventuallyDenies(t, signers(r, alice), reason.TrustDataExpired, "the role targets/alice")
	b.admits(t, r, one)

	s.Delegate("targets/releases")
	s.Expiring("targets=3s").Sign("v2", two, "targets/releases")
	r.Tag = "v2"
	b.eventuallyDenies(t, r, reason.TrustDataExpired, "the role targets/releases")
	r.Tag = "v1"
	b.admits(t, r, one)
}

func TestADelegationLimitedToSomeTagsReleasesThose(t *testing.T) {
	b := newBed(t, 0)
	s, r := b.repository(t)
	s.Limited("prod-").Delegate("targets/releases")
	s.Sign("prod-1", two, "targets/releases")
	r.Tag = "prod-1"
	b.admits(t, r, two)
}

// frozen answers the timestamp it has kept, when it has kept one.
type frozen struct {
	mu        sync.Mutex
	keep      bool
	timestamp []byte
}

func (f *frozen) serve(w http.ResponseWriter, r *http.Request, behind http.Handler) {
	if !strings.HasSuffix(r.URL.Path, "/timestamp.json") {
		behind.ServeHTTP(w, r)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.keep && f.timestamp != nil {
		_, _ = w.Write(f.timestamp)
		return
	}
	answer := httptest.NewRecorder()
	behind.ServeHTTP(answer, r)
	if answer.Code == http.StatusOK && f.timestamp == nil {
		f.timestamp = answer.Body.Bytes()
	}
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}

func (f *frozen) freeze(keep bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.keep = keep
}

func TestAnOldTimestampServedAgainIsDenied(t *testing.T) {
	b := newBed(t, 0)
	var f frozen
	signer, r := b.repository(t)
	r.TrustServer = b.Front(t, f.serve).URL
	b.admits(t, r, one)
	signer.Sign("v1", two)
	b.admits(t, r, two)
	f.freeze(true)
	b.denies(t, r, reason.TrustDataRolledBack, "version", "was seen before")
	f.freeze(false)
	b.admits(t, r, two)
}

func TestATimestampHeldBackIsDeniedWhenItExpires(t *testing.T) {
	b := newBed(t, 0, "--timestamp-expiry", "3s")
	var f frozen
	_, r := b.repository(t)
	r.TrustServer = b.Front(t, f.serve).URL
	admitted := func() bool {
		_, err := b.Digest(t.Context(), r)
		return err == nil
	}
	// The server signs a new one whenever the last has expired.
	notarytest.Eventually(t, "admitted in time", admitted)
	f.freeze(true)
	b.eventuallyDenies(t, r, reason.TrustDataExpired, "the role timestamp")
	f.freeze(false)
	notarytest.Eventually(t, "admitted in time", admitted)
}

func TestARotatedRootIsFollowed(t *testing.T) {
	b := newBed(t, 0)
	signer, r := b.repository(t)
	b.admits(t, r, one)
	first, _ := b.pins.Get(t.Context(), b.URL, r.GUN)

	signer.Rotate("root")
	signer.Sign("v1", two)
	b.admits(t, r, two)
	second, _ := b.pins.Get(t.Context(), b.URL, r.GUN)
	if len(second) == 0 || slices.Equal(first, second) {
		t.Errorf("the pin went from %v to %v", first, second)
	}

	b.restart(t, 0)
	signer.Rotate("root")
	signer.Rotate("root")
	signer.Rotate("targets")
	signer.Rotate("snapshot")
	b.admits(t, r, two) // from the pin, over a root in between
	third, _ := b.pins.Get(t.Context(), b.URL, r.GUN)
	if slices.Equal(second, third) {
		t.Error("the pin did not follow two rotations")
	}
	b.admits(t, r, two)
}

// resettable are pins that an operator can clear.
type resettable struct{ notary.Pins }

func (resettable) ResetCommand(server, gun string) string { return "unpin " + gun }

func TestAChangedRootIsDeniedUntilItIsAccepted(t *testing.T) {
	b := newBed(t, 0)
	b.pins = &resettable{notary.NewMemoryPins()}
	b.restart(t, 0)
	signer, r := b.repository(t)
	b.admits(t, r, one)
	signer.Delete()
	b.Signer(t, r.GUN).Init().Sign("v1", two)

	warm := b.denies(t, r, reason.RootChanged, "could not rotate trust to a new trusted root", "accept it with: unpin "+r.GUN)
	b.restart(t, 0)
	cold := b.denies(t, r, reason.RootChanged)
	if warm.Sentence != cold.Sentence {
		t.Errorf("warm and cold say different things:\n%s\n%s", warm, cold)
	}

	b.pins.(*resettable).Pins = notary.NewMemoryPins()
	b.admits(t, r, two)
}

func TestAChangedRootAcceptedByTheOperatorIsFollowedWithoutARestart(t *testing.T) {
	b := newBed(t, 0)
	pins := &resettable{notary.NewMemoryPins()}
	b.pins = pins
	b.restart(t, 0)
	signer, r := b.repository(t)
	b.admits(t, r, one)
	signer.Delete()
	b.Signer(t, r.GUN).Init().Sign("v1", two)
	b.denies(t, r, reason.RootChanged)
	pins.Pins = notary.NewMemoryPins()
	b.admits(t, r, two)
}

// racing lets two callers see that nothing is pinned before either pins.
type racing struct {
	notary.Pins
	both sync.WaitGroup
}

func (p *racing) Get(ctx context.Context, server, gun string) ([]string, error) {
	ids, err := p.Pins.Get(ctx, server, gun)
	p.both.Done()
	p.both.Wait()
	return ids, err
}

func TestTwoReplicasThatMeetARootAtOnceEndWithOnePin(t *testing.T) {
	b := newBed(t, 0)
	_, r := b.repository(t)
	pins := &racing{Pins: b.pins}
	pins.both.Add(2)
	b.pins = pins
	b.restart(t, 0)
	other := b.Verifier
	b.restart(t, 0)
	got := make(chan error)
	for _, v := range []*notary.Verifier{other, b.Verifier} {
		go func() { _, err := v.Digest(t.Context(), r); got <- err }()
	}
	for range 2 {
		if err := <-got; err != nil {
			t.Error(err)
		}
	}
}

// pinned returns what it is told.
type pinned struct {
	notary.Pins
	put            []string
	getErr, putErr error
}

func (p *pinned) Get(ctx context.Context, server, gun string) ([]string, error) {
	if p.getErr != nil {
		return nil, p.getErr
	}
	return p.Pins.Get(ctx, server, gun)
}

func (p *pinned) Put(ctx context.Context, server, gun string, ids []string) ([]string, error) {
	if p.putErr != nil || p.put != nil {
		return p.put, p.putErr
	}
	return p.Pins.Put(ctx, server, gun, ids)
}

func TestAReplicaThatSeesAnotherRootThanTheFirstDenies(t *testing.T) {
	b := newBed(t, 0)
	_, r := b.repository(t)
	b.pins = &pinned{Pins: notary.NewMemoryPins(), put: []string{strings.Repeat("ab", 32)}}
	b.restart(t, 0)
	b.denies(t, r, reason.RootChanged, "abababababab")
}

func TestPinsThatCannotBeKeptDeny(t *testing.T) {
	b := newBed(t, 0)
	_, r := b.repository(t)
	own := reason.New(reason.PinsUnavailable, "own words")
	for name, pins := range map[string]*pinned{
		"get":    {getErr: errors.New("no API server")},
		"put":    {putErr: errors.New("no API server")},
		"denial": {putErr: fmt.Errorf("wrapped: %w", own)},
	} {
		pins.Pins = notary.NewMemoryPins()
		b.pins = pins
		b.restart(t, 0)
		denial := b.denies(t, r, reason.PinsUnavailable)
		if name == "denial" && denial != own {
			t.Errorf("the denial of the pins became %v", denial)
		}
		pins.getErr, pins.putErr = nil, nil
		b.admits(t, r, one)
	}
}

func TestADryRunPinsNothing(t *testing.T) {
	b := newBed(t, time.Minute)
	_, r := b.repository(t)
	r.DryRun = true
	b.admits(t, r, one)
	if ids, _ := b.pins.Get(t.Context(), b.URL, r.GUN); ids != nil {
		t.Errorf("a dry run pinned %v", ids)
	}
	r.DryRun = false
	b.admits(t, r, one)
	if ids, _ := b.pins.Get(t.Context(), b.URL, r.GUN); ids == nil {
		t.Error("a review after a dry run pinned nothing")
	}
}

func TestATrustServerThatMisbehavesIsDeniedInASentence(t *testing.T) {
	b := newBed(t, 0)
	_, r := b.repository(t)
	other := "registry.local:9001/other/app"
	b.Signer(t, other).Init().Sign("v1", two)
	status := func(code int) func(http.ResponseWriter) { return func(w http.ResponseWriter) { w.WriteHeader(code) } }
	text := func(s string) func(http.ResponseWriter) { return func(w http.ResponseWriter) { fmt.Fprint(w, s) } }
	for name, test := range map[string]struct {
		file   string // whose answer is changed; all if empty
		answer func(http.ResponseWriter)
		code   reason.Code
		words  string
	}{
		"down for maintenance":  {"", status(503), reason.TrustServerError, "unable to reach trust server at this time: 503"},
		"failing halfway":       {"targets", status(500), reason.TrustServerError, "500"},
		"a bad request":         {"timestamp", status(400), reason.TrustServerError, "400"},
		"forbidden":             {"", status(403), reason.TrustServerError, "403"},
		"401 without challenge": {"", status(401), reason.TrustServerError, "no supported auth-endpoint found"},
		"redirected elsewhere":  {"", func(w http.ResponseWriter) { w.Header().Set("Location", "http://x/"); w.WriteHeader(302) }, reason.TrustServerError, "not https"},
		"a snapshot missing":    {"snapshot", status(404), reason.TrustDataInvalid, "snapshot"},
		"a root missing":        {"root", status(404), reason.NoTrustData, ""},
		"HTML for a timestamp":  {"timestamp", text("<html>"), reason.TrustDataInvalid, "no JSON"},
		"an empty answer":       {"root", text(""), reason.TrustDataInvalid, "no JSON"},
		"null":                  {"root", text("null"), reason.TrustDataInvalid, ""},
		"an empty object":       {"timestamp", text("{}"), reason.TrustDataInvalid, "does not verify"},
		"null in every place":   {"root", text(`{"signed":{"_type":"Root","keys":{"a":null},"roles":{"root":null}},"signatures":[null]}`), reason.TrustDataInvalid, ""},
		"deeply nested":         {"targets", text(strings.Repeat("[", 1<<20)), reason.TrustDataInvalid, ""},
		"a huge root":           {"root", func(w http.ResponseWriter) { _, _ = w.Write(bytes.Repeat([]byte(" "), 8<<20)) }, reason.TrustDataInvalid, "too large"},
		"a long snapshot":       {"snapshot", text(strings.Repeat(" ", 1<<20)), reason.TrustDataInvalid, "too large"},
	} {
		t.Run(name, func(t *testing.T) {
			r := r
			r.TrustServer = b.Front(t, func(w http.ResponseWriter, r *http.Request, behind http.Handler) {
				_, file, _ := strings.Cut(r.URL.Path, "/_trust/tuf/")
				if r.Header.Get("Authorization") != "" && strings.HasPrefix(file, test.file) || test.file == "" {
					test.answer(w)
					return
				}
				behind.ServeHTTP(w, r)
			}).URL
			b.denies(t, r, test.code, test.words)
		})
	}

	t.Run("the data of another repository", func(t *testing.T) {
		r := r
		r.TrustServer = b.Front(t, func(w http.ResponseWriter, r *http.Request, behind http.Handler) {
			r.URL.Path = strings.Replace(r.URL.Path, strings.TrimPrefix(r.URL.Path, "/v2/")[:strings.Index(strings.TrimPrefix(r.URL.Path, "/v2/"), "/_trust")], other, 1)
			behind.ServeHTTP(w, r)
		}).URL
		_, err := b.Digest(t.Context(), r)
		if code := reason.From(err).Code; code != reason.TrustDataInvalid && code != reason.CredentialsRefused {
			t.Errorf("denied for %s: %v", code, err)
		}
	})

	t.Run("changed on the way", func(t *testing.T) {
		for _, file := range []string{"root", "timestamp", "snapshot", "targets"} {
			r := r
			r.TrustServer = b.Front(t, func(w http.ResponseWriter, r *http.Request, behind http.Handler) {
				answer := httptest.NewRecorder()
				behind.ServeHTTP(answer, r)
				body := answer.Body.Bytes()
				if strings.Contains(r.URL.Path, "/_trust/tuf/"+file) {
					body = bytes.Replace(body, []byte(`"version":`), []byte(`"version":1`), 1)
				}
				for name, values := range answer.Header() {
					if name != "Content-Length" {
						w.Header()[name] = values
					}
				}
				w.WriteHeader(answer.Code)
				_, _ = w.Write(body)
			}).URL
			if _, err := b.Digest(t.Context(), r); reason.From(err).Code != reason.TrustDataInvalid {
				t.Errorf("a changed %s: %v", file, err)
			}
		}
	})
}
