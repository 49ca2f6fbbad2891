// SPDX-License-Identifier: Apache-2.0

package trustserver_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/theupdateframework/notary/client"
	"github.com/theupdateframework/notary/passphrase"
	"github.com/theupdateframework/notary/trustpinning"
	"github.com/theupdateframework/notary/tuf/data"
	"golang.org/x/crypto/bcrypt"

	"opendev.org/starlingx/portieris-armada-app/lab/notary/internal/signing"
	"opendev.org/starlingx/portieris-armada-app/lab/notary/internal/tokens"
	"opendev.org/starlingx/portieris-armada-app/lab/notary/internal/trustserver"
)

const (
	gun    = "registry.local:9001/team/app"
	digest = "sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
)

// lab is one trust server for all tests: its metrics register once in a
// process.
var lab struct {
	server *httptest.Server
	ca     string
}

func TestMain(m *testing.M) {
	key, err := tokens.NewKey()
	if err != nil {
		panic(err)
	}
	hash, err := bcrypt.GenerateFromPassword([]byte("pa:ss"), bcrypt.MinCost)
	if err != nil {
		panic(err)
	}
	users := tokens.Users{"robot": string(hash)}
	mux := http.NewServeMux()
	lab.server = httptest.NewTLSServer(mux)
	mux.Handle("/service/token", &tokens.Service{Issuer: "issuer", Audience: "notary",
		Users: users, Key: key, PublicPrefix: "registry.local:9001/open/"})
	handler, err := trustserver.Handler(trustserver.TokenAuth{Realm: lab.server.URL + "/service/token",
		Service: "notary", Issuer: "issuer", Certificate: key.Certificate})
	if err != nil {
		panic(err)
	}
	mux.Handle("/", handler)
	dir, err := os.MkdirTemp("", "trustserver-*")
	if err != nil {
		panic(err)
	}
	lab.ca = filepath.Join(dir, "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: lab.server.Certificate().Raw})
	if err := os.WriteFile(lab.ca, text, 0o600); err != nil {
		panic(err)
	}
	code := m.Run()
	lab.server.Close()
	os.RemoveAll(dir)
	os.Exit(code)
}

func open(t *testing.T, gun, password string) *signing.Signer {
	t.Helper()
	s, err := signing.Open(signing.Config{Server: lab.server.URL, CAFile: lab.ca, Dir: t.TempDir(),
		User: "robot", Password: password}, gun)
	must(t, err)
	return s
}

// targets reads what the notary module's own client finds, by role and tag.
func targets(t *testing.T, gun string) map[string]string {
	t.Helper()
	repo, err := client.NewFileCachedRepository(t.TempDir(), data.GUN(gun), lab.server.URL,
		signing.Bearer(lab.server.Client().Transport, "robot", "pa:ss"),
		passphrase.ConstantRetriever(""), trustpinning.TrustPinConfig{})
	must(t, err)
	list, err := repo.GetAllTargetMetadataByName("")
	must(t, err)
	found := map[string]string{}
	for _, target := range list {
		found[target.Role.Name.String()+":"+target.Target.Name] = "sha256:" + hex.EncodeToString(target.Target.Hashes["sha256"])
	}
	return found
}

func TestPublishedTagsAreServedOfTargetsAndOfDelegations(t *testing.T) {
	s := open(t, gun, "pa:ss")
	must(t, s.Init(false))
	must(t, s.Sign("v1", digest))
	for _, role := range []string{"targets/alice", "targets/alice/deep"} {
		key, err := s.Key(role, role == "targets/alice/deep")
		must(t, err)
		must(t, s.Delegate(role, nil, key))
		must(t, s.Sign("v1", digest, role))
	}
	want := map[string]string{"targets:v1": digest, "targets/alice:v1": digest, "targets/alice/deep:v1": digest}
	if got := targets(t, gun); len(got) != len(want) || got["targets/alice/deep:v1"] != digest {
		t.Errorf("got %v", got)
	}
	must(t, s.Remove("v1"))
	if got := targets(t, gun); got["targets:v1"] != "" || got["targets/alice:v1"] != digest {
		t.Errorf("after the tag was removed from targets: %v", got)
	}
	must(t, s.Rotate("root"))
	must(t, s.Rotate("snapshot"))
	must(t, s.Sign("v2", digest))
	if got := targets(t, gun); got["targets:v2"] != digest {
		t.Errorf("after rotations: %v", got)
	}
	must(t, s.Delete())
	if answer := get(t, "/v2/"+gun+"/_trust/tuf/root.json"); answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a token the answer is %d", answer.StatusCode)
	}
}

