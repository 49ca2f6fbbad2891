// SPDX-License-Identifier: Apache-2.0

// Command notary-server is the lab's trust server and its token service in
// one process:
//
//	notary-server serve --listen ADDR --tls-cert FILE --tls-key FILE
//	    [--token-listen ADDR --htpasswd FILE [--realm URL] [--service NAME]
//	     [--issuer NAME] [--public PREFIX]] [--pid-file FILE]
//
// Without --token-listen no credentials are wanted. When it serves, it prints
// one JSON line with its addresses on standard output; it logs to standard
// error. SIGTERM and SIGINT stop it.
package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/theupdateframework/notary/tuf/data"

	"opendev.org/starlingx/portieris-armada-app/lab/notary/internal/tokens"
	"opendev.org/starlingx/portieris-armada-app/lab/notary/internal/trustserver"
)

type options struct {
	listen, tokenListen, cert, key  string
	realm, service, issuer, public  string
	htpasswd, pidFile, logLevel     string
	timestampExpiry, snapshotExpiry time.Duration
}

func main() {
	if len(os.Args) < 2 || os.Args[1] != "serve" {
		fmt.Fprintln(os.Stderr, "usage: notary-server serve --listen ADDR --tls-cert FILE --tls-key FILE ...; notary-server serve -h lists the flags")
		os.Exit(2)
	}
	var o options
	flags := flag.NewFlagSet("notary-server serve", flag.ExitOnError)
	flags.StringVar(&o.listen, "listen", ":4443", "address of the trust server")
	flags.StringVar(&o.tokenListen, "token-listen", "", "address of the token service; empty: no credentials are wanted")
	flags.StringVar(&o.cert, "tls-cert", "", "certificate chain, PEM")
	flags.StringVar(&o.key, "tls-key", "", "private key, PEM")
	flags.StringVar(&o.realm, "realm", "", "URL of the token service as clients see it (default: its own address)")
	flags.StringVar(&o.service, "service", "lab-notary", "service name in challenges and tokens")
	flags.StringVar(&o.issuer, "issuer", "lab-token", "issuer name in tokens")
	flags.StringVar(&o.htpasswd, "htpasswd", "", "users of the token service, bcrypt hashes")
	flags.StringVar(&o.public, "public", "", "repositories with this prefix may be pulled without credentials")
	flags.StringVar(&o.pidFile, "pid-file", "", "write the process id here")
	flags.StringVar(&o.logLevel, "log-level", "info", "debug, info, warn or error")
	flags.DurationVar(&o.timestampExpiry, "timestamp-expiry", 14*24*time.Hour, "how long a timestamp is valid")
	flags.DurationVar(&o.snapshotExpiry, "snapshot-expiry", 3*365*24*time.Hour, "how long a snapshot signed here is valid")
	_ = flags.Parse(os.Args[2:]) // ExitOnError
	if flags.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "notary-server: %q is no flag\n", flags.Arg(0))
		os.Exit(2)
	}
	if err := run(o); err != nil {
		fmt.Fprintf(os.Stderr, "notary-server: %v\n", err)
		os.Exit(1)
	}
}

func run(o options) error {
	level, err := logrus.ParseLevel(o.logLevel)
	if err != nil {
		return err
	}
	logrus.SetLevel(level)
	data.SetDefaultExpiryTimes(map[data.RoleName]time.Duration{
		data.CanonicalTimestampRole: o.timestampExpiry,
		data.CanonicalSnapshotRole:  o.snapshotExpiry,
	})
	pair, err := tls.LoadX509KeyPair(o.cert, o.key)
	if err != nil {
		return fmt.Errorf("load --tls-cert and --tls-key: %w", err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}

	var servers []*listening
	defer func() {
		for _, s := range servers {
			s.stop()
		}
	}()
	announce := map[string]string{}
	var auth trustserver.TokenAuth
	if o.tokenListen != "" {
		service, err := newTokenService(o)
		if err != nil {
			return err
		}
		s, err := serve(o.tokenListen, config, service)
		if err != nil {
			return err
		}
		servers = append(servers, s)
		announce["tokens"] = "https://" + s.address() + "/service/token"
		if o.realm == "" {
			o.realm = announce["tokens"]
		}
		auth = trustserver.TokenAuth{Realm: o.realm, Service: o.service,
			Issuer: o.issuer, Certificate: service.Key.Certificate}
	}
	handler, err := trustserver.Handler(auth)
	if err != nil {
		return err
	}
	s, err := serve(o.listen, config, handler)
	if err != nil {
		return err
	}
	servers = append(servers, s)

	if o.pidFile != "" {
		if err := os.WriteFile(o.pidFile, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o644); err != nil {
			return fmt.Errorf("write --pid-file: %w", err)
		}
		defer os.Remove(o.pidFile)
	}
	announce["server"], announce["realm"] = "https://"+s.address(), o.realm
	if err := json.NewEncoder(os.Stdout).Encode(announce); err != nil {
		return err
	}
	return waitFor(servers)
}

func newTokenService(o options) (*tokens.Service, error) {
	users := tokens.Users{}
	if o.htpasswd != "" {
		var err error
		if users, err = tokens.ReadUsers(o.htpasswd); err != nil {
			return nil, err
		}
	}
	key, err := tokens.NewKey()
	if err != nil {
		return nil, err
	}
	return &tokens.Service{Issuer: o.issuer, Audience: o.service,
		Users: users, Key: key, PublicPrefix: o.public}, nil
}

// waitFor returns when a signal asks to stop or a server fails.
func waitFor(servers []*listening) error {
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	failed := make(chan error, len(servers))
	for _, s := range servers {
		go func() { failed <- <-s.done }()
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return err
	}
}

type listening struct {
	server   *http.Server
	listener net.Listener
	done     chan error
}

func serve(address string, config *tls.Config, handler http.Handler) (*listening, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	l := &listening{
		server: &http.Server{Handler: handler, TLSConfig: config,
			ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 5 * time.Minute,
			ErrorLog: log.New(handshakeNoise{os.Stderr}, "", 0)},
		listener: listener,
		done:     make(chan error, 1),
	}
	go func() {
		err := l.server.ServeTLS(listener, "", "")
		if errors.Is(err, http.ErrServerClosed) {
			err = nil
		}
		l.done <- err
	}()
	return l, nil
}

func (l *listening) address() string { return l.listener.Addr().String() }

func (l *listening) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	if l.server.Shutdown(ctx) != nil {
		_ = l.server.Close() // requests that do not end are cut
	}
}

// handshakeNoise drops the lines about clients that hang up in the handshake,
// such as health checks that only open the port.
type handshakeNoise struct{ out io.Writer }

func (h handshakeNoise) Write(line []byte) (int, error) {
	if strings.Contains(string(line), "TLS handshake error") && strings.Contains(string(line), "EOF") {
		return len(line), nil
	}
	return h.out.Write(line)
}
