// SPDX-License-Identifier: Apache-2.0

// Package notarytest runs the lab's trust server for tests and signs at it.
// It never stands in for one: what it starts is a real Notary v1 server.
package notarytest

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/leaktest"
)

// User and Password are whom a server started here knows.
const (
	User     = "robot$portieris"
	Password = "pa:ss w0rd"

	passwordHash = `$2a$05$ccKoI.kM.0S/sD4vhAfAUeO5E5f2CYXGwKNbHJXr885wVdYx.5EBa`
)

var build struct {
	once sync.Once
	dir  string
	err  error
}

// Main runs the tests and removes what was built for them.
func Main(m *testing.M) {
	code := leaktest.Run(m)
	if build.dir != "" {
		os.RemoveAll(build.dir)
	}
	os.Exit(code)
}

// binary builds the lab's programs once and returns the path of one.
func binary(t testing.TB, name string) string {
	t.Helper()
	build.once.Do(func() {
		if build.dir, build.err = os.MkdirTemp("", "notarytest-*"); build.err != nil {
			return
		}
		_, here, _, _ := runtime.Caller(0)
		module := filepath.Join(filepath.Dir(here), "..", "..", "..", "lab", "notary")
		command := exec.Command("go", "build", "-C", module, "-o", build.dir+"/", "./cmd/...")
		command.Env = append(os.Environ(), "GOFLAGS=", "CGO_ENABLED=0")
		if out, err := command.CombinedOutput(); err != nil {
			build.err = fmt.Errorf("build the trust server: %v\n%s", err, out)
		}
	})
	if build.err != nil {
		t.Fatal(build.err)
	}
	return filepath.Join(build.dir, name)
}

// Authority is a CA for one test with one certificate for 127.0.0.1 and ::1.
type Authority struct {
	PEM  []byte
	pair tls.Certificate
	dir  string
}

// NewAuthority makes a CA.
func NewAuthority(t testing.TB) *Authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: "test authority"},
		NotBefore:    time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(0, 0, 2),
		IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv4(127, 0, 0, 2), net.IPv6loopback},
		DNSNames:    []string{"trust.example.com"},
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	check(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	check(t, err)
	a := &Authority{
		PEM:  pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}),
		pair: tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key},
		dir:  t.TempDir(),
	}
	check(t, os.WriteFile(a.file("tls.crt"), a.PEM, 0o600))
	check(t, os.WriteFile(a.file("tls.key"),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
	return a
}

func (a *Authority) file(name string) string { return filepath.Join(a.dir, name) }

// Files returns where its certificate and key are, for programs of others.
func (a *Authority) Files() (certificate, key string) {
	return a.file("tls.crt"), a.file("tls.key")
}

// Serve runs a handler over TLS for the length of the test.
func (a *Authority) Serve(t testing.TB, handler http.Handler) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(handler)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{a.pair}, MinVersion: tls.VersionTLS12}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// Front runs, for the length of the test, a server that hands each request to
// handle, which may answer itself or let the server behind answer.
func (s *Server) Front(t testing.TB, handle func(w http.ResponseWriter, r *http.Request, behind http.Handler)) *httptest.Server {
	t.Helper()
	target, err := url.Parse(s.URL)
	check(t, err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(s.PEM)
	connections := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	t.Cleanup(connections.CloseIdleConnections)
	behind := &httputil.ReverseProxy{
		Transport: connections,
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target) },
	}
	return s.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handle(w, r, behind)
	}))
}

// Issue hands out tokens of the server's token service, as registrytest wants
// it: to whom it knows, and a token without rights to others.
func (s *Server) Issue(t testing.TB) func(user, password, service string, scopes []string) (string, bool) {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(s.PEM)
	connections := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	t.Cleanup(connections.CloseIdleConnections)
	ask := func(user, password, query string) (token string, ok bool) {
		r, err := http.NewRequest(http.MethodGet, s.Tokens+"?"+query, nil)
		if err == nil && user != "" {
			r.SetBasicAuth(user, password)
		}
		if err != nil {
			return "", false
		}
		answer, err := connections.RoundTrip(r)
		if err != nil {
			t.Error(err)
			return "", false
		}
		defer answer.Body.Close()
		var got struct{ Token string }
		err = json.NewDecoder(answer.Body).Decode(&got)
		return got.Token, err == nil && answer.StatusCode == http.StatusOK
	}
	return func(user, password, service string, scopes []string) (string, bool) {
		query := url.Values{"service": {service}, "scope": scopes}.Encode()
		if user != "" {
			if token, ok := ask(user, password, query); ok {
				return token, true
			}
		}
		token, _ := ask("", "", query)
		return token, false
	}
}

// Server is a running trust server.
type Server struct {
	URL    string
	Tokens string // the token service, empty without one
	*Authority
	t       testing.TB
	process *exec.Cmd
	ended   chan struct{}
}

// Start runs a trust server whose token service knows User. More flags of
// notary-server serve may follow.
func Start(t testing.TB, a *Authority, flags ...string) *Server {
	t.Helper()
	users := a.file("users")
	check(t, os.WriteFile(users, []byte(User+":"+passwordHash+"\n"), 0o600))
	return StartOpen(t, a, append([]string{"--token-listen", "127.0.0.1:0", "--htpasswd", users}, flags...)...)
}

