// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// challenge is what a server wants: a bearer token from a token service, or
// user name and password for itself. The zero value means nothing.
type challenge struct {
	basic                 bool
	realm, service, scope string
}

func (c challenge) open() bool { return c == challenge{} }

func (c challenge) size() int { return len(c.realm) + len(c.service) + len(c.scope) }

// chooseChallenge picks from the WWW-Authenticate headers of a 401 the one to
// meet: a usable Bearer, else Basic.
func chooseChallenge(headers []string) (challenge, error) {
	var problem = errors.New("no WWW-Authenticate header")
	var basic bool
	for _, header := range headers {
		for _, c := range parseChallenges(header) {
			switch strings.ToLower(c.scheme) {
			case "basic":
				basic = true
			case "bearer":
				if err := checkRealm(c.params["realm"]); err != nil {
					problem = err
					continue
				}
				return challenge{realm: c.params["realm"],
					service: c.params["service"], scope: c.params["scope"]}, nil
			default:
				problem = fmt.Errorf("the scheme %.40q is not known", c.scheme)
			}
		}
	}
	if basic {
		return challenge{basic: true}, nil
	}
	return challenge{}, problem
}

func checkRealm(realm string) error {
	if realm == "" {
		return errors.New("the challenge has no realm")
	}
	u, err := url.Parse(realm)
	if err != nil || u.Host == "" {
		return fmt.Errorf("the realm %.200q is no URL", realm)
	}
	if u.Scheme != "https" {
		return fmt.Errorf("the realm %.200q is not https", realm)
	}
	return nil
}

type rawChallenge struct {
	scheme string
	params map[string]string
}

// parseChallenges reads one header, which may hold several challenges:
// scheme, then name=value or name="value" with commas between (RFC 9110,
// section 11). What does not parse ends the reading: the rest is left out.
func parseChallenges(header string) []rawChallenge {
	var found []rawChallenge
	p := &scanner{rest: header}
	for {
		p.skip(", \t")
		word := p.token()
		if word == "" {
			return found
		}
		p.skip(" \t")
		if !p.next('=') {
			found = append(found, rawChallenge{word, map[string]string{}})
			continue
		}
		if len(found) == 0 {
			return nil
		}
		p.skip(" \t")
		value, ok := p.value()
		if !ok {
			return found
		}
		params := found[len(found)-1].params
		name := strings.ToLower(word)
		if _, twice := params[name]; !twice {
			params[name] = value
		}
	}
}

type scanner struct{ rest string }

func (s *scanner) skip(set string) { s.rest = strings.TrimLeft(s.rest, set) }

func (s *scanner) next(c byte) bool {
	if s.rest == "" || s.rest[0] != c {
		return false
	}
	s.rest = s.rest[1:]
	return true
}

func (s *scanner) token() string {
	end := strings.IndexFunc(s.rest, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune(`,="`, r)
	})
	if end < 0 {
		end = len(s.rest)
	}
	word := s.rest[:end]
	s.rest = s.rest[end:]
	return word
}

func (s *scanner) value() (string, bool) {
	if !s.next('"') {
		// Unquoted values are tokens; some servers leave URLs unquoted.
		end := strings.IndexAny(s.rest, ", \t\"")
		if end < 0 {
			end = len(s.rest)
		}
		value := s.rest[:end]
		s.rest = s.rest[end:]
		return value, value != ""
	}
	var out strings.Builder
	for i := 0; i < len(s.rest); i++ {
		switch s.rest[i] {
		case '"':
			s.rest = s.rest[i+1:]
			return out.String(), true
		case '\\':
			if i++; i == len(s.rest) {
				return "", false
			}
			out.WriteByte(s.rest[i])
		default:
			out.WriteByte(s.rest[i])
		}
	}
	return "", false
}
