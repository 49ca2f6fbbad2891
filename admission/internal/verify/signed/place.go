// SPDX-License-Identifier: Apache-2.0

package signed

import (
	"context"
	"net/http"
	"strings"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/registry"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/sigstore"
)

// place is a repository of a registry, or a signature store, as one caller
// may read it.
type place struct {
	transport   *registry.Transport
	base        string
	scope       string
	credentials []registry.Credential
}

// repository is the image's own.
func (v *Verifier) repository(r Request) *place {
	path := strings.TrimPrefix(r.Name, r.Host+"/")
	host := r.Host
	if host == "docker.io" {
		host = "registry-1.docker.io"
	}
	return &place{
		transport:   v.Transport,
		base:        "https://" + host + "/v2/" + path + "/",
		scope:       "repository:" + path + ":pull",
		credentials: r.Credentials,
	}
}

// Base is the URL that all paths are below.
func (p *place) Base() string { return p.base }

// Get reads one path. A status other than 200 is for the caller to judge.
func (p *place) Get(ctx context.Context, path, accept string, limit int64) (
	sigstore.Answer, error) {
	answer, err := p.transport.Read(ctx, registry.Request{
		URL:         p.base + path,
		Header:      http.Header{"Accept": {accept}},
		Limit:       limit,
		Scope:       p.scope,
		Credentials: p.credentials,
	})
	if err != nil {
		return sigstore.Answer{}, err
	}
	return sigstore.Answer{Status: answer.Status, Header: answer.Header,
		Body: answer.Body}, nil
}

// fetch is Get for those who need no header.
func (p *place) fetch(ctx context.Context, path, accept string, limit int64) (
	status int, body []byte, err error) {
	answer, err := p.Get(ctx, path, accept, limit)
	return answer.Status, answer.Body, err
}
