// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/notarytest"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/registry"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/registry/registrytest"
)

var (
	good  = registry.Credential{Username: "good", Password: "secret-good", Source: "secret ns/good"}
	wrong = registry.Credential{Username: "good", Password: "secret-wrong", Source: "secret ns/wrong"}
)

// issue knows the good user; a token names who it is for.
func issue(user, password, _ string, scopes []string) (string, bool) {
	if user == good.Username && password == good.Password {
		return "for-good-" + strings.Join(scopes, "+"), true
	}
	return "for-nobody", false
}

func forGood(authorization string) bool { return strings.HasPrefix(authorization, "Bearer for-good-") }

type bed struct {
	*notarytest.Authority
	transport *registry.Transport
}

func newBed(t *testing.T) *bed {
	t.Helper()
	notarytest.NoGoroutineLeft(t)
	b := &bed{notarytest.NewAuthority(t), registry.New(registry.Options{})}
	if err := b.transport.SetCA(b.PEM); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.transport.CloseIdle)
	return b
}

// bearer serves a registry whose challenge names the token service.
func (b *bed) bearer(t *testing.T, tokens http.Handler) string {
	service := b.Serve(t, tokens)
	return b.Serve(t, registrytest.Registry{
		Challenge: fmt.Sprintf(`Bearer realm="%s/token",service="svc",scope="%%S"`, service.URL),
		Accept:    forGood, Text: "content",
	}).URL
}

func (b *bed) get(t *testing.T, address string, credentials ...registry.Credential) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	answer, err := b.transport.Do(ctx, registry.Request{URL: address + "/v2/team/app", Limit: 1000,
		Scope: "repository:team/app:pull", Credentials: credentials})
	if err != nil {
		return "", err
	}
	return string(answer.Body), nil
}

func wantKind(t *testing.T, err error, kind registry.Kind, words ...string) *registry.Error {
	t.Helper()
	var e *registry.Error
	if !errors.As(err, &e) || e.Kind != kind {
		t.Fatalf("the error is %v, want kind %d", err, kind)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("the message %q does not hold %q", err, word)
		}
	}
	return e
}

func TestEveryTokenServiceThatKnowsTheCredentialIsUnderstood(t *testing.T) {
	for name, tokens := range map[string]func(*registrytest.Log) http.Handler{
		"Harbor":           func(l *registrytest.Log) http.Handler { return registrytest.Harbor(l, "team", "svc", issue) },
		"Artifactory":      func(l *registrytest.Log) http.Handler { return registrytest.Artifactory(l, issue) },
		"OAuth2 POST only": func(l *registrytest.Log) http.Handler { return registrytest.PostOnly(l, issue) },
		"token only": func(l *registrytest.Log) http.Handler {
			return registrytest.Plain(l, issue, map[string]any{"token": "%T"})
		},
		"access_token only": func(l *registrytest.Log) http.Handler {
			return registrytest.Plain(l, issue, map[string]any{"access_token": "%T", "expires_in": 300})
		},
		"empty access_token": func(l *registrytest.Log) http.Handler {
			return registrytest.Plain(l, issue, map[string]any{"token": "%T", "access_token": ""})
		},
		"expires_in as text": func(l *registrytest.Log) http.Handler {
			return registrytest.Plain(l, issue, map[string]any{"token": "%T", "expires_in": "300"})
		},
		"busy at first": func(l *registrytest.Log) http.Handler {
			return registrytest.Busy(0, registrytest.Plain(l, issue, map[string]any{"token": "%T"}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			var log registrytest.Log
			address := b.bearer(t, tokens(&log))
			for range 3 {
				if text, err := b.get(t, address, good); text != "content" {
					t.Fatalf("got %q, %v", text, err)
				}
			}
			if got := log.Count("GET") + log.Count("POST"); got > 2 {
				t.Errorf("the token service was asked %d times", got)
			}
			_, err := b.get(t, address, wrong)
			wantKind(t, err, registry.Refused, "secret ns/wrong")
		})
	}
}

func TestWhatWorkedAtATokenServiceIsRemembered(t *testing.T) {
	b := newBed(t)
	var log registrytest.Log
	address := b.bearer(t, registrytest.PostOnly(&log, issue))
	for i := range 3 {
		_, err := b.transport.Do(t.Context(), registry.Request{
			URL: fmt.Sprintf("%s/v2/team/app%d", address, i), Limit: 100,
			Scope: fmt.Sprintf("repository:team/app%d:pull", i), Credentials: []registry.Credential{good}})
		if err != nil {
			t.Fatal(err)
		}
	}
	if log.Count("GET") != 1 || log.Count("POST") != 3 {
		t.Errorf("GET %d times and POST %d times, want 1 and 3", log.Count("GET"), log.Count("POST"))
	}
}

func TestATokenServiceMayChangeTheMethodItKnows(t *testing.T) {
	b := newBed(t)
	var log registrytest.Log
	service := registrytest.PostOnly(&log, issue)
	address := b.bearer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		service.ServeHTTP(w, r)
	}))
	for i, next := range []http.Handler{service, registrytest.Harbor(&log, "team", "svc", issue), service} {
		service = next
		_, err := b.transport.Do(t.Context(), registry.Request{
			URL: fmt.Sprintf("%s/v2/team/app%d", address, i), Limit: 100,
			Scope: fmt.Sprintf("repository:team/app%d:pull", i), Credentials: []registry.Credential{good}})
		if err != nil {
			t.Fatalf("service %d: %v", i, err)
		}
	}
}

