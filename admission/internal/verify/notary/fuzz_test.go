// SPDX-License-Identifier: Apache-2.0

package notary_test

import (
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"sync"
	"testing"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/notarytest"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/reason"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/registry"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/notary"
)

// FuzzTrustData changes one file of genuine trust data: whatever comes of it
// is a denial or the digest that was signed.
func FuzzTrustData(f *testing.F) {
	a := notarytest.NewAuthority(f)
	server := notarytest.StartOpen(f, a)
	const gun = "registry.local:9001/team/app"
	signer := server.Signer(f, gun).Init().Sign("v1", one)
	signer.Delegate("targets/alice")
	signer.Sign("v1", one, "targets/alice")

	var mu sync.Mutex
	genuine := map[string][]byte{} // by file name
	recording := server.Front(f, func(w http.ResponseWriter, r *http.Request, behind http.Handler) {
		answer := httptest.NewRecorder()
		behind.ServeHTTP(answer, r)
		mu.Lock()
		defer mu.Unlock()
		genuine[fileOf(r)] = answer.Body.Bytes()
		_, _ = w.Write(answer.Body.Bytes())
	})
	request := notary.Request{TrustServer: recording.URL, GUN: gun, Tag: "v1"}
	transport := registry.New(registry.Options{})
	if err := transport.SetCA(a.PEM); err != nil {
		f.Fatal(err)
	}
	if _, err := notary.New(notary.Options{Transport: transport}).Digest(f.Context(), request); err != nil {
		f.Fatal(err)
	}

	var changed string
	var content []byte
	fuzzed := a.Serve(f, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		name := fileOf(r)
		body, known := genuine[name]
		if strings.HasPrefix(name, changed) {
			body, known = content, true
		}
		if !known {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_, _ = w.Write(body)
	}))
	request.TrustServer = fuzzed.URL
	for name, body := range genuine {
		role, _, _ := strings.Cut(name, ".")
		f.Add(role, body)
		f.Add(role, []byte(strings.ReplaceAll(string(body), `"keyids"`, `"x"`)))
	}
	f.Add("root", []byte(`{"signed":{"_type":"Root","keys":{"a":null},"roles":{"root":null}},"signatures":[null]}`))

	f.Fuzz(func(t *testing.T, role string, body []byte) {
		mu.Lock()
		changed, content = role, body
		mu.Unlock()
		got, err := notary.New(notary.Options{Transport: transport}).Digest(t.Context(), request)
		if err == nil && got != one {
			t.Errorf("admitted as %s", got)
		}
		if code := reason.From(err).Code; err != nil && (code == reason.Internal || got != "") {
			t.Errorf("denied for %s with %q: %v", code, got, err)
		}
	})
}

func fileOf(r *http.Request) string { return path.Base(r.URL.Path) }
