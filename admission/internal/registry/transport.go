// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/flight"
)

const (
	maxRedirects = 5
	maxRetries   = 2 // after 429
	maxRounds    = 4 // of asking and being asked for credentials
	longestPause = 4 * time.Second
	maxProblem   = 64 << 10 // bytes read of an answer that is not 2xx
)

// Options are what a Transport may be told. The zero value is the normal one.
type Options struct {
	Now     func() time.Time // default: time.Now
	Observe func(Exchange)   // told of each request; default: nobody
}

// Exchange is one request and what came of it, for metrics.
type Exchange struct {
	Host     string
	Status   int // 0 when no answer came
	Duration time.Duration
}

// Transport holds the connections, tokens and what is known of servers. It
// is safe for concurrent use.
type Transport struct {
	proxy   func(*http.Request) (*url.URL, error)
	now     func() time.Time
	observe func(Exchange)

	swapping   sync.Mutex
	peers      atomic.Pointer[peers]
	tokens     memory[tokenKey, token]
	challenges memory[[2]string, challenge]
	methods    memory[string, string]
	fetching   flight.Group[token]
}

// New makes a Transport that trusts the system's certificates.
func New(o Options) *Transport {
	t := &Transport{proxy: environmentProxy(), now: o.Now, observe: o.Observe}
	if t.now == nil {
		t.now = time.Now
	}
	if t.observe == nil {
		t.observe = func(Exchange) {}
	}
	if err := t.SetCA(nil); err != nil {
		panic(err) // an empty bundle is never an error
	}
	return t
}

// CloseIdle closes the connections nobody uses.
func (t *Transport) CloseIdle() { t.peers.Load().http.CloseIdleConnections() }

// Request is one thing to fetch.
type Request struct {
	Method      string // default: GET
	URL         string
	Header      http.Header
	Limit       int64        // bytes of the answer that are accepted
	Scope       string       // asked of the token service when the server names none
	Credentials []Credential // tried in order, then none
}

// Answer is a complete 2xx answer.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Do fetches one thing. It shows the credentials in turn to a server that
// wants some, and goes without at last. Whatever is no 2xx is an *Error; when
// the caller gave up, its context's error.
func (t *Transport) Do(ctx context.Context, r Request) (*Answer, error) {
	target, err := parseTarget(r.URL)
	if err != nil {
		return nil, err
	}
	if r.Method == "" {
		r.Method = http.MethodGet
	}
	var tried []string
	var last *Error
	for _, credential := range append(r.Credentials[:len(r.Credentials):len(r.Credentials)], Credential{}) {
		answer, err := t.attempt(ctx, target, r, credential)
		var refused *Error
		if errors.As(err, &refused) && refused.Kind == Refused {
			if last == nil || !credential.anonymous() {
				last = refused
			}
			if !credential.anonymous() {
				tried = append(tried, credential.source())
			}
			continue
		}
		return answer, err
	}
	result := &Error{Kind: Refused, URL: bare(target), Status: last.Status, Tried: tried, Err: last.Err}
	if len(tried) == 0 {
		result.Kind = Missing
	}
	return nil, result
}

// Read is Do for callers that judge the status themselves: one that is no 2xx
// is an answer without a body. That every credential was refused stays an
// error.
func (t *Transport) Read(ctx context.Context, r Request) (*Answer, error) {
	answer, err := t.Do(ctx, r)
	var e *Error
	if errors.As(err, &e) && e.Kind == Status {
		return &Answer{Status: e.Status}, nil
	}
	return answer, err
}

