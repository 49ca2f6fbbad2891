// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// How token services behave is not left to their specification alone: Harbor
// knows GET only and says access_token "", Artifactory refuses a POST without
// Authorization, others want the POST. So GET with Basic comes first, then
// POST with the same credential, and what worked is remembered by realm.

const (
	clientID      = "portieris"
	maxToken      = 256 << 10
	defaultExpiry = 60 * time.Second // of the specification, when none is stated
	longestExpiry = 12 * time.Hour
	tokenBudget   = 10 * time.Second
)

type token struct {
	text string
	good time.Time // until when it is used
}

type tokenKey struct {
	realm, service, scope string
	credential            [sha256.Size]byte
}

func keyOf(c challenge, credential Credential) tokenKey {
	return tokenKey{c.realm, c.service, c.scope, credential.Fingerprint()}
}

// forgetToken drops the token that was refused, not one that came since.
func (t *Transport) forgetToken(c challenge, credential Credential, header string) {
	key := keyOf(c, credential)
	if known, ok := t.tokens.get(key); ok && "Bearer "+known.text == header {
		t.tokens.drop(key)
	}
}

// authorization returns the header by which a credential meets a challenge,
// and whether it comes from memory. A credential that cannot meet it is
// refused here, without being shown to anybody.
func (t *Transport) authorization(ctx context.Context, target *url.URL, c challenge,
	credential Credential) (header string, cached bool, err error) {
	switch {
	case c.open():
		return "", false, nil
	case c.basic:
		if credential.Username == "" {
			return "", false, refusal(target, http.StatusUnauthorized, nil)
		}
		return basicHeader(credential), false, nil
	}
	key := keyOf(c, credential)
	if known, ok := t.tokens.get(key); ok && t.now().Before(known.good) {
		return "Bearer " + known.text, true, nil
	}
	realm, err := url.Parse(c.realm)
	if err != nil {
		return "", false, &Error{Kind: Challenge, URL: bare(target), Err: err}
	}
	if err, _ := mayVisit(target, realm); err != nil {
		return "", false, err
	}
	name := fmt.Sprintf("%q", key)
	got, err := t.fetching.Do(ctx, name, tokenBudget, func(ctx context.Context) (token, error) {
		got, err := t.fetchToken(t.watch(ctx, target, realm), realm, c, credential)
		if err == nil {
			t.tokens.put(key, got, c.size()+len(got.text))
		}
		return got, err
	})
	if err != nil {
		return "", false, err
	}
	return "Bearer " + got.text, false, nil
}

// fetchToken asks the token service in the ways it may understand.
func (t *Transport) fetchToken(ctx context.Context, realm *url.URL, c challenge, credential Credential) (token, error) {
	if credential.IdentityToken != "" {
		got, err := t.postToken(ctx, realm, c, url.Values{
			"grant_type": {"refresh_token"}, "refresh_token": {credential.IdentityToken}})
		if credential.Password == "" || refusedWith(err) == 0 {
			return got, err
		}
	}
	if credential.anonymous() {
		return t.getToken(ctx, realm, c, "")
	}
	ask := func(method string) (token, error) {
		if method == http.MethodGet {
			return t.getToken(ctx, realm, c, basicHeader(credential))
		}
		return t.postToken(ctx, realm, c, url.Values{"grant_type": {"password"},
			"username": {credential.Username}, "password": {credential.Password}})
	}
	if worked, ok := t.methods.get(c.realm); ok {
		got, err := ask(worked)
		switch refusedWith(err) {
		default:
			return got, err
		case http.StatusNotFound, http.StatusMethodNotAllowed: // it works no more
			t.methods.drop(c.realm)
		}
	}
	got, err := ask(http.MethodGet)
	if err == nil {
		t.methods.put(c.realm, http.MethodGet, len(c.realm))
	}
	if refusedWith(err) == 0 {
		return got, err
	}
	if got, postErr := ask(http.MethodPost); postErr == nil {
		t.methods.put(c.realm, http.MethodPost, len(c.realm))
		return got, nil
	}
	return token{}, err
}

// refusedWith is the status by which a token service refused a credential, or
// 0 if it did not.
func refusedWith(err error) int {
	var refused *Error
	if errors.As(err, &refused) && refused.Kind == Refused {
		return refused.Status
	}
	return 0
}

func (t *Transport) getToken(ctx context.Context, realm *url.URL, c challenge, authorization string) (token, error) {
	to := *realm
	query := to.Query()
	if c.service != "" {
		query.Set("service", c.service)
	}
	if c.scope != "" {
		query["scope"] = strings.Fields(c.scope)
	}
	to.RawQuery = query.Encode()
	return t.askToken(ctx, &to, http.MethodGet, "", authorization)
}

func (t *Transport) postToken(ctx context.Context, realm *url.URL, c challenge, form url.Values) (token, error) {
	form.Set("client_id", clientID)
	form.Set("service", c.service)
	if c.scope != "" {
		form.Set("scope", c.scope)
	}
	return t.askToken(ctx, realm, http.MethodPost, form.Encode(), "")
}

// askToken makes one request to a token service. It never follows a redirect:
// a credential is for the realm that was named.
func (t *Transport) askToken(ctx context.Context, to *url.URL, method, form, authorization string) (token, error) {
	for retries := 0; ; {
		request, err := http.NewRequestWithContext(ctx, method, to.String(), strings.NewReader(form))
		if err != nil {
			return token{}, &Error{Kind: Invalid, URL: bare(to), Err: err}
		}
		if form != "" {
			request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		} else {
			request.Body, request.ContentLength = http.NoBody, 0
		}
		if authorization != "" {
			request.Header.Set("Authorization", authorization)
		}
		answer, err := t.send(request, maxToken)
		if err != nil {
			return token{}, err
		}
		switch status := answer.Status; {
		case status == http.StatusTooManyRequests && retries < maxRetries && t.wait(ctx, answer):
			retries++
		case status == http.StatusUnauthorized, status == http.StatusForbidden,
			status == http.StatusNotFound, status == http.StatusMethodNotAllowed,
			status == http.StatusBadRequest && method == http.MethodPost:
			return token{}, refusal(to, status,
				fmt.Errorf("its token service answered %d to %s", status, method))
		case status < 200 || status > 299:
			return token{}, &Error{Kind: Status, URL: bare(to), Status: status}
		default:
			return t.readToken(to, answer.Body)
		}
	}
}

func (t *Transport) readToken(from *url.URL, body []byte) (token, error) {
	var got struct {
		Token       string `json:"token"`
		AccessToken string `json:"access_token"`
		ExpiresIn   any    `json:"expires_in"`
	}
	if err := json.Unmarshal(body, &got); err != nil {
		return token{}, &Error{Kind: Garbage, URL: bare(from), Err: errors.New("no JSON with a token")}
	}
	text := got.Token
	if text == "" {
		text = got.AccessToken
	}
	if text == "" {
		return token{}, refusal(from, http.StatusOK, errors.New("its token service gave an empty token"))
	}
	for _, c := range []byte(text) {
		if c <= ' ' || c > '~' {
			return token{}, &Error{Kind: Garbage, URL: bare(from), Err: errors.New("a token with characters no token has")}
		}
	}
	life := defaultExpiry
	if seconds, _ := got.ExpiresIn.(float64); seconds > 0 {
		life = time.Duration(min(seconds, longestExpiry.Seconds()) * float64(time.Second))
	}
	return token{text: text, good: t.now().Add(life * 9 / 10)}, nil
}
