// SPDX-License-Identifier: Apache-2.0

package notary_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/notarytest"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/reason"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/registry"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/notary"
)

// tolerant makes the bed's verifier tolerate the server's silence for an hour,
// puts a front before the server that answers with a status once it is set,
// and counts the notices.
func tolerant(t *testing.T, b *bed, r *notary.Request) (status *atomic.Int64, notices *[]string) {
	t.Helper()
	b.Verifier = notary.New(notary.Options{Transport: b.transport, Pins: b.pins, Staleness: time.Hour,
		Now: func() time.Time { return time.Now().Add(time.Duration(b.now.Load()) * time.Second) }})
	status, notices = &atomic.Int64{}, &[]string{}
	r.TrustServer = b.Front(t, func(w http.ResponseWriter, r *http.Request, behind http.Handler) {
		if s := status.Load(); s != 0 {
			w.WriteHeader(int(s))
			return
		}
		behind.ServeHTTP(w, r)
	}).URL
	r.Notice = func(sentence string) { *notices = append(*notices, sentence) }
	return status, notices
}

func TestAnEarlierAnswerStandsInForALostServerUpToTheStatedLimit(t *testing.T) {
	b := newBed(t, 0)
	_, r := b.repository(t)
	status, notices := tolerant(t, b, &r)
	b.admits(t, r, one)
	if len(*notices) != 0 {
		t.Errorf("an answer of the server gave the notices %q", *notices)
	}
	status.Store(http.StatusServiceUnavailable)
	b.now.Store(3500)
	b.admits(t, r, one)
	if len(*notices) != 1 || !strings.Contains((*notices)[0], r.TrustServer+" gave no answer for "+r.GUN+":v1") {
		t.Errorf("notices %q", *notices)
	}
	status.Store(http.StatusTooManyRequests)
	b.admits(t, r, one)
	status.Store(http.StatusServiceUnavailable)
	other := r
	other.Tag = "v2" // never seen to be signed
	b.denies(t, other, reason.TrustServerError)
	other = r
	other.Credentials = []registry.Credential{wrong} // never seen to be let in
	b.denies(t, other, reason.TrustServerError)
	b.now.Store(3700)
	b.denies(t, r, reason.TrustServerError)
}

func TestAStoppedServerIsDoneWithoutIfThatIsTolerated(t *testing.T) {
	b := newBed(t, 0)
	_, r := b.repository(t)
	server := r.TrustServer
	_, notices := tolerant(t, b, &r)
	r.TrustServer = server
	b.admits(t, r, one)
	b.Stop()
	b.admits(t, r, one)
	if len(*notices) != 1 {
		t.Errorf("notices %q", *notices)
	}
}

func TestASilentServerIsSoonDoneWithoutIfThatIsTolerated(t *testing.T) {
	b := newBed(t, 0)
	_, r := b.repository(t)
	server := r.TrustServer
	tolerant(t, b, &r)
	r.TrustServer = server
	b.admits(t, r, one)
	b.Pause()
	defer b.Resume()
	// Less than an update may take if nobody waits for it.
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if got, err := b.Digest(ctx, r); got != one || ctx.Err() != nil {
		t.Errorf("got %q, %v; the caller's time: %v", got, err, ctx.Err())
	}
}

func TestAnAnswerOfTheServerIsNeverReplacedByAnEarlierOne(t *testing.T) {
	for answer, want := range map[int64]reason.Code{
		http.StatusNotFound:   reason.NoTrustData,
		http.StatusForbidden:  reason.CredentialsRefused,
		http.StatusBadRequest: reason.TrustServerError,
	} {
		t.Run(http.StatusText(int(answer)), func(t *testing.T) {
			b := newBed(t, 0)
			_, r := b.repository(t)
			status, notices := tolerant(t, b, &r)
			b.admits(t, r, one)
			status.Store(answer)
			b.denies(t, r, want)
			status.Store(http.StatusServiceUnavailable)
			b.denies(t, r, reason.TrustServerError) // what it said last counts
			if len(*notices) != 0 {
				t.Errorf("notices %q", *notices)
			}
			status.Store(0)
			b.admits(t, r, one)
		})
	}
}

func TestTrustDataThatExpiredOrWasReplacedDoesNotStandIn(t *testing.T) {
	b := newBed(t, 0)
	signer, r := b.repository(t)
	status, _ := tolerant(t, b, &r)
	b.admits(t, r, one)
	signer.Remove("v1")
	b.denies(t, r, reason.NotSigned)
	status.Store(http.StatusServiceUnavailable)
	b.denies(t, r, reason.TrustServerError)
}

func TestAnUntrustedCertificateIsNoSilence(t *testing.T) {
	b := newBed(t, 0)
	_, r := b.repository(t)
	tolerant(t, b, &r)
	b.admits(t, r, one)
	if err := b.transport.SetCA(notarytest.NewAuthority(t).PEM); err != nil {
		t.Fatal(err)
	}
	b.denies(t, r, reason.TrustServerCertificate)
}
