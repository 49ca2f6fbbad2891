// SPDX-License-Identifier: Apache-2.0

package tokens

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

func newService(t *testing.T) *Service {
	t.Helper()
	key, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	hash, err := bcrypt.GenerateFromPassword([]byte("pa:ss"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(path, fmt.Appendf(nil, "# users\n\nrobot:%s\n", hash), 0o600); err != nil {
		t.Fatal(err)
	}
	users, err := ReadUsers(path)
	if err != nil {
		t.Fatal(err)
	}
	return &Service{Issuer: "i", Audience: "a", Users: users, Key: key, PublicPrefix: "r:9001/open/"}
}

func (s *Service) get(t *testing.T, query, user, password string) (int, map[string]any) {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/service/token?"+query, nil)
	if user != "" {
		r.SetBasicAuth(user, password)
	}
	return s.serve(t, r)
}

func (s *Service) post(t *testing.T, form url.Values) (int, map[string]any) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/service/token", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return s.serve(t, r)
}

func (s *Service) serve(t *testing.T, r *http.Request) (int, map[string]any) {
	t.Helper()
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	var answer map[string]any
	if w.Code == http.StatusOK {
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			t.Fatal(err)
		}
	}
	return w.Code, answer
}

// granted returns name and actions of each right in a token.
func granted(t *testing.T, token any) string {
	t.Helper()
	parts := strings.Split(fmt.Sprint(token), ".")
	if len(parts) != 3 {
		t.Fatalf("no token: %v", token)
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var c claims
	if err := json.Unmarshal(payload, &c); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, a := range c.Access {
		out = append(out, a.Name+"="+strings.Join(a.Actions, "+"))
	}
	return strings.Join(out, " ")
}

const private = "service=a&scope=repository:r:9001/x:pull,push"

func TestKnownUsersGetWhatTheyAskForByGETAndByPOST(t *testing.T) {
	s := newService(t)
	_, answer := s.get(t, private, "robot", "pa:ss")
	if got := granted(t, answer["token"]); got != "r:9001/x=pull+push" {
		t.Errorf("GET granted %q", got)
	}
	form := url.Values{"grant_type": {"password"}, "service": {"a"}, "username": {"robot"},
		"password": {"pa:ss"}, "scope": {"repository:r:9001/x:pull"}, "access_type": {"offline"}}
	_, answer = s.post(t, form)
	if got := granted(t, answer["access_token"]); got != "r:9001/x=pull" {
		t.Errorf("POST granted %q", got)
	}
	_, answer = s.post(t, url.Values{"grant_type": {"refresh_token"}, "service": {"a"},
		"refresh_token": {fmt.Sprint(answer["refresh_token"])}, "scope": {"repository:r:9001/x:pull"}})
	if got := granted(t, answer["access_token"]); got != "r:9001/x=pull" {
		t.Errorf("the identity token granted %q", got)
	}
}

func TestNobodyGetsATokenWithoutRightsButForOpenRepositories(t *testing.T) {
	s := newService(t)
	_, answer := s.get(t, private+"&scope=repository:r:9001/open/y:pull,push&scope=nonsense", "", "")
	if got := granted(t, answer["token"]); got != "r:9001/x= r:9001/open/y=pull" {
		t.Errorf("granted %q", got)
	}
}

func TestWhatIsWrongIsRefused(t *testing.T) {
	s := newService(t)
	for name, got := range map[string]func() (int, map[string]any){
		"wrong password": func() (int, map[string]any) { return s.get(t, private, "robot", "no") },
		"unknown user":   func() (int, map[string]any) { return s.get(t, private, "x", "pa:ss") },
		"wrong identity token": func() (int, map[string]any) {
			return s.post(t, url.Values{"grant_type": {"refresh_token"}, "service": {"a"}, "refresh_token": {"x"}})
		},
	} {
		if code, _ := got(); code != http.StatusUnauthorized {
			t.Errorf("%s: %d", name, code)
		}
	}
	if code, _ := s.get(t, "service=other", "robot", "pa:ss"); code != http.StatusBadRequest {
		t.Errorf("another service: %d", code)
	}
	if code, _ := s.post(t, url.Values{"grant_type": {"magic"}, "service": {"a"}}); code != http.StatusBadRequest {
		t.Errorf("unknown grant: %d", code)
	}
	if code, _ := s.serve(t, httptest.NewRequest(http.MethodPut, "/", nil)); code != http.StatusMethodNotAllowed {
		t.Errorf("PUT: %d", code)
	}
}

func TestAUserFileWithOtherHashesIsExplained(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(path, []byte("robot:{SHA}x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadUsers(path); err == nil || !strings.Contains(err.Error(), "htpasswd -B") {
		t.Errorf("got %v", err)
	}
	if _, err := ReadUsers(path + "x"); err == nil {
		t.Error("a missing file was read")
	}
}
