// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"crypto/tls"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// Certificate is the certificate that is served now.
type Certificate struct {
	current atomic.Pointer[tls.Certificate]
	// Until is told until when each certificate that is loaded is valid.
	Until func(time.Time)
}

// Use takes a certificate chain and its key, both in PEM, into use.
func (c *Certificate) Use(chain, key []byte) error {
	pair, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return fmt.Errorf("the certificate and its key cannot be used: %w",
			err)
	}
	c.current.Store(&pair)
	c.Until(pair.Leaf.NotAfter)
	return nil
}

// Get is the certificate for a handshake.
func (c *Certificate) Get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if pair := c.current.Load(); pair != nil {
		return pair, nil
	}
	return nil, errors.New("no certificate is loaded")
}
