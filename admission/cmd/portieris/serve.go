// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"sync"
	"syscall"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/cluster"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/decision"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/observe"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/policyreview"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/registry"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/serve"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/notary"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/signed"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/webhook"
)

func serveCommand(args []string, out io.Writer) error {
	settings, err := parseSettings(args, out)
	if err != nil {
		return err
	}
	log, err := observe.NewLog(os.Stderr, settings.logLevel)
	if err != nil {
		return usageError{err}
	}
	ctx, stop := signal.NotifyContext(context.Background(),
		syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(heapGrowth)
	}
	return serveUntil(ctx, settings, log)
}

// heapGrowth is by how many percent the memory in use may grow before it is
// tidied up. What the server keeps it keeps for long, and half of it again is
// room enough for what reviews need: a fifth less memory, no less speed.
const heapGrowth = 50

// serveUntil puts the parts together and serves until the context ends.
func serveUntil(ctx context.Context, s settings, log *slog.Logger) error {
	metrics := observe.NewMetrics(version)
	transport := registry.New(registry.Options{
		Observe: func(e registry.Exchange) {
			metrics.Asked(e.Host, e.Status, e.Duration)
		},
	})
	defer transport.CloseIdle()
	certificate := &serve.Certificate{Until: metrics.Serving}
	files, err := loadFiles(s.certificateDir, certificate, transport, log)
	if err != nil {
		return err
	}
	config, err := cluster.Config(s.kubeconfig)
	if err != nil {
		return usageError{err}
	}
	kubernetes, err := cluster.New(config, s.namespace)
	if err != nil {
		return err
	}
	metrics.CountPolicies(kubernetes.PolicyCounts)
	admit := &webhook.Handler{
		Judge: &decision.Judge{
			Policies: kubernetes,
			Secrets:  kubernetes,
			Trust: notary.New(notary.Options{
				Transport: transport,
				Freshness: s.freshness,
				Staleness: s.staleness,
				Pins:      kubernetes.Pins(),
				Logger:    log,
			}),
			Signatures: &signed.Verifier{Transport: transport},
		},
		Owners:   kubernetes,
		Observer: metrics,
		Log:      log,
		Ready:    kubernetes.Ready,
		Exempt:   s.exempts(),
	}
	policies := &webhook.Policies{
		Reviewer: &policyreview.Reviewer{
			Policies: kubernetes,
			Secrets:  kubernetes,
			Ready:    kubernetes.Ready,
			Exempt:   s.exempts(),
		},
		Observer: metrics,
		Log:      log,
	}
	admission, metricsListener, err := listenBoth(s)
	if err != nil {
		return err
	}
	server := &serve.Server{
		Admit:       admit,
		Policies:    policies,
		Metrics:     metrics.Handler(),
		Certificate: certificate,
		Ready:       kubernetes.Ready,
		Linger:      s.linger,
		Log:         log,
	}
	log.Info("serving", "version", version,
		"admission", admission.Addr().String(),
		"metrics", metricsListener.Addr().String(),
		"namespace", s.namespace, "freshness", s.freshness.String(),
		"staleness", s.staleness.String())

	background, end := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { kubernetes.Run(background) })
	running.Go(func() {
		serve.Watch(background, s.reloadEvery, log, metrics.Reloaded, files...)
	})
	err = server.Run(ctx, admission, metricsListener)
	end()
	running.Wait()
	log.Info("stopped")
	return err
}

// loadFiles loads the certificate, without which nothing can be served, and
// the certificate authorities. Bad ones are only logged: images that need
// them are denied, and everything else goes on.
func loadFiles(directory string, certificate *serve.Certificate,
	transport *registry.Transport, log *slog.Logger) ([]*serve.File, error) {
	pair := &serve.File{
		What: "certificate",
		Paths: []string{
			filepath.Join(directory, "tls.crt"),
			filepath.Join(directory, "tls.key"),
		},
		Apply: func(contents [][]byte) error {
			return certificate.Use(contents[0], contents[1])
		},
	}
	authorities := &serve.File{
		What:  "ca",
		Paths: []string{filepath.Join(directory, "ca.pem")},
		Apply: func(contents [][]byte) error {
			return transport.SetCA(contents[0])
		},
	}
	for _, path := range pair.Paths {
		if _, err := os.Stat(path); err != nil {
			return nil, usage("cannot read %s: %w; cert-manager puts it into "+
				"the Secret portieris-certs, which is mounted there",
				path, errors.Unwrap(err))
		}
	}
	if _, err := pair.Load(); err != nil {
		return nil, usage("cannot use %s: %w", directory, err)
	}
	if _, err := authorities.Load(); err != nil {
		log.Error("the certificate authorities cannot be used; only the "+
			"system's own are trusted", "file", authorities.Paths[0],
			"error", err)
	}
	return []*serve.File{pair, authorities}, nil
}

func listenBoth(s settings) (admission, metrics net.Listener, err error) {
	admission, err = listen(s.listen)
	if err != nil {
		return nil, nil, err
	}
	metrics, err = listen(s.metricsListen)
	if err != nil {
		return nil, nil, errors.Join(err, admission.Close())
	}
	return admission, metrics, nil
}

func listen(address string) (net.Listener, error) {
	listener, err := net.Listen("tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("cannot listen on %s: another process "+
			"listens there already", address)
	case err != nil:
		return nil, fmt.Errorf("cannot listen on %s: %w", address, err)
	}
	return listener, nil
}
