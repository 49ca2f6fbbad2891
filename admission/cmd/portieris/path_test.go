// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/certtest"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/kubetest"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/notarytest"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/observe"
)

func TestMain(m *testing.M) { notarytest.Main(m) }

const (
	gun    = "registry.local:9001/app"
	digest = "sha256:" +
		"1111111111111111111111111111111111111111111111111111111111111111"
)

// logged is a log that a test can read while it is written.
type logged struct {
	mutex sync.Mutex
	text  bytes.Buffer
}

func (l *logged) Write(line []byte) (int, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.text.Write(line)
}

func (l *logged) String() string {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.text.String()
}

// address finds an address in the line that tells of serving.
func (l *logged) address(name string) string {
	for line := range strings.Lines(l.String()) {
		var fields map[string]any
		if json.Unmarshal([]byte(line), &fields) == nil &&
			fields["msg"] == "serving" {
			address, _ := fields[name].(string)
			return address
		}
	}
	return ""
}

// put makes a file or exchanges it at one stroke, as the kubelet does: nobody
// reads half of it.
func put(t testing.TB, directory, name string, content []byte) {
	t.Helper()
	path := filepath.Join(directory, name)
	if err := errors.Join(os.WriteFile(path+".new", content, 0o600),
		os.Rename(path+".new", path)); err != nil {
		t.Fatal(err)
	}
}

// site is a cluster, a trust server, and the admission server between them.
type site struct {
	kube      *kubetest.Server
	host      string
	notary    *notarytest.Server
	directory string // of the server's certificates
	log       *logged
	stop      context.CancelFunc
	ended     chan error
}

func build(t *testing.T) *site {
	t.Helper()
	return buildOn(t, "127.0.0.1")
}

// buildOn lets all servers but the API server listen on one host.
func buildOn(t *testing.T, host string) *site {
	t.Helper()
	s := &site{kube: kubetest.Start(t), host: host, directory: t.TempDir(),
		log: &logged{}, ended: make(chan error, 1)}
	account := s.kube.Account(t)
	s.kube.CreatePolicyKinds(t)
	s.notary = notarytest.Start(t, notarytest.NewAuthority(t),
		"--listen", s.anyPort(), "--token-listen", s.anyPort())
	s.kube.Create(t, "apiVersion: v1\nkind: Namespace\n"+
		"metadata: {name: team}\n---\n"+
		pullSecret(notarytest.Password))
	chain, key := certtest.Pair(t, "first")
	put(t, s.directory, "tls.crt", chain)
	put(t, s.directory, "tls.key", key)
	put(t, s.directory, "ca.pem", s.notary.PEM)
	s.serve(t, account)
	s.admitThroughServer(t, chain)
	return s
}

// anyPort is the address of a listener that chooses its port.
func (s *site) anyPort() string { return net.JoinHostPort(s.host, "0") }

// pullSecret is a pull secret for the registry in the namespace of the tests.
func pullSecret(password string) string {
	return pullSecretFor("registry.local:9001", password)
}

func pullSecretFor(registry, password string) string {
	content, err := json.Marshal(map[string]any{"auths": map[string]any{
		registry: map[string]string{
			"username": notarytest.User, "password": password,
		}}})
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf(`apiVersion: v1
kind: Secret
metadata: {name: pull, namespace: team}
type: kubernetes.io/dockerconfigjson
data: {.dockerconfigjson: %s}
`, base64.StdEncoding.EncodeToString(content))
}