func TestCredentialsAreTriedInTurn(t *testing.T) {
	b := newBed(t)
	address := b.bearer(t, registrytest.Artifactory(&registrytest.Log{}, issue))
	if text, err := b.get(t, address, wrong, good); text != "content" {
		t.Fatalf("got %q, %v", text, err)
	}
}

func TestWithoutCredentialsAnAnonymousTokenIsTried(t *testing.T) {
	b := newBed(t)
	open := func(_, _, _ string, _ []string) (string, bool) { return "for-good-all", false }
	address := b.bearer(t, registrytest.Harbor(&registrytest.Log{}, "team", "svc", open))
	if text, err := b.get(t, address); text != "content" {
		t.Fatalf("got %q, %v", text, err)
	}
}

func TestNoCredentialsAreMissedByAPrivateRepository(t *testing.T) {
	b := newBed(t)
	address := b.bearer(t, registrytest.Harbor(&registrytest.Log{}, "team", "svc", issue))
	_, err := b.get(t, address)
	wantKind(t, err, registry.Missing, "none were given")
}

func TestIdentityTokensArePostedAsRefreshTokens(t *testing.T) {
	b := newBed(t)
	known := func(user, password, _ string, _ []string) (string, bool) {
		return "for-good-x", user == "token" && password == "identity"
	}
	address := b.bearer(t, registrytest.PostOnly(&registrytest.Log{}, known))
	if text, err := b.get(t, address, registry.Credential{IdentityToken: "identity"}); text != "content" {
		t.Fatalf("got %q, %v", text, err)
	}
}

func TestABasicChallengeIsMetDirectly(t *testing.T) {
	b := newBed(t)
	address := b.Serve(t, registrytest.Registry{Challenge: `Basic realm="Registry"`, Text: "content",
		Accept: func(authorization string) bool {
			r := http.Request{Header: http.Header{"Authorization": {authorization}}}
			user, password, _ := r.BasicAuth()
			return user == good.Username && password == good.Password
		}}).URL
	if text, err := b.get(t, address, wrong, good); text != "content" {
		t.Fatalf("got %q, %v", text, err)
	}
	_, err := b.get(t, address)
	wantKind(t, err, registry.Missing)
}

