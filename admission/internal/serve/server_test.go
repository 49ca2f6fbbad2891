// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/certtest"
)

// running is a server that runs until its test ends.
type running struct {
	*Server
	admission string
	metrics   string
	listener  net.Listener
	stop      context.CancelFunc
	ended     chan error
	client    *http.Client
}

func run(t *testing.T, change func(*Server)) *running {
	t.Helper()
	r := &running{ended: make(chan error, 1), Server: &Server{
		Admit: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, r.Proto)
		}),
		Policies:    http.NotFoundHandler(),
		Metrics:     http.NotFoundHandler(),
		Certificate: &Certificate{Until: func(time.Time) {}},
		Ready:       func() bool { return true },
		Log:         quiet(),
	}}
	if err := r.Certificate.Use(certtest.Pair(t, "first")); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(r.Server)
	}
	admission, metrics := local(t), local(t)
	r.listener = admission
	r.admission = "https://" + admission.Addr().String()
	r.metrics = "http://" + metrics.Addr().String()
	ctx, stop := context.WithCancel(context.Background())
	r.stop = stop
	go func() { r.ended <- r.Run(ctx, admission, metrics) }()
	transport := &http.Transport{
		ForceAttemptHTTP2: true,
		// Which certificate is served is what the tests look at.
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}
	r.client = &http.Client{Transport: transport, Timeout: time.Minute}
	t.Cleanup(func() {
		stop()
		transport.CloseIdleConnections()
	})
	return r
}

func TestTheEndOfEachCertificateThatIsServedIsTold(t *testing.T) {
	var told []time.Time
	c := Certificate{Until: func(end time.Time) { told = append(told, end) }}
	for _, name := range []string{"first", "second"} {
		if err := c.Use(certtest.Pair(t, name)); err != nil {
			t.Fatal(err)
		}
		served, err := c.Get(nil)
		if err != nil || len(told) == 0 || told[len(told)-1] != served.Leaf.NotAfter {
			t.Errorf("told %v, %v", told, err)
		}
	}
	if err := c.Use([]byte("no"), []byte("pair")); err == nil || len(told) != 2 {
		t.Errorf("of what cannot be served it told %v, %v", told, err)
	}
}

func local(t *testing.T) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return listener
}

// get returns status, body and the name in the server's certificate.
func (r *running) get(t *testing.T, url string) (int, string, string) {
	t.Helper()
	answer, err := r.client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	name := ""
	if answer.TLS != nil {
		name = answer.TLS.PeerCertificates[0].Subject.CommonName
	}
	return answer.StatusCode, string(body), name
}

func (r *running) wait(t *testing.T) {
	t.Helper()
	select {
	case err := <-r.ended:
		if err != nil {
			t.Errorf("the server ended with %v", err)
		}
	case <-time.After(time.Minute):
		t.Fatal("the server does not end")
	}
}

func TestTheRoutesAreThoseOfTheRunTimeContract(t *testing.T) {
	r := run(t, nil)
	for url, want := range map[string]int{
		r.admission + "/admit":            http.StatusOK,
		r.admission + "/health/liveness":  http.StatusOK,
		r.admission + "/health/readiness": http.StatusOK,
		r.admission + "/metrics":          http.StatusNotFound,
		r.admission + "/":                 http.StatusNotFound,
		r.metrics + "/admit":              http.StatusNotFound,
	} {
		if status, _, _ := r.get(t, url); status != want {
			t.Errorf("%s has the status %d, want %d", url, status, want)
		}
	}
	if _, proto, _ := r.get(t, r.admission+"/admit"); proto != "HTTP/2.0" {
		t.Errorf("admission speaks %s", proto)
	}
	r.stop()
	r.wait(t)
}

func TestReadinessWaitsForThePolicies(t *testing.T) {
	var ready atomic.Bool
	r := run(t, func(s *Server) { s.Ready = ready.Load })
	if status, _, _ := r.get(t, r.admission+"/health/readiness"); status !=
		http.StatusServiceUnavailable {
		t.Errorf("ready with the status %d before the policies are", status)
	}
	if status, _, _ := r.get(t, r.admission+"/health/liveness"); status !=
		http.StatusOK {
		t.Errorf("not alive while waiting: %d", status)
	}
	ready.Store(true)
	if status, _, _ := r.get(t, r.admission+"/health/readiness"); status !=
		http.StatusOK {
		t.Errorf("not ready with the status %d", status)
	}
}

