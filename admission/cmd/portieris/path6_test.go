// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/notarytest"
)

// On a platform with IPv6 alone every address stands in brackets: in the name
// of the image, the policy, the pull secret, and of every server.
func TestTheWholePathOverIPv6(t *testing.T) {
	probe, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Skip("skipped: no IPv6 on this machine: ", err)
	}
	probe.Close()
	s := buildOn(t, "::1")
	registry, shown := s.registry(t)
	s.kube.Create(t, pulling("trusted", pullSecretFor("[fd00::1]:9001",
		notarytest.Password))+"---\n"+
		pulling("signed", pullSecretFor(registry, "secret")))
	const gun = "[fd00::1]:9001/team/app"
	signer := s.notary.Signer(t, gun).Init().Sign("v1", digest)
	s.kube.Create(t, fmt.Sprintf(`apiVersion: v1
kind: Secret
metadata: {name: cosign, namespace: team}
data: {key: %s}
---
apiVersion: portieris.cloud.ibm.com/v1
kind: ImagePolicy
metadata: {name: own, namespace: team}
spec:
  repositories:
  - name: "[fd00::1]:9001/*"
    policy: {trust: {enabled: true, trustServer: "%s"}}
  - name: "%s/*"
    policy:
      simple: {requirements: [{type: sigstoreSigned, keySecret: cosign}]}
`, base64.StdEncoding.EncodeToString(signer.Delegate("targets/bob")),
		s.notary.URL, registry))

	t.Run("a signed image runs by its digest, and its root is pinned",
		func(t *testing.T) {
			trusted := pulling("trusted", pod("team", gun+":v1"))
			s.becomes(t, trusted, gun+"@"+digest)
			if _, err := s.admitted(trusted); err != nil {
				t.Error(err)
			}
			if pins := s.pins(t); !strings.Contains(pins, gun) {
				t.Errorf("the pins are %s", pins)
			}
		})
	t.Run("an unsigned one is denied", func(t *testing.T) {
		s.becomes(t, pulling("trusted", pod("team", gun+":v2")), "NOT-SIGNED")
	})
	t.Run("so is one without its pull secret", func(t *testing.T) {
		s.becomes(t, pod("team", gun+":v1"), "NO-CREDENTIALS")
	})
	t.Run("its registry is asked with the pull secret", func(t *testing.T) {
		s.becomes(t, pulling("signed", pod("team", registry+"/app:v1")),
			"IMAGE-NOT-FOUND")
		if got := shown.Load(); got != notarytest.User+" secret" {
			t.Errorf("the registry was shown %q", got)
		}
	})
	t.Run("the metrics are served", func(t *testing.T) {
		status, _ := s.get("http://" + s.log.address("metrics") + "/metrics")
		if status != http.StatusOK {
			t.Errorf("the metrics answer %d", status)
		}
	})
}

// pulling is an object with another pull secret than the usual one.
func pulling(secret, object string) string {
	return strings.Replace(object, "name: pull", "name: "+secret, 1)
}

// registry is one without images that wants user and password.
func (s *site) registry(t *testing.T) (address string, shown *atomic.Value) {
	t.Helper()
	shown = &atomic.Value{}
	listener, err := net.Listen("tcp", s.anyPort())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(s.notary.Files())
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) {
			user, password, given := r.BasicAuth()
			if !given {
				w.Header().Set("WWW-Authenticate", "Basic")
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			shown.Store(user + " " + password)
			w.WriteHeader(http.StatusNotFound)
		}))
	_ = server.Listener.Close()
	server.Listener = listener
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	server.StartTLS()
	t.Cleanup(server.Close)
	return listener.Addr().String(), shown
}