func TestARevokedTokenIsReplacedOnce(t *testing.T) {
	b := newBed(t)
	var serial atomic.Int64
	counting := func(user, password, _ string, _ []string) (string, bool) {
		return fmt.Sprint("token-", serial.Add(1)), user == good.Username && password == good.Password
	}
	service := b.Serve(t, registrytest.Artifactory(&registrytest.Log{}, counting))
	var valid atomic.Value
	valid.Store("token-1")
	address := b.Serve(t, registrytest.Registry{
		Challenge: fmt.Sprintf(`Bearer realm=%q,service="svc",scope="%%S"`, service.URL+"/token"),
		Accept:    func(a string) bool { return a == "Bearer "+valid.Load().(string) }, Text: "content",
	}).URL
	for _, next := range []string{"token-1", "token-1", "token-2"} {
		valid.Store(next)
		if text, err := b.get(t, address, good); text != "content" {
			t.Fatalf("with %s valid: %q, %v", next, text, err)
		}
	}
	valid.Store("none")
	_, err := b.get(t, address, good)
	wantKind(t, err, registry.Refused, "secret ns/good")
}

func TestTwoWhoMeetAServerAtOnceTakeOneToken(t *testing.T) {
	b := newBed(t)
	var log registrytest.Log
	service := b.Serve(t, registrytest.Artifactory(&log, issue))
	lateAsked, firstHasToken := make(chan struct{}), make(chan struct{})
	address := b.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case forGood(r.Header.Get("Authorization")):
			fmt.Fprint(w, "content")
			return
		case r.URL.RawQuery == "late":
			close(lateAsked)
			<-firstHasToken
		}
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm=%q,service="svc",scope="s"`, service.URL))
		w.WriteHeader(http.StatusUnauthorized)
	})).URL
	meet := func(address string) error {
		_, err := b.transport.Do(t.Context(), registry.Request{URL: address, Limit: 100,
			Credentials: []registry.Credential{good}})
		return err
	}
	late := make(chan error)
	go func() { late <- meet(address + "?late") }()
	<-lateAsked
	if err := meet(address); err != nil {
		t.Error(err)
	}
	close(firstHasToken)
	if err := <-late; err != nil {
		t.Error(err)
	}
	if log.Count("GET") != 1 {
		t.Errorf("%d tokens were asked for", log.Count("GET"))
	}
}

func TestTokensGoWithTheBundleTheyWereGotUnder(t *testing.T) {
	b := newBed(t)
	var log registrytest.Log
	address := b.bearer(t, registrytest.Artifactory(&log, issue))
	for _, bundle := range [][]byte{b.PEM, append(notarytest.NewAuthority(t).PEM, b.PEM...)} {
		if err := b.transport.SetCA(bundle); err != nil {
			t.Fatal(err)
		}
		if text, err := b.get(t, address, good); text != "content" {
			t.Fatalf("got %q, %v", text, err)
		}
	}
	if log.Count("GET") != 2 {
		t.Errorf("%d tokens were asked for under two bundles", log.Count("GET"))
	}
}

func TestATokenIsUsedForNineTenthsOfItsLife(t *testing.T) {
	var log registrytest.Log
	now := time.Now()
	a := notarytest.NewAuthority(t)
	b := &bed{a, registry.New(registry.Options{Now: func() time.Time { return now }})}
	if err := b.transport.SetCA(a.PEM); err != nil {
		t.Fatal(err)
	}
	address := b.bearer(t, registrytest.Plain(&log, issue, map[string]any{"token": "%T"}))
	for _, step := range []struct {
		after time.Duration
		asked int
	}{{0, 1}, {53 * time.Second, 1}, {2 * time.Second, 2}} { // no expires_in means 60 s
		now = now.Add(step.after)
		if _, err := b.get(t, address, good); err != nil {
			t.Fatal(err)
		}
		if got := log.Count("GET"); got != step.asked {
			t.Errorf("after %v more the service was asked %d times, want %d", step.after, got, step.asked)
		}
	}
}

// Whoever asked has a few seconds, also where others share the answer and the
// time for it is longer.
func TestAServerThatWantsALongPauseIsNotWaitedFor(t *testing.T) {
	b := newBed(t)
	var asked atomic.Int64
	server := b.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.Header().Set("Retry-After", "20")
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	_, err := b.get(t, server.URL)
	wantKind(t, err, registry.Status, "429")
	if asked.Load() != 1 {
		t.Errorf("the server was asked %d times", asked.Load())
	}
}

func TestTheScopeOfTheChallengeIsTheOneAskedFor(t *testing.T) {
	b := newBed(t)
	service := b.Serve(t, registrytest.Plain(&registrytest.Log{}, issue, map[string]any{"token": "%T"}))
	address := b.Serve(t, registrytest.Registry{
		Challenge: fmt.Sprintf(`Bearer realm=%q,service="svc",scope="repository:team/app:pull,push"`, service.URL),
		Accept:    func(a string) bool { return a == "Bearer for-good-repository:team/app:pull,push" },
		Text:      "content",
	}).URL
	for range 2 {
		if text, err := b.get(t, address, good); text != "content" {
			t.Fatalf("got %q, %v", text, err)
		}
	}
}

func TestATokenServiceThatFailsIsNamed(t *testing.T) {
	for name, test := range map[string]struct {
		tokens http.HandlerFunc
		kind   registry.Kind
	}{
		"5xx":         {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }, registry.Status},
		"no JSON":     {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }, registry.Garbage},
		"empty token": {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"token":""}`) }, registry.Refused},
		"line breaks": {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"token":"a\r\nX: y"}`) }, registry.Garbage},
		"huge": {func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"token":%q}`, strings.Repeat("x", 1<<20))
		}, registry.TooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			_, err := b.get(t, b.bearer(t, test.tokens), good)
			wantKind(t, err, test.kind, "https://127.0.0.1:")
		})
	}
}