func TestTheServerSignsTheSnapshotWhenItKeepsTheKey(t *testing.T) {
	s := open(t, gun+"/managed", "pa:ss")
	must(t, s.Init(true))
	must(t, s.Sign("v1", digest))
	must(t, s.Sign("v2", digest))
	if got := targets(t, gun+"/managed"); len(got) != 2 {
		t.Errorf("got %v", got)
	}
}

func TestPublishingIsForKnownUsersOnly(t *testing.T) {
	if err := open(t, gun+"/x", "wrong").Init(false); err == nil {
		t.Error("a wrong password published")
	}
	nobody, err := signing.Open(signing.Config{Server: lab.server.URL, CAFile: lab.ca, Dir: t.TempDir()},
		"registry.local:9001/open/app")
	must(t, err)
	if err := nobody.Init(false); err == nil {
		t.Error("nobody published to a repository that is open for reading")
	}
}

func TestWhatWasExpiredWhenItWasSignedIsNotPublished(t *testing.T) {
	s := open(t, gun+"/late", "pa:ss")
	must(t, s.Init(false))
	signing.Expire("targets", -time.Hour)
	defer signing.Expire("targets", 24*time.Hour)
	if err := s.Sign("v1", digest); err == nil {
		t.Error("expired targets were published")
	}
}

func TestUploadsThatAreNoTrustDataAreRefused(t *testing.T) {
	token := tokenFor(t, gun+"/bad")
	for name, parts := range map[string]map[string]string{
		"no part":       {},
		"no role":       {"": "{}"},
		"unknown role":  {"captain": "{}"},
		"no JSON":       {"root": "x"},
		"empty root":    {"root": "{}"},
		"root missing":  {"targets": "{}"},
		"path for role": {"targets/../root": "{}"},
	} {
		var body bytes.Buffer
		form := multipart.NewWriter(&body)
		for role, content := range parts {
			part, err := form.CreateFormFile("files", role)
			must(t, err)
			_, err = io.WriteString(part, content)
			must(t, err)
		}
		must(t, form.Close())
		r, err := http.NewRequest(http.MethodPost, lab.server.URL+"/v2/"+gun+"/bad/_trust/tuf/", &body)
		must(t, err)
		r.Header.Set("Content-Type", form.FormDataContentType())
		r.Header.Set("Authorization", "Bearer "+token)
		answer, err := lab.server.Client().Do(r)
		must(t, err)
		answer.Body.Close()
		if answer.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: the answer is %d", name, answer.StatusCode)
		}
	}
}

func TestHealthNeedsNoToken(t *testing.T) {
	if answer := get(t, "/_notary_server/health"); answer.StatusCode != http.StatusOK {
		t.Errorf("the answer is %d", answer.StatusCode)
	}
}

func tokenFor(t *testing.T, gun string) string {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, lab.server.URL+"/service/token?service=notary&scope=repository:"+gun+":push,pull", nil)
	must(t, err)
	r.SetBasicAuth("robot", "pa:ss")
	answer, err := lab.server.Client().Do(r)
	must(t, err)
	defer answer.Body.Close()
	var got struct{ Token string }
	must(t, json.NewDecoder(answer.Body).Decode(&got))
	return got.Token
}

func get(t *testing.T, path string) *http.Response {
	t.Helper()
	answer, err := lab.server.Client().Get(lab.server.URL + path)
	must(t, err)
	answer.Body.Close()
	return answer
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
