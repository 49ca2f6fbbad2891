// SPDX-License-Identifier: Apache-2.0

// Package tokens is a token service as the distribution specification has
// it: GET with Basic and the OAuth2 form POST. Known users get every action
// they ask for, all others a token without actions. It never logs a secret.
package tokens

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// lifetime of a token. A minute short of the client's 90 % of it is plenty
// for a publication.
const lifetime = 5 * time.Minute

// Service answers token requests.
type Service struct {
	Issuer, Audience string
	Users            Users
	Key              *Key
	// PublicPrefix opens the repositories whose name begins with it for
	// pulling without credentials. Empty opens none.
	PublicPrefix string
}

type access struct {
	Type    string   `json:"type"`
	Name    string   `json:"name"`
	Actions []string `json:"actions"`
}

// ServeHTTP answers both forms of the request.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	user, password, given := r.BasicAuth()
	var scopes []string
	var audience string
	switch r.Method {
	case http.MethodGet:
		scopes, audience = r.URL.Query()["scope"], r.URL.Query().Get("service")
	case http.MethodPost:
		r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
		if err := r.ParseForm(); err != nil {
			http.Error(w, `{"error":"invalid_request"}`, http.StatusBadRequest)
			return
		}
		scopes, audience = r.PostForm["scope"], r.PostForm.Get("service")
		switch r.PostForm.Get("grant_type") {
		case "password":
			user, password, given = r.PostForm.Get("username"), r.PostForm.Get("password"), true
		case "refresh_token":
			user, password, given = s.Key.openRefresh(r.PostForm.Get("refresh_token"))
		default:
			http.Error(w, `{"error":"unsupported_grant_type"}`, http.StatusBadRequest)
			return
		}
	default:
		w.Header().Set("Allow", "GET, POST")
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	if audience != s.Audience {
		http.Error(w, `{"error":"unknown service"}`, http.StatusBadRequest)
		return
	}
	if given && !s.Users.Accept(user, password) {
		w.Header().Set("WWW-Authenticate", `Basic realm="tokens"`)
		http.Error(w, `{"error":"wrong user name or password"}`, http.StatusUnauthorized)
		return
	}
	s.issue(w, r, user, password, given, scopes)
}

func (s *Service) issue(w http.ResponseWriter, r *http.Request, user, password string, known bool, scopes []string) {
	now := time.Now()
	token, err := s.Key.sign(claims{
		Issuer: s.Issuer, Audience: s.Audience, Subject: user,
		Expires: now.Add(lifetime).Unix(), NotBefore: now.Add(-time.Minute).Unix(),
		IssuedAt: now.Unix(), ID: randomID(), Access: s.grant(known, scopes),
	})
	if err != nil {
		http.Error(w, `{"error":"cannot sign"}`, http.StatusInternalServerError)
		return
	}
	answer := map[string]any{
		"token": token, "expires_in": int(lifetime.Seconds()),
		"issued_at": now.UTC().Format(time.RFC3339),
	}
	if r.Method == http.MethodPost {
		delete(answer, "token")
		answer["access_token"] = token
	}
	offline := r.URL.Query().Get("offline_token") == "true" || r.PostForm.Get("access_type") == "offline"
	if known && offline {
		answer["refresh_token"] = s.Key.sealRefresh(user, password)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer) // the client went away: nothing to tell it
}

// grant turns scopes (type:name:actions, where the name may hold colons) into
// rights. What nobody may do is granted as an empty list, as registries do.
func (s *Service) grant(known bool, scopes []string) []access {
	granted := []access{}
	for _, scope := range strings.Fields(strings.Join(scopes, " ")) {
		first, last := strings.Index(scope, ":"), strings.LastIndex(scope, ":")
		if first < 0 || first == last {
			continue
		}
		right := access{Type: scope[:first], Name: scope[first+1 : last], Actions: []string{}}
		switch {
		case known:
			right.Actions = strings.Split(scope[last+1:], ",")
		case s.PublicPrefix != "" && strings.HasPrefix(right.Name, s.PublicPrefix):
			right.Actions = []string{"pull"}
		}
		granted = append(granted, right)
	}
	return granted
}