// serve runs the server as its command does, with the account's rights.
func (s *site) serve(t *testing.T, account *rest.Config) {
	t.Helper()
	kubeconfig := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters:
- {name: c, cluster: {server: "%s", insecure-skip-tls-verify: true}}
users:
- {name: u, user: {token: %s, as: "%s", as-groups: [%s]}}
contexts:
- {name: x, context: {cluster: c, user: u}}
current-context: x
`, account.Host, account.BearerToken, account.Impersonate.UserName,
		`"`+strings.Join(account.Impersonate.Groups, `", "`)+`"`)
	put(t, s.directory, "kubeconfig", []byte(kubeconfig))
	settings, err := parseSettings([]string{
		"--kubeconfig", filepath.Join(s.directory, "kubeconfig"),
		"--namespace", "portieris", "--exempt-namespaces", "kube-system",
		"--cert-dir", s.directory, "--linger", "0s",
		"--listen", s.anyPort(), "--metrics-listen", s.anyPort(),
		"--trust-freshness", "0s",
	}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	settings.reloadEvery = 10 * time.Millisecond
	log, err := observe.NewLog(s.log, "info")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	go func() {
		defer close(s.ended)
		s.ended <- serveUntil(ctx, settings, log)
	}()
	t.Cleanup(func() {
		stop()
		for range s.ended { // the next test may set the log of all
		}
	})
	kubetest.Eventually(t, "the server is ready", func() bool {
		status, _ := s.get("https://" + s.log.address("admission") +
			"/health/readiness")
		return status == http.StatusOK
	}, s.log.String)
}

// admitThroughServer makes the API server ask the server.
func (s *site) admitThroughServer(t *testing.T, chain []byte) {
	t.Helper()
	s.kube.Create(t, fmt.Sprintf(`apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {name: image-admission-config}
webhooks:
- name: trust.hooks.securityenforcement.admission.cloud.ibm.com
  clientConfig: {url: "https://%s/admit", caBundle: %s}
  failurePolicy: Fail
  sideEffects: NoneOnDryRun
  admissionReviewVersions: [v1]
  rules:
  - operations: [CREATE, UPDATE]
    apiGroups: ["", apps, batch]
    apiVersions: [v1]
    resources: [pods, deployments, jobs]
`, s.log.address("admission"), base64.StdEncoding.EncodeToString(chain)))
	s.becomes(t, pod("team", "never/admitted"), "NO-POLICY")
}

// get asks the server over a new connection.
func (s *site) get(url string) (int, *http.Response) {
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
		DisableKeepAlives: true,
	}}
	answer, err := client.Get(url)
	if err != nil {
		return 0, nil
	}
	defer answer.Body.Close()
	body, _ := io.ReadAll(answer.Body)
	answer.Body = io.NopCloser(bytes.NewReader(body))
	return answer.StatusCode, answer
}

func pod(namespace, image string) string {
	return fmt.Sprintf(`apiVersion: v1
kind: Pod
metadata: {generateName: p-, namespace: %s}
spec:
  imagePullSecrets: [{name: pull}]
  containers: [{name: c, image: "%s"}]
`, namespace, image)
}

// admitted returns the image of the container after the object was created,
// or why it was not.
func (s *site) admitted(object string, query ...string) (string, error) {
	answer, err := s.kube.Try(object, query...)
	if err != nil {
		return "", err
	}
	type container struct{ Image string }
	type podSpec struct{ Containers []container }
	var made struct {
		Spec struct {
			podSpec
			Template struct{ Spec podSpec }
		}
	}
	if err := json.Unmarshal(answer, &made); err != nil {
		return "", err
	}
	containers := append(made.Spec.Containers,
		made.Spec.Template.Spec.Containers...)
	return containers[0].Image, nil
}

func (s *site) policy(t *testing.T, namespace, signers string) {
	t.Helper()
	head := "kind: ClusterImagePolicy\nmetadata: {name: all}\n"
	if namespace != "" {
		head = "kind: ImagePolicy\nmetadata: {name: own, namespace: " +
			namespace + "}\n"
	}
	s.kube.Create(t, fmt.Sprintf(`apiVersion: portieris.cloud.ibm.com/v1
%sspec:
  repositories:
  - name: registry.local:9001/*
    policy:
      trust: {enabled: true, trustServer: "%s/", signerSecrets: [%s]}
`, head, s.notary.URL, signers))
}

// becomes waits until an image is admitted as another, or denied by a code.
func (s *site) becomes(t *testing.T, object, want string) {
	t.Helper()
	got := ""
	kubetest.Eventually(t, "decided "+want, func() bool {
		image, err := s.admitted(object, "dryRun", "All")
		got = image
		if err != nil {
			got = err.Error()
		}
		return got == want || strings.HasSuffix(got, "["+want+"]")
	}, func() string { return got })
}

// The whole path with real parts. What is said by one step is what the next
// one starts from, as on a system that lives.
func TestTheWholePath(t *testing.T) {
	s := build(t)
	signer := s.notary.Signer(t, gun).Init().Sign("v1", digest)
	byDigest := gun + "@" + digest
	s.policy(t, "", "")
	s.becomes(t, pod("team", gun+":v1"), byDigest)

	t.Run("a dry run pins nothing", func(t *testing.T) {
		if pins := s.pins(t); strings.Contains(pins, gun) {
			t.Errorf("the pins are %s", pins)
		}
	})
	t.Run("a signed image runs by its digest, and its root is pinned",
		func(t *testing.T) {
			image, err := s.admitted(pod("team", gun+":v1"))
			if err != nil || image != byDigest {
				t.Errorf("admitted as %q, %v", image, err)
			}
			if pins := s.pins(t); !strings.Contains(pins, gun) {
				t.Errorf("the pins are %s", pins)
			}
		})
	t.Run("so does the template of a deployment", func(t *testing.T) {
		image, err := s.admitted(deployment("team", gun+":v1"))
		if err != nil || image != byDigest {
			t.Errorf("admitted as %q, %v", image, err)
		}
	})
	t.Run("a pull secret that is changed counts", func(t *testing.T) {
		s.changePullSecret(t, "wrong")
		s.becomes(t, pod("team", gun+":v1"), "CREDENTIALS-REFUSED")
		s.changePullSecret(t, notarytest.Password)
		s.becomes(t, pod("team", gun+":v1"), byDigest)
	})
	t.Run("an unsigned image is denied with a sentence", func(t *testing.T) {
		_, err := s.admitted(pod("team", gun+":v2"))
		want := `admission webhook "trust.hooks.securityenforcement.` +
			`admission.cloud.ibm.com" denied the request: trust: policy ` +
			`denied the request: Deny "` + gun + `:v2", `
		if err == nil || !strings.HasPrefix(err.Error(), want) ||
			!strings.HasSuffix(err.Error(), "[NOT-SIGNED]") {
			t.Errorf("the error is %v, want %s...", err, want)
		}
	})
	t.Run("an exempt namespace is left alone", func(t *testing.T) {
		image, err := s.admitted(pod("kube-system", gun+":v2"))
		if err != nil || image != gun+":v2" {
			t.Errorf("admitted as %q, %v", image, err)
		}
	})
	t.Run("a namespace's own policy wants its signer", func(t *testing.T) {
		public := signer.Delegate("targets/alice")
		s.kube.Create(t, fmt.Sprintf(`apiVersion: v1
kind: Secret
metadata: {name: alice, namespace: team}
data: {name: %s, publicKey: %s}
`, base64.StdEncoding.EncodeToString([]byte("alice")),
			base64.StdEncoding.EncodeToString(public)))
		s.policy(t, "team", "{name: alice}")
		s.becomes(t, pod("team", gun+":v1"), "NOT-SIGNED-BY-SIGNER")
		signer.Sign("v1", digest, "targets/alice", "targets")
		s.becomes(t, pod("team", gun+":v1"), byDigest)
	})
	t.Run("an entry may want a cosign signature as well", func(t *testing.T) {
		s.kube.Create(t, fmt.Sprintf(`apiVersion: v1
kind: Namespace
metadata: {name: cosign}
---
apiVersion: v1
kind: Secret
metadata: {name: cosign, namespace: cosign}
data: {key: %s}
---
apiVersion: portieris.cloud.ibm.com/v1
kind: ImagePolicy
metadata: {name: own, namespace: cosign}
spec:
  repositories:
  - name: "*"
    policy:
      simple: {requirements: [{type: sigstoreSigned, keySecret: cosign}]}
`, base64.StdEncoding.EncodeToString(signer.Delegate("targets/bob"))))
		// Nobody serves this registry, which shows that it is asked.
		s.becomes(t, pod("cosign", "127.0.0.1:1/app:v1"),
			"REGISTRY-UNREACHABLE")
	})
	t.Run("an address that is no text ends a decision, not the server",
		func(t *testing.T) {
			s.kube.Create(t, `apiVersion: v1
kind: Namespace
metadata: {name: hostile}
---
apiVersion: portieris.cloud.ibm.com/v1
kind: ImagePolicy
metadata: {name: own, namespace: hostile}
spec:
  repositories:
  - name: "*"
    policy: {trust: {enabled: true, trustServer: "https://%ff.example.com"}}
`)
			s.becomes(t, pod("hostile", gun+":v1"), "TRUST-SERVER-ERROR")
		})
	t.Run("a broken CA bundle changes nothing, a new one does",
		func(t *testing.T) {
			put(t, s.directory, "ca.pem", []byte("garbage"))
			s.logs(t, "a changed file cannot be used")
			s.becomes(t, pod("team", gun+":v1"), byDigest)
			put(t, s.directory, "ca.pem", notarytest.NewAuthority(t).PEM)
			s.becomes(t, pod("team", gun+":v1"), "TRUST-SERVER-CERTIFICATE")
			put(t, s.directory, "ca.pem", s.notary.PEM)
			s.becomes(t, pod("team", gun+":v1"), byDigest)
		})
	t.Run("a renewed certificate is served", func(t *testing.T) {
		chain, key := certtest.Pair(t, "second")
		put(t, s.directory, "tls.crt", chain)
		put(t, s.directory, "tls.key", key)
		kubetest.Eventually(t, "the new certificate is served", func() bool {
			_, answer := s.get("https://" + s.log.address("admission") +
				"/health/liveness")
			return answer != nil && answer.TLS.PeerCertificates[0].
				Subject.CommonName == "second"
		}, s.log.String)
	})
	t.Run("the old counters count", func(t *testing.T) {
		_, answer := s.get("http://" + s.log.address("metrics") + "/metrics")
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"allow", "deny"} {
			zero := "portieris_pod_admission_decision_" + name + "_count 0\n"
			if bytes.Contains(text, []byte(zero)) {
				t.Errorf("nothing is counted by %s", zero)
			}
		}
	})
	t.Run("a certificate or password is not logged", func(t *testing.T) {
		if strings.Contains(s.log.String(), notarytest.Password) {
			t.Error("the password stands in the log")
		}
	})
	t.Run("the server stops when it is asked to", func(t *testing.T) {
		s.stop()
		select {
		case err := <-s.ended:
			if err != nil {
				t.Errorf("it ends with %v", err)
			}
		case <-time.After(time.Minute):
			t.Error("it does not end")
		}
	})
}

// Whatever befalls the trust server, nothing is admitted unverified, and what
// needs no trust server goes on.
func TestWithoutATrustServerOnlyExemptNamespacesGoOn(t *testing.T) {
	s := build(t)
	s.notary.Signer(t, gun).Init().Sign("v1", digest)
	s.policy(t, "", "")
	s.becomes(t, pod("team", gun+":v1"), gun+"@"+digest)
	s.notary.Stop()
	_, err := s.admitted(pod("team", gun+":v1"))
	if err == nil || !strings.HasSuffix(err.Error(),
		"[TRUST-SERVER-UNREACHABLE]") {
		t.Errorf("the error is %v", err)
	}
	if _, err := s.admitted(pod("kube-system", gun+":v1")); err != nil {
		t.Errorf("the exempt namespace is denied: %v", err)
	}
}

// changePullSecret puts another password into the pull secret.
func (s *site) changePullSecret(t *testing.T, password string) {
	t.Helper()
	var secret map[string]any
	if err := yaml.Unmarshal([]byte(pullSecret(password)), &secret); err !=
		nil {
		t.Fatal(err)
	}
	if _, err := s.kube.Do("PATCH", "/api/v1/namespaces/team/secrets/pull",
		"application/merge-patch+json", secret); err != nil {
		t.Fatal(err)
	}
}

// pins is all that is kept of root keys.
func (s *site) pins(t *testing.T) string {
	t.Helper()
	found, err := s.kube.Do("GET",
		"/api/v1/namespaces/portieris/configmaps", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(found)
}

func deployment(namespace, image string) string {
	return fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: %s}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      imagePullSecrets: [{name: pull}]
      containers: [{name: c, image: "%s"}]
`, namespace, image)
}

// logs waits until the log holds a text.
func (s *site) logs(t *testing.T, text string) {
	t.Helper()
	kubetest.Eventually(t, "the log says "+text, func() bool {
		return strings.Contains(s.log.String(), text)
	}, s.log.String)
}