func TestAnswersThatCannotBeMetEndInASentence(t *testing.T) {
	challenge := func(text string) http.Handler {
		return registrytest.Registry{Challenge: text, Accept: func(string) bool { return false }}
	}
	status := func(code int) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) })
	}
	for name, test := range map[string]struct {
		handler http.Handler
		kind    registry.Kind
		word    string
	}{
		"no challenge":               {status(401), registry.Challenge, "names no token service"},
		"challenge without realm":    {challenge(`Bearer service="x"`), registry.Challenge, "no realm"},
		"realm over plain HTTP":      {challenge(`Bearer realm="http://tokens.example.com/"`), registry.Challenge, "not https"},
		"realm in this machine":      {challenge(`Bearer realm="https://localhost:1/"`), registry.Forbidden, "loopback"},
		"realm at a metadata server": {challenge(`Bearer realm="https://169.254.169.254/"`), registry.Forbidden, "link-local"},
		"realm on IPv6 loopback":     {challenge(`Bearer realm="https://[::1]:1/"`), registry.Forbidden, "loopback"},
		"realm in fullwidth digits":  {challenge(`Bearer realm="https://１２７.0.0.1:1/"`), registry.Forbidden, "no plain address"},
		"realm of no text":           {challenge(`Bearer realm="https://%ff/"`), registry.Forbidden, "no plain address"},
		"redirect to no text":        {http.RedirectHandler("https://%ff/", http.StatusFound), registry.Forbidden, "no plain address"},
		"unknown scheme":             {challenge(`Negotiate`), registry.Challenge, "Negotiate"},
		"forbidden":                  {status(403), registry.Status, "403"},
		"not found":                  {status(404), registry.Status, "404"},
		"failing":                    {status(500), registry.Status, "500"},
		"always busy":                {registrytest.Busy(1000, status(200)), registry.Status, "429"},
		"redirect to plain HTTP":     {http.RedirectHandler("http://example.com/", http.StatusFound), registry.Forbidden, "not https"},
		"redirect into this machine": {http.RedirectHandler("https://localhost:1/", http.StatusTemporaryRedirect), registry.Forbidden, "loopback"},
		"redirect to a name in here": {http.RedirectHandler("https://a.localhost/", http.StatusTemporaryRedirect), registry.Forbidden, "loopback"},
		"redirect for ever":          {http.RedirectHandler("/again", http.StatusFound), registry.Forbidden, "redirect"},
		"redirect to nowhere":        {status(302), registry.Garbage, "Location"},
		"too large": {http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(bytes.Repeat([]byte("x"), 1001))
		}), registry.TooLarge, "1000"},
		"too large, no length": {http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			for range 100 {
				_, _ = w.Write(bytes.Repeat([]byte("x"), 1001))
				w.(http.Flusher).Flush()
			}
		}), registry.TooLarge, "1000"},
		"cut short": {http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "500")
			_, _ = w.Write([]byte("x"))
		}), registry.Unreachable, "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			_, err := b.get(t, b.Serve(t, test.handler).URL, good)
			wantKind(t, err, test.kind, test.word)
		})
	}
}

