// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Kind is what went wrong, for callers that choose a reason by it.
type Kind int

// The kinds of failure.
const (
	Invalid     Kind = iota + 1 // the URL cannot be used
	Unreachable                 // no connection
	Timeout                     // no answer in time
	Certificate                 // the peer's certificate is not trusted
	Forbidden                   // an answer points where this server does not go
	Challenge                   // 401 without a challenge that can be met
	Missing                     // credentials are wanted and there are none
	Refused                     // every credential was refused
	Status                      // any other status than 2xx
	Garbage                     // an answer that cannot be read
	TooLarge                    // an answer beyond the limit
)

// Error says what was asked, and what came back instead of an answer.
type Error struct {
	Kind   Kind
	URL    string        // scheme, host and path, cut short: no query, no user
	Status int           // for Status, Missing and Refused
	After  time.Duration // for Timeout
	Tried  []string      // for Refused: where the credentials came from
	Err    error
}

func (e *Error) Error() string {
	switch e.Kind {
	case Invalid:
		return fmt.Sprintf("the URL %q cannot be used: %v", e.URL, e.Err)
	case Unreachable:
		return fmt.Sprintf("cannot connect to %s: %v", origin(e.URL), e.Err)
	case Timeout:
		return fmt.Sprintf("%s did not answer within %s", origin(e.URL), round(e.After))
	case Certificate:
		return fmt.Sprintf("the certificate of %s is not trusted: %v", origin(e.URL), e.Err)
	case Forbidden:
		return fmt.Sprintf("an answer points to %s, where this server does not go: %v", e.URL, e.Err)
	case Challenge:
		return fmt.Sprintf("%s wants credentials but names no token service: %v", origin(e.URL), e.Err)
	case Missing:
		return fmt.Sprintf("%s wants credentials and none were given", origin(e.URL))
	case Refused:
		text := fmt.Sprintf("%s refused the credentials of %s", origin(e.URL), strings.Join(e.Tried, ", "))
		if e.Err != nil {
			text += fmt.Sprintf(" (%v)", e.Err)
		}
		return text
	case Status:
		return fmt.Sprintf("%s answered %d %s", e.URL, e.Status, http.StatusText(e.Status))
	case TooLarge:
		return fmt.Sprintf("the answer of %s is too large: %v", e.URL, e.Err)
	default:
		return fmt.Sprintf("the answer of %s cannot be read: %v", e.URL, e.Err)
	}
}

// For is the error as it is told to one of those who share an answer: their
// credentials are the same and may come from different places, of which none
// is another's business.
func (e *Error) For(credentials []Credential) *Error {
	mine := *e
	mine.Tried = nil
	if len(e.Tried) > 0 {
		for _, credential := range credentials {
			if !credential.anonymous() {
				mine.Tried = append(mine.Tried, credential.source())
			}
		}
	}
	return &mine
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// failure turns what net/http returns into an Error.
func failure(ctx context.Context, target *url.URL, started time.Time, err error) error {
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	e := &Error{Kind: Unreachable, URL: bare(target), Err: unwrapURL(err)}
	var timeout net.Error
	var untrusted *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case ctx.Err() != nil, errors.As(err, &timeout) && timeout.Timeout():
		e.Kind, e.After = Timeout, time.Since(started)
	case errors.As(err, &untrusted), errors.As(err, &unknown),
		errors.As(err, &name), errors.As(err, &invalid):
		e.Kind = Certificate
	}
	return e
}

// unwrapURL drops the layer that repeats method and URL with its query.
func unwrapURL(err error) error {
	var layer *url.Error
	if errors.As(err, &layer) {
		return layer.Err
	}
	return err
}

// bare is what a message shows of a URL. Servers choose realms and where they
// redirect to, at any length.
func bare(u *url.URL) string {
	const most = 1000
	text := (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
	if len(text) > most {
		text = text[:most] + "..."
	}
	return text
}

// origin returns scheme and host of a URL.
func origin(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return text
	}
	return u.Scheme + "://" + u.Host
}

func round(d time.Duration) time.Duration {
	if d > time.Second {
		return d.Round(100 * time.Millisecond)
	}
	return d.Round(time.Millisecond)
}
