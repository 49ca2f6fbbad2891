// SPDX-License-Identifier: Apache-2.0

// Package registrytest imitates how token services that operators really have
// behave, each as its makers document it or as its source has it. It never
// decides who may do what: the test says that.
package registrytest

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Issuer hands out a token for a user, or for nobody when user is empty. It
// says whether it knows the user; the token of somebody unknown is one for
// nobody.
type Issuer func(user, password, service string, scopes []string) (token string, known bool)

// Log counts the requests a token service got, by method.
type Log struct {
	mu     sync.Mutex
	counts map[string]int
}

// Count returns how many requests came with a method.
func (l *Log) Count(method string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.counts[method]
}

func (l *Log) wrap(h http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.mu.Lock()
		if l.counts == nil {
			l.counts = map[string]int{}
		}
		l.counts[r.Method]++
		l.mu.Unlock()
		h(w, r)
	})
}

func answer(w http.ResponseWriter, fields map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(fields)
}

func asked(r *http.Request) (service string, scopes []string) {
	return r.URL.Query().Get("service"), r.URL.Query()["scope"]
}

// Harbor imitates Harbor's /service/token (its src/core/service/token): GET
// only, POST is 405; an unknown service is 400; a repository whose name does
// not begin with the external host is 500; whoever is not known gets a token
// without rights rather than 401; access_token is there and empty; half an
// hour of life.
func Harbor(log *Log, externalHost, service string, issue Issuer) http.Handler {
	return log.wrap(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		name, scopes := asked(r)
		if name != service {
			http.Error(w, "Unable to handle service: "+name, http.StatusBadRequest)
			return
		}
		for _, scope := range scopes {
			if !strings.HasPrefix(scope, "repository:"+externalHost+"/") {
				w.WriteHeader(http.StatusInternalServerError)
				return
			}
		}
		user, password, _ := r.BasicAuth()
		token, _ := issue(user, password, name, scopes)
		answer(w, map[string]any{"token": token, "access_token": "", "expires_in": 1800,
			"issued_at": time.Now().UTC().Format(time.RFC3339)})
	})
}

// Artifactory imitates JFrog Artifactory's api/docker/REPO/v2/token (its help
// page; containerd issues 2148 and 2166): GET with Basic gives token and
// expires_in, nothing else; anything without Authorization is 401, also a
// POST with the credential in its form.
func Artifactory(log *Log, issue Issuer) http.Handler {
	return log.wrap(func(w http.ResponseWriter, r *http.Request) {
		user, password, given := r.BasicAuth()
		name, scopes := asked(r)
		token, known := "", false
		if given {
			token, known = issue(user, password, name, scopes)
		}
		if !known {
			w.Header().Set("WWW-Authenticate", `Basic realm="Artifactory Realm"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		answer(w, map[string]any{"token": token, "expires_in": 3600})
	})
}

// PostOnly imitates a token service that knows only the OAuth2 form of the
// distribution specification, which answers with access_token.
func PostOnly(log *Log, issue Issuer) http.Handler {
	return log.wrap(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		user, password := r.PostFormValue("username"), r.PostFormValue("password")
		if r.PostFormValue("grant_type") == "refresh_token" {
			user, password = "token", r.PostFormValue("refresh_token")
		}
		token, known := issue(user, password, r.PostFormValue("service"), strings.Fields(r.PostFormValue("scope")))
		if !known {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		answer(w, map[string]any{"access_token": token, "scope": r.PostFormValue("scope"), "expires_in": 300})
	})
}

// Plain imitates a token service of the distribution specification that
// answers GET with the fields given; %T as a value stands for the token. What
// it leaves out, such as expires_in, the specification has a default for.
func Plain(log *Log, issue Issuer, fields map[string]any) http.Handler {
	return log.wrap(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		user, password, given := r.BasicAuth()
		name, scopes := asked(r)
		token, known := issue(user, password, name, scopes)
		if given && !known {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		filled := map[string]any{}
		for field, value := range fields {
			if value == "%T" {
				value = token
			}
			filled[field] = value
		}
		answer(w, filled)
	})
}

// Busy lets every first request of a pair wait: 429 with Retry-After, as
// Docker Hub and others limit their callers.
func Busy(retryAfter int, next http.Handler) http.Handler {
	var mu sync.Mutex
	turn := 0
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		turn++
		wait := turn%2 == 1
		mu.Unlock()
		if wait {
			w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Registry is a server that wants a bearer token of a token service, or user
// name and password itself, and serves one text.
type Registry struct {
	Challenge string // of the 401; %S stands for the scope
	Accept    func(authorization string) bool
	Text      string
}

func (s Registry) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.Accept(r.Header.Get("Authorization")) {
		name := strings.TrimPrefix(r.URL.Path, "/v2/")
		w.Header().Set("WWW-Authenticate", strings.ReplaceAll(s.Challenge, "%S", "repository:"+name+":pull"))
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	_, _ = w.Write([]byte(s.Text))
}