func TestReadLeavesTheStatusToItsCaller(t *testing.T) {
	b := newBed(t)
	server := b.Serve(t, registrytest.Registry{Challenge: "Basic", Text: "content",
		Accept: func(a string) bool { return strings.HasPrefix(a, "Basic ") }})
	missing := b.Serve(t, http.NotFoundHandler())
	for address, want := range map[string]int{server.URL: 200, missing.URL: 404} {
		got, err := b.transport.Read(t.Context(), registry.Request{URL: address, Limit: 100,
			Credentials: []registry.Credential{good}})
		if err != nil || got.Status != want {
			t.Errorf("got %+v, %v; want %d", got, err, want)
		}
	}
	_, err := b.transport.Read(t.Context(), registry.Request{URL: server.URL, Limit: 100})
	wantKind(t, err, registry.Missing)
}

func TestARedirectWithinTheServerIsFollowedAndElsewhereWithoutCredentials(t *testing.T) {
	b := newBed(t)
	var shown atomic.Value
	other := b.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		shown.Store(r.Header.Get("Authorization"))
		fmt.Fprint(w, "content")
	}))
	mux := http.NewServeMux()
	mux.Handle("/v2/team/app", http.RedirectHandler("/moved", http.StatusTemporaryRedirect))
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) {
		if _, _, given := r.BasicAuth(); !given {
			w.Header().Set("WWW-Authenticate", "Basic")
			w.WriteHeader(401)
			return
		}
		http.Redirect(w, r, other.URL+"/blob", http.StatusFound)
	})
	if text, err := b.get(t, b.Serve(t, mux).URL, good); text != "content" {
		t.Fatalf("got %q, %v", text, err)
	}
	if got := shown.Load(); got != "" {
		t.Errorf("the other host was shown %q", got)
	}
}

// A redirect may lead to a store that belongs to somebody else.
func TestWhoeverARedirectLeadsToCannotAskForCredentials(t *testing.T) {
	b := newBed(t)
	var asked registrytest.Log
	thief := b.Serve(t, registrytest.Plain(&asked, issue, map[string]any{"token": "%T"}))
	store := b.Serve(t, registrytest.Registry{Accept: func(string) bool { return false },
		Challenge: fmt.Sprintf(`Bearer realm=%q,service="svc",scope="%%S"`, thief.URL)})
	server := b.Serve(t, http.RedirectHandler(store.URL+"/blob", http.StatusFound))
	for range 2 {
		_, err := b.get(t, server.URL, good)
		wantKind(t, err, registry.Status, store.URL, "401")
	}
	if got := asked.Count("GET") + asked.Count("POST"); got != 0 {
		t.Errorf("the realm of the store was asked for %d tokens", got)
	}
}