// attempt fetches with one credential. The first meeting with a server goes
// without, to hear what it wants; afterwards that is remembered, until it
// cannot be met: realms move, and one host may have several.
func (t *Transport) attempt(ctx context.Context, target *url.URL, r Request, credential Credential) (*Answer, error) {
	started := time.Now()
	wanted := t.known(target, r.Scope)
	remembered := !wanted.open()
	var doubted error // what came of what was remembered
	for round := 1; ; round++ {
		header, cached, err := t.authorization(ctx, target, wanted, credential)
		if err != nil {
			doubted = inTime(ctx, started, wanted.realm, err)
			if !remembered {
				return nil, doubted
			}
			t.forget(target, r.Scope)
			if ctx.Err() != nil {
				return nil, doubted
			}
		}
		answer, from, err := t.exchange(ctx, target, r, header)
		if err != nil {
			return nil, err
		}
		switch own := sameServer(from, target); {
		case answer.Status == http.StatusUnauthorized && own:
			fresh, err := chooseChallenge(answer.Header.Values("WWW-Authenticate"))
			if err != nil && header != "" {
				return nil, refusal(target, answer.Status, nil)
			}
			if err != nil {
				return nil, &Error{Kind: Challenge, URL: bare(target), Status: answer.Status, Err: err}
			}
			if fresh.scope == "" {
				fresh.scope = r.Scope
			}
			t.learn(target, r.Scope, fresh)
			if doubted != nil && fresh == wanted {
				return nil, doubted
			}
			again := header == "" || cached || fresh != wanted
			wanted, remembered = fresh, false
			if !again || round == maxRounds {
				return nil, refusal(target, answer.Status, nil)
			}
			t.forgetToken(wanted, credential, header)
		case answer.Status == http.StatusForbidden && own && (header != "" || doubted != nil):
			if doubted != nil || wanted.basic || !remembered && !cached {
				return nil, refusal(target, answer.Status, nil)
			}
			// The token may be of another realm, or older than the right.
			t.forgetToken(wanted, credential, header)
			doubted = refusal(target, answer.Status, nil)
			wanted, remembered = challenge{}, false
		case answer.Status < 200 || answer.Status > 299:
			return nil, &Error{Kind: Status, URL: bare(from), Status: answer.Status}
		default:
			return answer, nil
		}
	}
}

// known returns what the server wants for this scope, as far as is known.
func (t *Transport) known(target *url.URL, scope string) challenge {
	if c, ok := t.challenges.get([2]string{target.Host, scope}); ok {
		return c
	}
	c, _ := t.challenges.get([2]string{target.Host, ""})
	if !c.open() && !c.basic {
		c.scope = scope
	}
	return c
}

func (t *Transport) learn(target *url.URL, scope string, c challenge) {
	for _, about := range []string{"", scope} {
		t.challenges.put([2]string{target.Host, about}, c, len(target.Host)+len(about)+c.size())
	}
}

func (t *Transport) forget(target *url.URL, scope string) {
	t.challenges.drop([2]string{target.Host, ""})
	t.challenges.drop([2]string{target.Host, scope})
}

// exchange sends one request with one Authorization header, follows
// redirects, waits when it is asked to, and reads the bounded answer. It says
// where the answer is from.
func (t *Transport) exchange(ctx context.Context, target *url.URL, r Request, authorization string) (
	answer *Answer, from *url.URL, err error) {
	to := target
	for redirects, retries := 0, 0; ; {
		request, err := http.NewRequestWithContext(t.watch(ctx, target, to), r.Method, to.String(), nil)
		if err != nil {
			return nil, nil, &Error{Kind: Invalid, URL: bare(to), Err: err}
		}
		for name, values := range r.Header {
			request.Header[name] = values
		}
		if authorization != "" && sameServer(to, target) {
			request.Header.Set("Authorization", authorization)
		}
		answer, err = t.send(request, r.Limit)
		if err != nil {
			return nil, nil, err
		}
		switch answer.Status {
		case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
			http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
			if to, err = t.follow(target, to, answer); err != nil {
				return nil, nil, err
			}
			if redirects++; redirects > maxRedirects {
				return nil, nil, &Error{Kind: Forbidden, URL: bare(to),
					Err: fmt.Errorf("it is redirect number %d", redirects)}
			}
		case http.StatusTooManyRequests:
			if retries++; retries > maxRetries || !t.wait(ctx, answer) {
				return answer, to, nil
			}
		default:
			return answer, to, nil
		}
	}
}