func TestARenewedCertificateIsServedWithoutAFailedCall(t *testing.T) {
	r := run(t, nil)
	stop := make(chan struct{})
	failed := make(chan error, 1)
	go func() {
		defer close(failed)
		for {
			select {
			case <-stop:
				return
			default:
			}
			answer, err := r.client.Get(r.admission + "/admit")
			if err != nil {
				failed <- err
				return
			}
			answer.Body.Close()
		}
	}()
	if err := r.Certificate.Use(certtest.Pair(t, "second")); err != nil {
		t.Fatal(err)
	}
	r.client.CloseIdleConnections()
	if _, _, name := fresh(t, r); name != "second" {
		t.Errorf("the certificate served is the %s", name)
	}
	close(stop)
	if err := <-failed; err != nil {
		t.Errorf("a call failed meanwhile: %v", err)
	}
}

// fresh asks over a new connection.
func fresh(t *testing.T, r *running) (int, string, string) {
	t.Helper()
	other := *r
	transport := &http.Transport{
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
		DisableKeepAlives: true,
	}
	other.client = &http.Client{Transport: transport}
	return other.get(t, r.admission+"/admit")
}

func TestACertificateThatCannotBeUsedLeavesTheOldOne(t *testing.T) {
	r := run(t, nil)
	chain, _ := certtest.Pair(t, "second")
	_, key := certtest.Pair(t, "third")
	if err := r.Certificate.Use(chain, key); err == nil {
		t.Error("a certificate with the key of another is accepted")
	}
	if _, _, name := fresh(t, r); name != "first" {
		t.Errorf("the certificate served is the %s", name)
	}
}

func TestARequestUnderWayIsAnsweredWhenTheServerStops(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	r := run(t, func(s *Server) {
		s.Admit = http.HandlerFunc(func(w http.ResponseWriter,
			_ *http.Request) {
			close(arrived)
			<-release
			_, _ = io.WriteString(w, "decided")
		})
	})
	answered := make(chan string, 1)
	go func() {
		answer, err := r.client.Get(r.admission + "/admit")
		if err != nil {
			answered <- err.Error()
			return
		}
		defer answer.Body.Close()
		body, _ := io.ReadAll(answer.Body)
		answered <- string(body)
	}()
	<-arrived
	r.stop()
	close(release)
	if body := <-answered; body != "decided" {
		t.Errorf("the request under way was answered %q", body)
	}
	r.wait(t)
}

func TestAStoppingServerIsNotReadyButStillServes(t *testing.T) {
	r := run(t, func(s *Server) { s.Linger = 10 * time.Minute })
	r.stop()
	deadline := time.Now().Add(time.Minute)
	for {
		status, _, _ := r.get(t, r.admission+"/health/readiness")
		if status == http.StatusServiceUnavailable {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("a stopping server stays ready")
		}
	}
	if status, _, _ := r.get(t, r.admission+"/admit"); status !=
		http.StatusOK {
		t.Errorf("a lingering server answers %d", status)
	}
	if err := r.listener.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-r.ended; err == nil {
		t.Error("a lingering server without a listener goes on")
	}
}

// The API server keeps its connection; a server that stops must not keep it.
func TestAStoppingServerSendsItsPeersAway(t *testing.T) {
	r := run(t, func(s *Server) { s.Linger = 10 * time.Minute })
	var opened atomic.Int32
	transport := r.client.Transport.(*http.Transport)
	transport.DialContext = func(ctx context.Context, network,
		address string) (net.Conn, error) {
		opened.Add(1)
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
	for range 3 {
		r.get(t, r.admission+"/admit")
	}
	if got := opened.Load(); got != 1 {
		t.Errorf("%d connections for 3 requests", got)
	}
	r.stop()
	notReady := func() int {
		status, _, _ := r.get(t, r.admission+"/health/readiness")
		return status
	}
	deadline := time.Now().Add(time.Minute)
	for notReady() != http.StatusServiceUnavailable {
		if time.Now().After(deadline) {
			t.Fatal("a stopping server stays ready")
		}
	}
	before := opened.Load()
	for range 3 {
		if status, _, _ := r.get(t, r.admission+"/admit"); status !=
			http.StatusOK {
			t.Errorf("a stopping server answers %d", status)
		}
	}
	if got := opened.Load() - before; got < 2 {
		t.Errorf("%d new connections for 3 requests", got)
	}
	if err := r.listener.Close(); err != nil {
		t.Fatal(err)
	}
	<-r.ended
}

func TestAListenerThatFailsEndsTheServer(t *testing.T) {
	s := run(t, nil)
	s.stop()
	s.wait(t)
	closed := local(t)
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	err := s.Run(context.Background(), closed, local(t))
	if err == nil {
		t.Error("a server without a listener ends without an error")
	}
}