// StartOpen runs a trust server that wants no credentials.
func StartOpen(t testing.TB, a *Authority, flags ...string) *Server {
	t.Helper()
	args := append([]string{"serve", "--listen", "127.0.0.1:0", "--log-level", "error",
		"--tls-cert", a.file("tls.crt"), "--tls-key", a.file("tls.key")}, flags...)
	s := &Server{Authority: a, t: t, process: exec.Command(binary(t, "notary-server"), args...),
		ended: make(chan struct{})}
	var log bytes.Buffer
	s.process.Stderr = &log
	s.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := s.process.StdoutPipe()
	check(t, err)
	check(t, s.process.Start())
	line, err := bufio.NewReader(out).ReadBytes('\n')
	go func() {
		_ = s.process.Wait() // killed at the end: its status says nothing
		close(s.ended)
	}()
	t.Cleanup(s.Stop)
	var announced struct{ Server, Tokens string }
	if err == nil {
		err = json.Unmarshal(line, &announced)
	}
	if err != nil {
		<-s.ended
		t.Fatalf("notary-server did not start: %v\n%s", err, log.String())
	}
	s.URL, s.Tokens = announced.Server, announced.Tokens
	return s
}

// Stop ends the server and waits until it is gone.
func (s *Server) Stop() {
	select {
	case <-s.ended:
		return
	default:
	}
	s.signal(syscall.SIGKILL)
	<-s.ended
}

// Pause silences the server: connections stay, answers do not come.
func (s *Server) Pause() {
	s.signal(syscall.SIGSTOP)
	Eventually(s.t, "every thread of the server is stopped", func() bool {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", s.process.Process.Pid))
		for _, thread := range threads {
			stat, readErr := os.ReadFile(thread)
			_, state, _ := strings.Cut(string(stat), ") ")
			if readErr != nil || !strings.HasPrefix(state, "T") {
				return false
			}
		}
		return err == nil && len(threads) > 0
	})
}

// Resume ends a pause.
func (s *Server) Resume() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(signal syscall.Signal) {
	if err := s.process.Process.Signal(signal); err != nil && err != os.ErrProcessDone {
		s.t.Error(err)
	}
}

// Signer signs one repository.
type Signer struct {
	t           testing.TB
	server, gun string
	tokens      string
	ca, dir     string
	flags       []string
}

// Signer returns a signer with its own keys. Nothing is published yet.
func (s *Server) Signer(t testing.TB, gun string) *Signer {
	t.Helper()
	return &Signer{t: t, server: s.URL, tokens: s.Tokens, gun: gun, ca: s.file("tls.crt"), dir: t.TempDir()}
}

// Expiring returns a signer with the same keys of which each signature is
// valid for a time only; each argument has the form ROLE=DURATION.
func (s *Signer) Expiring(roles ...string) *Signer {
	short := *s
	short.flags = nil
	for _, role := range roles {
		short.flags = append(short.flags, "--expire", role)
	}
	return &short
}

// Limited returns a signer with the same keys that delegates only tags with a
// prefix.
func (s *Signer) Limited(prefix string) *Signer {
	limited := *s
	limited.flags = []string{"--path", prefix}
	return &limited
}

// Try runs one verb of notary-sign and returns what it prints.
func (s *Signer) Try(verb string, args ...string) ([]byte, error) {
	command := exec.Command(binary(s.t, "notary-sign"), append(append([]string{
		"--server", s.server, "--ca", s.ca, "--dir", s.dir, "--user", User, "--realm", s.tokens},
		s.flags...), append([]string{verb, s.gun}, args...)...)...)
	command.Env = append(os.Environ(), "NOTARY_PASSWORD="+Password)
	out, err := command.Output()
	if failed, ok := err.(*exec.ExitError); ok {
		err = fmt.Errorf("%s %s: %s", verb, strings.Join(args, " "), failed.Stderr)
	}
	return out, err
}

func (s *Signer) run(verb string, args ...string) []byte {
	s.t.Helper()
	out, err := s.Try(verb, args...)
	check(s.t, err)
	return out
}

// Init creates the repository.
func (s *Signer) Init() *Signer {
	s.t.Helper()
	s.run("init")
	return s
}

// Sign signs a tag in the roles, targets if none is given.
func (s *Signer) Sign(tag, digest string, roles ...string) *Signer {
	s.t.Helper()
	s.run("sign", append([]string{tag, digest}, roles...)...)
	return s
}

// Remove takes a tag out of the roles, targets if none is given.
func (s *Signer) Remove(tag string, roles ...string) {
	s.t.Helper()
	s.run("remove", append([]string{tag}, roles...)...)
}

// Delegate makes a key for a delegation role, delegates to it, and returns
// its public half as PEM.
func (s *Signer) Delegate(role string) []byte {
	s.t.Helper()
	return s.delegate(role, s.run("key", role))
}

// DelegateCertificate does the same with a certificate for a public half.
func (s *Signer) DelegateCertificate(role string) []byte {
	s.t.Helper()
	withCertificate := *s
	withCertificate.flags = append([]string{"--certificate"}, s.flags...)
	return s.delegate(role, withCertificate.run("key", role))
}

func (s *Signer) delegate(role string, public []byte) []byte {
	s.t.Helper()
	path := filepath.Join(s.t.TempDir(), "key.pem")
	check(s.t, os.WriteFile(path, public, 0o600))
	s.run("delegate", role, path)
	return public
}

// Rotate replaces the key of root, targets or snapshot.
func (s *Signer) Rotate(role string) {
	s.t.Helper()
	s.run("rotate", role)
}

// Delete removes the repository from the server.
func (s *Signer) Delete() {
	s.t.Helper()
	s.run("delete")
}

// Eventually waits until a condition holds.
func Eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline:
			t.Fatalf("after a minute still not so: %s", what)
		case <-tick.C:
		}
	}
}

// NoGoroutineLeft fails unless, when the test and its clean-up are over, there
// are no more goroutines than when it was called.
func NoGoroutineLeft(t testing.TB) {
	t.Helper()
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		Eventually(t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= before })
	})
}

// Descriptors counts the open files of this process.
func Descriptors(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	check(t, err)
	return len(entries)
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