func (t *Transport) follow(configured, from *url.URL, answer *Answer) (*url.URL, error) {
	to, err := from.Parse(answer.Header.Get("Location"))
	if err != nil || answer.Header.Get("Location") == "" {
		return nil, &Error{Kind: Garbage, URL: bare(from), Err: errors.New("a redirect without a usable Location")}
	}
	if err, _ := mayVisit(configured, to); err != nil {
		return nil, err
	}
	return to, nil
}

// watch marks requests to hosts that are not the configured one.
func (t *Transport) watch(ctx context.Context, configured, to *url.URL) context.Context {
	if _, watch := mayVisit(configured, to); watch {
		return guarded(ctx, to)
	}
	return ctx
}

// wait waits as long as the server asks for, if the time left allows it. The
// deadline may be a shared one, far behind that of those who wait.
func (t *Transport) wait(ctx context.Context, answer *Answer) bool {
	pause := time.Second
	if text := answer.Header.Get("Retry-After"); text != "" {
		if seconds, err := strconv.Atoi(text); err == nil && seconds >= 0 {
			pause = time.Duration(min(seconds, 3600)) * time.Second
		} else if date, err := http.ParseTime(text); err == nil {
			pause = max(date.Sub(t.now()), 0)
		}
	}
	const toAnswer = 500 * time.Millisecond
	deadline, limited := ctx.Deadline()
	if !limited || pause > longestPause || time.Until(deadline) < pause+toAnswer {
		return false
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// send makes one round trip and reads the answer to its end.
func (t *Transport) send(request *http.Request, limit int64) (*Answer, error) {
	started := time.Now()
	status := 0
	defer func() {
		t.observe(Exchange{Host: request.URL.Host, Status: status, Duration: time.Since(started)})
	}()
	response, err := t.peers.Load().http.RoundTrip(request)
	if err != nil {
		return nil, failure(request.Context(), request.URL, started, err)
	}
	defer response.Body.Close()
	status = response.StatusCode
	if status < 200 || status > 299 {
		// What an error says is not shown to users; read so that the
		// connection can be used again.
		_, _ = io.CopyN(io.Discard, response.Body, maxProblem)
		return &Answer{Status: status, Header: response.Header}, nil
	}
	if response.ContentLength > limit {
		return nil, &Error{Kind: TooLarge, URL: bare(request.URL),
			Err: fmt.Errorf("%d bytes, %d are accepted", response.ContentLength, limit)}
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, limit+1))
	if err != nil {
		return nil, failure(request.Context(), request.URL, started, err)
	}
	if int64(len(body)) > limit {
		return nil, &Error{Kind: TooLarge, URL: bare(request.URL),
			Err: fmt.Errorf("more than the %d bytes that are accepted", limit)}
	}
	return &Answer{Status: status, Header: response.Header, Body: body}, nil
}

func parseTarget(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, &Error{Kind: Invalid, URL: text[strings.LastIndex(text, "@")+1:], Err: unwrapURL(err)}
	}
	switch {
	case u.Scheme != "https":
		err = errors.New("it does not begin with https://")
	case u.Hostname() == "":
		err = errors.New("it names no host")
	case !plainHost(u):
		err = errors.New("its host holds other characters than ASCII; write it in its xn-- form")
	case u.User != nil:
		err = errors.New("it holds a user name")
	default:
		return u, nil
	}
	return nil, &Error{Kind: Invalid, URL: bare(u), Err: err}
}

// inTime says Timeout for a deadline that passed while another caller's
// question was waited for.
func inTime(ctx context.Context, started time.Time, realm string, err error) error {
	var own *Error
	address, parseErr := url.Parse(realm)
	if !errors.Is(err, context.DeadlineExceeded) || ctx.Err() == nil || errors.As(err, &own) || parseErr != nil {
		return err
	}
	return &Error{Kind: Timeout, URL: bare(address), After: time.Since(started), Err: err}
}

func refusal(target *url.URL, status int, cause error) error {
	return &Error{Kind: Refused, URL: bare(target), Status: status, Err: cause}
}
