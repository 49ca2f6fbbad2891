// SPDX-License-Identifier: Apache-2.0

// Package kubeapi asks the lab's API server the few things that the start of
// the lab waits for. It is no client library: anything more is kubectl's.
package kubeapi

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// Client speaks to one server with a client certificate.
type Client struct {
	base string
	http *http.Client
}

// New returns a client from files in PEM.
func New(base, caFile, certFile, keyFile string) (*Client, error) {
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, err
	}
	pool, err := Pool(caFile)
	if err != nil {
		return nil, err
	}
	return &Client{base: base, http: &http.Client{
		Timeout: 5 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{
			RootCAs: pool, Certificates: []tls.Certificate{pair}}},
	}}, nil
}

// Pool reads a file of certificates.
func Pool(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", file)
	}
	return pool, nil
}

// StatusError is an answer other than success.
type StatusError struct {
	Code int
	Text string
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("the API server answered %d: %.300s", e.Code, e.Text)
}

// Get reads path into out, which may be nil.
func (c *Client) Get(ctx context.Context, path string, out any) error {
	return c.do(ctx, http.MethodGet, path, "", nil, out)
}

// Create posts an object to a collection; one that exists already is fine.
func (c *Client) Create(ctx context.Context, path string, object any) error {
	err := c.do(ctx, http.MethodPost, path, "application/json", object, nil)
	if e, ok := err.(*StatusError); ok && e.Code == http.StatusConflict {
		return nil
	}
	return err
}

// Merge changes parts of an object.
func (c *Client) Merge(ctx context.Context, path string, patch any) error {
	return c.do(ctx, http.MethodPatch, path, "application/merge-patch+json", patch, nil)
}

func (c *Client) do(ctx context.Context, method, path, kind string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "application/json")
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return &StatusError{Code: resp.StatusCode, Text: string(b)}
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(b, out)
}
