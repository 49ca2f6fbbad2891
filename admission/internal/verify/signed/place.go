// SPDX-License-Identifier: Apache-2.0

package signed

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/registry"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/attached"
)

// place is a repository of a registry, or a signature store, as one caller
// may read it.
type place struct {
	verifier    *Verifier
	base        string
	scope       string
	credentials []registry.Credential
	exists      bool // the caller has read an image there
}

// repository is the image's own.
func (v *Verifier) repository(r Request) *place {
	path := strings.TrimPrefix(r.Name, r.Host+"/")
	host := r.Host
	if host == "docker.io" {
		host = "registry-1.docker.io"
	}
	return &place{
		verifier:    v,
		base:        "https://" + host + "/v2/" + path + "/",
		scope:       "repository:" + path + ":pull",
		credentials: r.Credentials,
	}
}

// identity is the place, the caller's credentials and the authorities that
// were trusted: nothing that is remembered of one is true of another.
func (p *place) identity() string {
	f := factOf(p.base, secretOf(p.credentials),
		strconv.FormatUint(p.verifier.Transport.Generation(), 10))
	return string(f[:])
}

// Base is the URL that all paths are below.
func (p *place) Base() string { return p.base }

// Get reads one path. A status other than 200 is for the caller to judge.
//
// That there is no referrers API is remembered of a repository, not of its
// host, behind which there may be registries of several kinds, and only if an
// image was read there: a repository that does not exist answers alike.
func (p *place) Get(ctx context.Context, path, accept string, limit int64) (
	attached.Answer, error) {
	aboutReferrers := strings.HasPrefix(path, "referrers/")
	lack := factOf("no referrers", p.identity())
	if aboutReferrers && p.verifier.lacking.holds(lack, p.verifier.now()) {
		return attached.Answer{Status: http.StatusNotFound}, nil
	}
	answer, err := p.verifier.Transport.Read(ctx, registry.Request{
		URL:         p.base + path,
		Header:      http.Header{"Accept": {accept}},
		Limit:       limit,
		Scope:       p.scope,
		Credentials: p.credentials,
	})
	if err != nil {
		return attached.Answer{}, err
	}
	if aboutReferrers && p.exists && answer.Status == http.StatusNotFound {
		p.verifier.lacking.keep(lack, p.verifier.now().Add(lackKept))
	}
	return attached.Answer{Status: answer.Status, Header: answer.Header,
		Body: answer.Body}, nil
}

// fetch is Get for those who need no header.
func (p *place) fetch(ctx context.Context, path, accept string, limit int64) (
	status int, body []byte, err error) {
	answer, err := p.Get(ctx, path, accept, limit)
	return answer.Status, answer.Body, err
}