func TestAnAddressOfAnyLengthIsCutShortInAMessage(t *testing.T) {
	b := newBed(t)
	long := "/" + strings.Repeat("x", 50000)
	over := make(chan struct{})
	defer close(over)
	for name, handle := range map[string]http.HandlerFunc{
		"a redirect": func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == long {
				w.WriteHeader(500)
				return
			}
			http.Redirect(w, r, long, http.StatusFound)
		},
		"a realm": func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == long {
				w.WriteHeader(500)
				return
			}
			w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="https://%s%s"`, r.Host, long))
			w.WriteHeader(401)
		},
	} {
		_, err := b.get(t, b.Serve(t, handle).URL, good)
		e := wantKind(t, err, registry.Status, "500")
		if len(err.Error()) > 2000 || len(e.URL) > 2000 {
			t.Errorf("%s: a message of %d bytes", name, len(err.Error()))
		}
	}
	ctx := limited{t.Context(), make(chan struct{})}
	silent := ctx.silence(over)
	server := b.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == long {
			silent(w, r)
			return
		}
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="https://%s%s"`, r.Host, long))
		w.WriteHeader(401)
	}))
	_, err := b.transport.Do(ctx, registry.Request{URL: server.URL, Limit: 1})
	if e := wantKind(t, err, registry.Timeout); len(e.URL) > 2000 {
		t.Errorf("a silent realm: an address of %d bytes", len(e.URL))
	}
}

func TestARedirectToTheSameServerKeepsTheCredentials(t *testing.T) {
	a := notarytest.NewAuthority(t)
	server := a.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch _, _, given := r.BasicAuth(); {
		case !given:
			w.Header().Set("WWW-Authenticate", "Basic")
			w.WriteHeader(401)
		case r.URL.Path == "/moved":
			fmt.Fprint(w, "content")
		default:
			http.Redirect(w, r, "https://TRUST.example.com:443/moved", http.StatusFound)
		}
	}))
	tunnel(t, server)
	b := &bed{a, registry.New(registry.Options{})}
	if err := b.transport.SetCA(a.PEM); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.transport.CloseIdle)
	if text, err := b.get(t, "https://trust.example.com", good); text != "content" {
		t.Errorf("got %q, %v", text, err)
	}
}

// tunnel makes a proxy that leads everybody to one server that of the
// environment.
func tunnel(t *testing.T, server *httptest.Server) {
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		there, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Error(err)
			return
		}
		here, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		fmt.Fprint(here, "HTTP/1.1 200 OK\r\n\r\n")
		go func() {
			_, _ = io.Copy(there, here)
			there.Close()
		}()
		_, _ = io.Copy(here, there)
		here.Close()
	}))
	t.Cleanup(proxy.Close)
	t.Setenv("HTTPS_PROXY", proxy.URL)
}

func TestATokenServiceThatHasMovedIsFoundAgain(t *testing.T) {
	b := newBed(t)
	var realm atomic.Value
	server := b.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		registrytest.Registry{Accept: forGood, Text: "content",
			Challenge: fmt.Sprintf(`Bearer realm=%q,service="svc",scope="%%S"`, realm.Load()),
		}.ServeHTTP(w, r)
	}))
	tokens := func() *httptest.Server {
		return b.Serve(t, registrytest.Artifactory(&registrytest.Log{},
			func(user, password, service string, scopes []string) (string, bool) {
				token, known := issue(user, password, service, scopes)
				return token + realm.Load().(string), known
			}))
	}
	before := tokens()
	realm.Store(before.URL)
	if text, err := b.get(t, server.URL, good); text != "content" {
		t.Fatalf("got %q, %v", text, err)
	}
	before.Close()
	realm.Store(tokens().URL)
	other := server.URL + "/v2/team/other"
	for range 2 {
		answer, err := b.transport.Do(t.Context(), registry.Request{URL: other, Limit: 100,
			Scope: "repository:team/other:pull", Credentials: []registry.Credential{good}})
		if err != nil || string(answer.Body) != "content" {
			t.Fatalf("after the move: %v, %v", answer, err)
		}
	}
}

