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
	"sync/atomic"
	"time"
)

// stopWithin is how long requests under way may take to end when the server
// stops. The kubelet kills it 30 seconds after asking it to stop.
const stopWithin = 15 * time.Second

// Server answers on two listeners: admission by TLS, metrics in the clear.
type Server struct {
	Admit       http.Handler
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
func (s *Server) Run(ctx context.Context, admission, metrics net.Listener) error {
	admissionServer := s.server(s.admissionRoutes())
	admissionServer.TLSConfig = &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: s.Certificate.Get,
	}
	metricsServer := s.server(s.metricsRoutes())
	failed := make(chan error, 2)
	go func() { failed <- admissionServer.ServeTLS(admission, "", "") }()
	go func() { failed <- metricsServer.Serve(metrics) }()

	var err error
	running := 2
	select {
	case err = <-failed:
		running--
		err = fmt.Errorf("a listener failed: %w", err)
	case <-ctx.Done():
		s.Log.Info("asked to stop", "linger", s.Linger.String())
		s.stopping.Store(true)
		err = s.linger(failed, &running)
	}
	stop, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	err = errors.Join(err, admissionServer.Shutdown(stop),
		metricsServer.Shutdown(stop))
	for range running {
		<-failed
	}
	return err
}

func (s *Server) linger(failed <-chan error, running *int) error {
	timer := time.NewTimer(s.Linger)
	defer timer.Stop()
	select {
	case err := <-failed:
		*running--
		return fmt.Errorf("a listener failed: %w", err)
	case <-timer.C:
		return nil
	}
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
