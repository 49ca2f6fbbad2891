// SPDX-License-Identifier: Apache-2.0

package notary_test

import (
	"encoding/json"
	"net/http"
	"strings"
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

// Artifactory names a repository by path, subdomain or port; each has its own
// token service, and its pull secret is keyed as docker login writes it.
func TestEveryWayArtifactoryNamesARepositoryIsAdmitted(t *testing.T) {
	for name, style := range map[string]struct{ gun, key string }{
		"by path":                  {"artifactory.local/docker-local/team/app", "artifactory.local"},
		"by path, keyed with path": {"artifactory.local/docker-local/team/app", "https://artifactory.local/docker-local"},
		"by subdomain":             {"docker-local.artifactory.local/team/app", "docker-local.artifactory.local"},
		"by port":                  {"artifactory.local:5001/team/app", "artifactory.local:5001"},
	} {
		t.Run(name, func(t *testing.T) {
			var log registrytest.Log
			var paths sync.Map
			b := newBedAt(t, "artifactory.local:443", func(issue registrytest.Issuer) http.Handler {
				service := registrytest.Artifactory(&log, issue)
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					paths.Store(r.URL.Path, true)
					service.ServeHTTP(w, r)
				})
			})
			b.Signer(t, style.gun).Init().Sign("v1", one)
			r := notary.Request{GUN: style.gun, Tag: "v1", Credentials: pullSecret(t, style.key, style.gun)}
			r.TrustServer = b.Front(t, func(w http.ResponseWriter, r *http.Request, behind http.Handler) {
				behind.ServeHTTP(&rewriting{w, "/service/token", "/artifactory/api/docker/docker-local/v2/token"}, r)
			}).URL
			b.admits(t, r, one)
			if _, asked := paths.Load("/artifactory/api/docker/docker-local/v2/token"); !asked {
				t.Error("the token service of the repository was not asked")
			}
			r.Credentials = nil
			b.denies(t, r, reason.NoCredentials)
		})
	}
}

func TestAChallengeForTwoActionsIsMetAndItsTokenTaken(t *testing.T) {
	var scopes sync.Map
	b := newBedAt(t, "svc", func(issue registrytest.Issuer) http.Handler {
		service := registrytest.Plain(&registrytest.Log{}, issue, map[string]any{"token": "%T"})
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			scopes.Store(r.URL.Query().Get("scope"), true)
			service.ServeHTTP(w, r)
		})
	})
	_, r := b.repository(t)
	r.TrustServer = b.Front(t, func(w http.ResponseWriter, r *http.Request, behind http.Handler) {
		behind.ServeHTTP(&rewriting{w, `:pull"`, `:push,pull"`}, r)
	}).URL
	b.admits(t, r, one)
	if _, asked := scopes.Load("repository:" + r.GUN + ":push,pull"); !asked {
		t.Error("the scope of the challenge was not asked for")
	}
}

// rewriting changes a text in the challenge on its way.
type rewriting struct {
	http.ResponseWriter
	old, new string
}

func (w *rewriting) WriteHeader(status int) {
	if challenge := w.Header().Get("WWW-Authenticate"); challenge != "" {
		w.Header().Set("WWW-Authenticate", strings.ReplaceAll(challenge, w.old, w.new))
	}
	w.ResponseWriter.WriteHeader(status)
}

// pullSecret reads what a pull secret with one entry has for an image.
func pullSecret(t *testing.T, key, image string) []registry.Credential {
	t.Helper()
	text, err := json.Marshal(map[string]any{"auths": map[string]any{
		key: map[string]string{"username": notarytest.User, "password": notarytest.Password}}})
	if err != nil {
		t.Fatal(err)
	}
	found, err := registry.CredentialsFor("kubernetes.io/dockerconfigjson", map[string][]byte{".dockerconfigjson": text}, image)
	if err != nil || len(found) != 1 {
		t.Fatalf("the entry %q has %d credentials for %s, %v", key, len(found), image, err)
	}
	return found
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
