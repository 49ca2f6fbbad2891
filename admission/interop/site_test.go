// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	containers "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"golang.org/x/crypto/bcrypt"
	corev1 "k8s.io/api/core/v1"

	v1 "opendev.org/starlingx/portieris-armada-app/admission/api/v1"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/decision"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/notarytest"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/policy"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/registry"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/signed"
)

const (
	user     = "ci"
	password = "pa:ss w0rd"
)

// site is a registry that wants credentials, with a certificate of a private
// authority, and the judge that is configured for it.
type site struct {
	t         testing.TB
	authority *notarytest.Authority
	client    http.RoundTripper // for the tests' own requests
	host      string

	entry   v1.Policy
	secrets map[string][]byte // namespace/name to its key "key"
	// timestampers is the key "tsa.crt" of them all.
	timestampers []byte
	judge        *decision.Judge

	mutex sync.Mutex
	asked []string // hosts the judge has asked, one for each request
}

// newSite makes all but the registry.
func newSite(t testing.TB) *site {
	t.Helper()
	s := &site{t: t, authority: notarytest.NewAuthority(t), secrets: map[string][]byte{}}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(s.authority.PEM)
	client := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
	t.Cleanup(client.CloseIdleConnections)
	s.client = client
	transport := registry.New(registry.Options{Observe: func(e registry.Exchange) {
		s.mutex.Lock()
		defer s.mutex.Unlock()
		s.asked = append(s.asked, e.Host)
	}})
	check(t, transport.SetCA(s.authority.PEM))
	t.Cleanup(transport.CloseIdle)
	s.judge = &decision.Judge{Policies: s, Secrets: s, Signatures: &signed.Verifier{Transport: transport}}
	return s
}

// withReferrers is a registry that has the referrers API.
func withReferrers(t testing.TB) *site { return withPages(t, 100) }

// withPages is one that lists so many referrers in one answer.
func withPages(t testing.TB, size int) *site {
	s := newSite(t)
	s.host = strings.TrimPrefix(s.authority.Serve(t, wantsPassword(newRegistry(size))).URL, "https://")
	return s
}

