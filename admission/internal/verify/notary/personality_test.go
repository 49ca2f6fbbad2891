// SPDX-License-Identifier: Apache-2.0

package notary_test

import (
	"net/http"
	"sync"
	"testing"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/notarytest"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/reason"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/registry"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/registry/registrytest"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/notary"
)

var known1 = []registry.Credential{known}

// newBedAt is a bed whose trust server sends its callers to a token service
// that behaves in its own way and hands out tokens the trust server accepts.
func newBedAt(t *testing.T, service string, tokens func(registrytest.Issuer) http.Handler, flags ...string) *bed {
	t.Helper()
	notarytest.NoGoroutineLeft(t)
	a := notarytest.NewAuthority(t)
	var handler http.Handler
	front := a.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	b := &bed{pins: notary.NewMemoryPins(), Server: notarytest.Start(t, a,
		append([]string{"--realm", front.URL + "/service/token", "--service", service}, flags...)...)}
	handler = tokens(b.Issue(t))
	b.restart(t, 0)
	return b
}

func TestHarborsPrivateProjectsAreAdmitted(t *testing.T) {
	var log registrytest.Log
	b := newBedAt(t, "harbor-notary", func(issue registrytest.Issuer) http.Handler {
		return registrytest.Harbor(&log, "registry.local:9001", "harbor-notary", issue)
	}, "--public", "registry.local:9001/open/")
	_, r := b.repository(t)
	b.admits(t, r, one)
	b.admits(t, r, one)
	if log.Count("GET") != 1 || log.Count("POST") != 0 {
		t.Errorf("two checks asked for %d tokens by GET and %d by POST", log.Count("GET"), log.Count("POST"))
	}
	r.Credentials = []registry.Credential{wrong}
	b.denies(t, r, reason.CredentialsRefused, "secret team/wrong")
	r.Credentials = nil
	b.denies(t, r, reason.NoCredentials)

	b.Signer(t, "registry.local:9001/open/app").Init().Sign("v1", two)
	r.GUN = "registry.local:9001/open/app" // a public project, no pull secret
	b.admits(t, r, two)
	r.GUN, r.Credentials = "harbor.internal/team/app", known1 // not the external host
	b.denies(t, r, reason.TrustServerError, "500")
}

func TestEveryPersonalityOfATokenServiceIsAdmitted(t *testing.T) {
	var log registrytest.Log
	for name, tokens := range map[string]func(registrytest.Issuer) http.Handler{
		"Artifactory": func(issue registrytest.Issuer) http.Handler { return registrytest.Artifactory(&log, issue) },
		"POST only":   func(issue registrytest.Issuer) http.Handler { return registrytest.PostOnly(&log, issue) },
		"access_token only": func(issue registrytest.Issuer) http.Handler {
			return registrytest.Plain(&log, issue, map[string]any{"access_token": "%T"})
		},
		"no expires_in": func(issue registrytest.Issuer) http.Handler {
			return registrytest.Plain(&log, issue, map[string]any{"token": "%T"})
		},
		"busy": func(issue registrytest.Issuer) http.Handler {
			return registrytest.Busy(0, registrytest.Artifactory(&log, issue))
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBedAt(t, "svc", tokens)
			_, r := b.repository(t)
			r.Credentials = []registry.Credential{wrong, known}
			b.admits(t, r, one)
			r.Credentials = []registry.Credential{wrong}
			b.denies(t, r, reason.CredentialsRefused)
		})
	}
}

func TestATrustServerBehindBasicAuthenticationIsAdmitted(t *testing.T) {
	notarytest.NoGoroutineLeft(t)
	a := notarytest.NewAuthority(t)
	b := &bed{Server: notarytest.StartOpen(t, a), pins: notary.NewMemoryPins()}
	b.restart(t, 0)
	_, r := b.repository(t)
	r.TrustServer = b.Front(t, func(w http.ResponseWriter, r *http.Request, behind http.Handler) {
		if user, password, _ := r.BasicAuth(); user != notarytest.User || password != notarytest.Password {
			w.Header().Set("WWW-Authenticate", `Basic realm="Trust"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		behind.ServeHTTP(w, r)
	}).URL
	r.Credentials = []registry.Credential{wrong, known}
	b.admits(t, r, one)
	r.Credentials = nil
	b.denies(t, r, reason.NoCredentials)
}

func TestABusyTrustServerIsAskedAgain(t *testing.T) {
	b := newBed(t, 0)
	_, r := b.repository(t)
	var behind http.Handler
	busy := registrytest.Busy(0, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { behind.ServeHTTP(w, r) }))
	var once sync.Once
	r.TrustServer = b.Front(t, func(w http.ResponseWriter, r *http.Request, server http.Handler) {
		once.Do(func() { behind = server })
		busy.ServeHTTP(w, r)
	}).URL
	b.admits(t, r, one)
}