// Artifactory has a realm for each of its repositories behind one host.
func TestRepositoriesOfOneHostMayHaveRealmsOfTheirOwn(t *testing.T) {
	for name, refuse := range map[string]int{"refused by the other realm": 403,
		"failed by the other realm": 500, "refused for its token": 0} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			var server *httptest.Server
			mux := http.NewServeMux()
			for _, repository := range []string{"a", "b"} {
				mux.HandleFunc("/"+repository+"/token", func(w http.ResponseWriter, r *http.Request) {
					if _, _, given := r.BasicAuth(); !given {
						w.WriteHeader(401)
						return
					}
					if refuse != 0 && !strings.HasSuffix(r.URL.Query().Get("scope"), "/"+repository+":pull") {
						w.WriteHeader(refuse)
						return
					}
					fmt.Fprintf(w, `{"token":"for-good-%s"}`, repository)
				})
				mux.HandleFunc("/v2/"+repository, func(w http.ResponseWriter, r *http.Request) {
					switch r.Header.Get("Authorization") {
					case "Bearer for-good-" + repository:
						fmt.Fprint(w, "content")
					case "":
						w.Header().Set("WWW-Authenticate", fmt.Sprintf(
							`Bearer realm="%s/%s/token",service="svc"`, server.URL, repository))
						w.WriteHeader(401)
					default:
						w.WriteHeader(403)
					}
				})
			}
			server = b.Serve(t, mux)
			for _, repository := range []string{"a", "b", "a", "b"} {
				answer, err := b.transport.Do(t.Context(), registry.Request{
					URL: server.URL + "/v2/" + repository, Limit: 100,
					Scope:       "repository:x/" + repository + ":pull",
					Credentials: []registry.Credential{good}})
				if err != nil || string(answer.Body) != "content" {
					t.Fatalf("%s: %v", repository, err)
				}
			}
		})
	}
}

