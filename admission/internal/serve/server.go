// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// stopWithin is how long requests under way may take to end when the server
// stops: as long as the API server may wait for one. The chart lets the
// kubelet wait longer than Linger and this together.
const stopWithin = 30 * time.Second

// Server answers on two listeners: admission by TLS, metrics in the clear.
type Server struct {
	Admit http.Handler
	// Policies reviews policies as they are applied.
	Policies    http.Handler
	Metrics     http.Handler
	Certificate *Certificate
	// Ready tells whether requests may be sent here.
	Ready func() bool
	// Linger is how long the server goes on after it was asked to stop, so
	// that everybody who sends requests learns that it is about to.
	Linger time.Duration
	Log    *slog.Logger

	stopping atomic.Bool
}

// Run serves until the context ends, and then stops without cutting an
// answer short. The listeners are closed when it returns.
//
// The API server keeps its connection for as long as it can. So when the
// server stops, those who are connected are at once asked to connect anew,
// which leads them to another replica as soon as there is one; whoever still
// comes here until then is served over a connection for one request.
func (s *Server) Run(ctx context.Context, admission, metrics net.Listener) error {
	connections := share(admission)
	defer connections.close()
	failed := make(chan error, 3)
	serve := func(handler http.Handler) *http.Server {
		server := s.server(handler)
		server.TLSConfig = &tls.Config{
			MinVersion:     tls.VersionTLS12,
			GetCertificate: s.Certificate.Get,
		}
		go func() { failed <- server.ServeTLS(connections.part(), "", "") }()
		return server
	}
	routes := s.admissionRoutes()
	admitting, counting := serve(routes), s.server(s.metricsRoutes())
	go func() { failed <- counting.Serve(metrics) }()
	servers := []*http.Server{admitting, counting}

	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
		s.Log.Info("asked to stop", "linger", s.Linger.String())
		s.stopping.Store(true)
		servers = append(servers, serve(oneRequest(routes)))
		leave, cancel := context.WithTimeout(context.Background(), s.Linger)
		defer cancel()
		go func() { _ = admitting.Shutdown(leave) }()
		err = linger(s.Linger, failed)
	}
	stop, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	var all sync.WaitGroup
	problems := make([]error, len(servers))
	for i, server := range servers {
		all.Go(func() { problems[i] = server.Shutdown(stop) })
	}
	all.Wait()
	if err != nil {
		err = fmt.Errorf("a listener failed: %w", err)
	}
	return errors.Join(append(problems, err)...)
}

// linger waits for a while, or for a server that fails. That a server has
// shut down is no failure.
func linger(while time.Duration, failed <-chan error) error {
	timer := time.NewTimer(while)
	defer timer.Stop()
	for {
		select {
		case err := <-failed:
			if !errors.Is(err, http.ErrServerClosed) {
				return err
			}
		case <-timer.C:
			return nil
		}
	}
}

// oneRequest closes each connection after its first answer.
func oneRequest(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
		handler.ServeHTTP(w, r)
	})
}

func (s *Server) server(handler http.Handler) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       5 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog: slog.NewLogLogger(
			s.Log.With("part", "http").Handler(), slog.LevelDebug),
	}
}

func (s *Server) admissionRoutes() http.Handler {
	routes := http.NewServeMux()
	routes.Handle("/admit", s.Admit)
	routes.Handle("/validate-policies", s.Policies)
	routes.HandleFunc("/health/liveness",
		func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte("alive\n"))
		})
	routes.HandleFunc("/health/readiness",
		func(w http.ResponseWriter, _ *http.Request) {
			switch {
			case s.stopping.Load():
				http.Error(w, "stopping", http.StatusServiceUnavailable)
			case !s.Ready():
				http.Error(w, "the policies have not been read yet",
					http.StatusServiceUnavailable)
			default:
				_, _ = w.Write([]byte("ready\n"))
			}
		})
	return routes
}

func (s *Server) metricsRoutes() http.Handler {
	routes := http.NewServeMux()
	routes.Handle("/metrics", s.Metrics)
	return routes
}