// withoutReferrers is Debian's docker-registry, which has no referrers API.
func withoutReferrers(t testing.TB) *site {
	s := newSite(t)
	program, err := exec.LookPath("docker-registry")
	if err != nil {
		t.Skip("skipped: docker-registry is not installed")
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	check(t, err)
	dir := t.TempDir()
	passwords := filepath.Join(dir, "htpasswd")
	check(t, os.WriteFile(passwords, fmt.Appendf(nil, "%s:%s\n", user, hash), 0o600))
	certificate, key := s.authority.Files()
	s.host = freeAddress(t)
	config := filepath.Join(dir, "config.yml")
	check(t, os.WriteFile(config, fmt.Appendf(nil, `version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: %q}}
http: {addr: %q, tls: {certificate: %q, key: %q}}
auth: {htpasswd: {realm: interop, path: %q}}
`, dir+"/data", s.host, certificate, key, passwords), 0o600))
	command := exec.Command(program, "serve", config)
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	output := &strings.Builder{}
	command.Stdout, command.Stderr = output, output
	check(t, command.Start())
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
		if text := output.String(); t.Failed() {
			t.Logf("docker-registry said last:\n%s", text[max(0, len(text)-1000):])
		}
	})
	notarytest.Eventually(t, "docker-registry answers", func() bool {
		answer, err := s.client.RoundTrip(s.request(http.MethodGet, "/v2/"))
		if err != nil {
			return false
		}
		_ = answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
	return s
}

func freeAddress(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer listener.Close()
	return listener.Addr().String()
}

func wantsPassword(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u, p, _ := r.BasicAuth(); u != user || p != password {
			w.Header().Set("WWW-Authenticate", `Basic realm="interop"`)
			http.Error(w, "who are you", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// registries are the two kinds that signatures are kept in.
var registries = map[string]func(testing.TB) *site{
	"with the referrers API":    withReferrers,
	"without the referrers API": withoutReferrers,
}

func (s *site) request(method, path string) *http.Request {
	s.t.Helper()
	request, err := http.NewRequest(method, "https://"+s.host+path, nil)
	check(s.t, err)
	request.SetBasicAuth(user, password)
	return request
}

// options are those of the tests' own registry client.
func (s *site) options() []remote.Option {
	return []remote.Option{remote.WithTransport(s.client),
		remote.WithAuth(&authn.Basic{Username: user, Password: password})}
}

func (s *site) reference(image string) name.Reference {
	s.t.Helper()
	reference, err := name.ParseReference(s.host + "/" + image)
	check(s.t, err)
	return reference
}

// push stores a new image and returns its digest.
func (s *site) push(image string) containers.Hash {
	s.t.Helper()
	content, err := random.Image(256, 1)
	check(s.t, err)
	check(s.t, remote.Write(s.reference(image), content, s.options()...))
	digest, err := content.Digest()
	check(s.t, err)
	return digest
}

// pushIndex stores an image for two platforms and returns the digests of the
// whole and of one platform.
func (s *site) pushIndex(image string) (whole, platform containers.Hash) {
	s.t.Helper()
	index, err := random.Index(256, 1, 2)
	check(s.t, err)
	check(s.t, remote.WriteIndex(s.reference(image), index, s.options()...))
	whole, err = index.Digest()
	check(s.t, err)
	list, err := index.IndexManifest()
	check(s.t, err)
	return whole, list.Manifests[0].Digest
}

// requires makes the policy ask for a signature by any key of each text.
func (s *site) requires(kind v1.RequirementType, texts ...[]byte) {
	s.entry.Simple.Requirements = nil
	for i, text := range texts {
		secret := fmt.Sprintf("keys-%d", i)
		s.secrets["team/"+secret] = text
		s.entry.Simple.Requirements = append(s.entry.Simple.Requirements,
			v1.SimpleRequirement{Type: kind, KeySecret: secret})
	}
}

// decide judges one image of a pod in the namespace team.
func (s *site) decide(image string) decision.Decision {
	s.t.Helper()
	workload := decision.Workload{Namespace: "team", PullSecrets: []string{"pull"}}
	return s.judge.All(context.Background(), workload, []string{s.host + "/" + image})[0]
}

// admits fails unless the image may run, and runs by that digest.
func (s *site) admits(image string, digest containers.Hash) {
	s.t.Helper()
	got := s.decide(image)
	if got.Denial != nil {
		s.t.Errorf("%s is denied: %s", image, got.Sentence())
		return
	}
	if got.Digest != digest.String() {
		s.t.Errorf("%s is admitted as %s, want %s", image, got.Digest, digest)
	}
	if !strings.Contains(image, "@") && !strings.HasSuffix(got.Replacement, "@"+digest.String()) {
		s.t.Errorf("%s runs as %q", image, got.Replacement)
	}
}

// denies fails unless the image may not run, for that reason, and the
// sentence says so.
func (s *site) denies(image, code, sentence string) {
	s.t.Helper()
	got := s.decide(image)
	if got.Denial == nil {
		s.t.Errorf("%s is admitted as %s", image, got.Digest)
		return
	}
	if string(got.Denial.Code) != code || !strings.Contains(got.Sentence(), sentence) {
		s.t.Errorf("%s is denied as %s, not %s with %q: %s",
			image, got.Denial.Code, code, sentence, got.Sentence())
	}
}

// requests counts what the judge asks during do, and fails if it asks anybody
// but the registry.
func (s *site) requests(do func()) int {
	s.t.Helper()
	s.mutex.Lock()
	s.asked = nil
	s.mutex.Unlock()
	do()
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for _, host := range s.asked {
		if host != s.host {
			s.t.Errorf("the judge asked %s", host)
		}
	}
	return len(s.asked)
}

// Policies is the one entry, for every image.
func (s *site) Policies(namespace string) (policy.Set, error) {
	entry := s.entry
	return policy.Set{Namespace: namespace, Namespaced: []*v1.ImagePolicy{{
		Spec: v1.PolicySpec{Repositories: []v1.Repository{{Name: "*", Policy: &entry}}},
	}}}, nil
}

// Secret is the pull secret, the store's, or one with keys.
func (s *site) Secret(_ context.Context, namespace, secret string) (*corev1.Secret, error) {
	switch secret {
	case "pull":
		return &corev1.Secret{Type: corev1.SecretTypeDockerConfigJson, Data: map[string][]byte{
			corev1.DockerConfigJsonKey: fmt.Appendf(nil,
				`{"auths":{%q:{"username":%q,"password":%q}}}`, s.host, user, password)}}, nil
	case "store":
		return &corev1.Secret{Data: map[string][]byte{
			"username": []byte(user), "password": []byte(password)}}, nil
	}
	text, ok := s.secrets[namespace+"/"+secret]
	if !ok {
		return nil, nil
	}
	return &corev1.Secret{Data: map[string][]byte{
		"key": text, "tsa.crt": s.timestampers}}, nil
}

// AccountPullSecrets names none.
func (s *site) AccountPullSecrets(context.Context, string, string) ([]string, error) {
	return nil, nil
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