func TestARightThatCameAfterTheTokenCounts(t *testing.T) {
	b := newBed(t)
	var serial atomic.Int64
	service := b.Serve(t, registrytest.Artifactory(&registrytest.Log{},
		func(_, _, _ string, _ []string) (string, bool) { return fmt.Sprint(serial.Add(1)), true }))
	granted := "1"
	server := b.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Header.Get("Authorization") {
		case "Bearer " + granted:
			fmt.Fprint(w, "content")
		case "":
			w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm=%q,service="svc"`, service.URL))
			w.WriteHeader(401)
		default:
			w.WriteHeader(403)
		}
	}))
	if text, err := b.get(t, server.URL, good); text != "content" {
		t.Fatalf("got %q, %v", text, err)
	}
	granted = "2"
	if text, err := b.get(t, server.URL, good); text != "content" {
		t.Errorf("with a token that can be renewed: %q, %v", text, err)
	}
	granted = "none"
	_, err := b.get(t, server.URL, good)
	wantKind(t, err, registry.Refused, "secret ns/good")
}

func TestConnectionsAreKept(t *testing.T) {
	b := newBed(t)
	var mu sync.Mutex
	peers := map[string]bool{}
	server := b.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		peers[r.RemoteAddr] = true
		w.WriteHeader(404)
		fmt.Fprint(w, strings.Repeat("x", 10000))
	}))
	for range 200 {
		_, err := b.get(t, server.URL)
		wantKind(t, err, registry.Status)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(peers) != 1 {
		t.Errorf("200 requests took %d connections", len(peers))
	}
}

func TestPlainHTTPIsNeverSpoken(t *testing.T) {
	b := newBed(t)
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	_, err := b.get(t, plain.URL)
	wantKind(t, err, registry.Invalid, "https://")
	_, err = b.get(t, strings.Replace(plain.URL, "http:", "https:", 1))
	wantKind(t, err, registry.Unreachable)
	for _, address := range []string{"https://user:pw@example.com",
		"http://user:pw@example.com", "https://user:pw@example.com:x/"} {
		_, err = b.get(t, address)
		wantKind(t, err, registry.Invalid)
		if strings.Contains(err.Error(), "pw") {
			t.Errorf("the message %q shows a password", err)
		}
	}
	_, err = b.get(t, "https://trust%ff.example.com")
	wantKind(t, err, registry.Invalid, "xn--")
}

func TestPeersAreTrustedByTheBundle(t *testing.T) {
	b := newBed(t)
	server := b.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "content") }))
	generation := b.transport.Generation()
	if text, err := b.get(t, server.URL); text != "content" {
		t.Fatalf("got %q, %v", text, err)
	}

	for name, bundle := range map[string]string{
		"no PEM":          "not a certificate",
		"broken":          "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
		"damaged in part": strings.Replace(string(b.PEM), "MI", "M*", 1) + string(b.PEM),
		"cut short":       string(b.PEM) + string(b.PEM[:len(b.PEM)/2]),
		"a private key":   "-----BEGIN " + "PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
	} {
		if err := b.transport.SetCA([]byte(bundle)); err == nil {
			t.Errorf("a bundle that is %s was accepted", name)
		}
	}
	if text, err := b.get(t, server.URL); text != "content" || b.transport.Generation() != generation {
		t.Errorf("after broken bundles: %q, %v, generation %d", text, err, b.transport.Generation())
	}

	if err := b.transport.SetCA(notarytest.NewAuthority(t).PEM); err != nil {
		t.Fatal(err)
	}
	_, err := b.get(t, server.URL)
	wantKind(t, err, registry.Certificate, server.URL)
	if b.transport.Generation() == generation {
		t.Error("the generation did not change with the bundle")
	}
	if err := b.transport.SetCA(b.PEM); err != nil {
		t.Fatal(err)
	}
	if text, err := b.get(t, server.URL); text != "content" {
		t.Errorf("after the old bundle came back: %q, %v", text, err)
	}
}

// limited is a caller whose time is over once somebody is silent.
type limited struct {
	context.Context
	over chan struct{}
}

func (l limited) Done() <-chan struct{} { return l.over }

func (l limited) Err() error {
	select {
	case <-l.over:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

// silence ends the caller's time and then says nothing until the test is over.
func (l limited) silence(over <-chan struct{}) http.HandlerFunc {
	return func(http.ResponseWriter, *http.Request) {
		close(l.over)
		<-over
	}
}

func TestASilentServerEndsWithTheCallersTime(t *testing.T) {
	b := newBed(t)
	over := make(chan struct{})
	defer close(over)
	caller := func() limited { return limited{t.Context(), make(chan struct{})} }
	ctx := caller()
	silent := b.Serve(t, ctx.silence(over))
	_, err := b.transport.Do(ctx, registry.Request{URL: silent.URL, Limit: 1})
	wantKind(t, err, registry.Timeout, silent.URL, "did not answer within")

	ctx = caller()
	address := b.bearer(t, ctx.silence(over))
	_, err = b.transport.Do(ctx, registry.Request{URL: address, Limit: 1, Credentials: []registry.Credential{good}})
	if e := wantKind(t, err, registry.Timeout); strings.HasPrefix(e.URL, address) {
		t.Errorf("the error names %s, not the token service", e.URL)
	}
}

func TestAnUnreachableServerIsNamed(t *testing.T) {
	b := newBed(t)
	gone := b.Serve(t, http.NotFoundHandler())
	gone.Close()
	_, err := b.get(t, gone.URL)
	wantKind(t, err, registry.Unreachable, gone.URL, "refused")
}

func TestTheProxyOfTheEnvironmentIsUsed(t *testing.T) {
	var asked atomic.Value
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Store(r.Method + " " + r.Host)
		w.WriteHeader(http.StatusForbidden)
	}))
	defer proxy.Close()
	t.Setenv("HTTPS_PROXY", proxy.URL)
	b := &bed{notarytest.NewAuthority(t), registry.New(registry.Options{})}
	_, err := b.get(t, "https://trust.example.com:4443")
	wantKind(t, err, registry.Unreachable)
	if got := asked.Load(); got != "CONNECT trust.example.com:4443" {
		t.Errorf("the proxy was asked for %v", got)
	}
}

func TestSecretsAreInNoTextForm(t *testing.T) {
	c := registry.Credential{Username: "user", Password: "hidden-1", IdentityToken: "hidden-2"}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "credential", c, "list", []registry.Credential{c})
	text := fmt.Sprintf("%v %+v %#v %s", c, []registry.Credential{c}, c, c) + log.String()
	if strings.Contains(text, "hidden") {
		t.Errorf("%s", text)
	}
}
