// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// peers is one generation of connections: those made with one CA bundle.
type peers struct {
	http       *http.Transport
	bundle     [sha256.Size]byte
	generation uint64
}

// SetCA makes the certificates of a PEM bundle, beside the system's own, those
// by which peers are trusted. Connections and tokens of the bundle before are
// dropped. A bundle that cannot be used changes nothing and is an error; an
// empty one leaves the system's certificates alone.
func (t *Transport) SetCA(bundle []byte) error {
	t.swapping.Lock()
	defer t.swapping.Unlock()
	bundle = bytes.TrimSpace(bundle)
	sum := sha256.Sum256(bundle)
	old := t.peers.Load()
	if old != nil && old.bundle == sum {
		return nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool() // FROM scratch there are none
	}
	if len(bundle) > 0 {
		certificates, err := parseBundle(bundle)
		if err != nil {
			return err
		}
		for _, certificate := range certificates {
			pool.AddCert(certificate)
		}
	}
	next := &peers{http: t.connections(pool), bundle: sum, generation: 1}
	if old != nil {
		next.generation = old.generation + 1
	}
	t.peers.Store(next)
	t.tokens.clear()
	t.challenges.clear()
	if old != nil {
		old.http.CloseIdleConnections()
	}
	return nil
}

// Generation changes whenever the CA bundle does. What was decided in one
// generation must be asked again in the next.
func (t *Transport) Generation() uint64 { return t.peers.Load().generation }

func (t *Transport) connections(pool *x509.CertPool) *http.Transport {
	// HTTP/1.1 only: a dead connection then costs one request, not all.
	return &http.Transport{
		Proxy:                  t.proxy,
		DialContext:            dial,
		TLSClientConfig:        &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    5 * time.Second,
		MaxIdleConns:           256,
		MaxIdleConnsPerHost:    16,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true,
	}
}

func parseBundle(bundle []byte) ([]*x509.Certificate, error) {
	var found []*x509.Certificate
	for rest := bundle; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("the CA bundle holds a PEM block %.40q, only CERTIFICATE belongs there", block.Type)
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d of the CA bundle does not parse: %w", len(found)+1, err)
		}
		found = append(found, certificate)
	}
	// The reader of PEM passes over what it cannot read.
	switch begun := bytes.Count(bundle, []byte("-----BEGIN ")); {
	case begun == 0:
		return nil, errors.New("the CA bundle holds no PEM certificate")
	case begun != len(found):
		return nil, fmt.Errorf("of %d PEM blocks of the CA bundle %d can be read; one is cut short or damaged",
			begun, len(found))
	}
	return found, nil
}
