// SPDX-License-Identifier: Apache-2.0

package image

import (
	"crypto/tls"
	"fmt"
	"net/http"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"opendev.org/starlingx/portieris-armada-app/lab/internal/kubeapi"
)

// Registry is where images go: its authority and the account to use.
type Registry struct {
	CAFile         string
	User, Password string
}

// Push sends an image and returns the digest of its manifest.
func (r Registry) Push(ref string, img v1.Image) (string, error) {
	to, options, err := r.prepare(ref)
	if err != nil {
		return "", err
	}
	if err := remote.Write(to, img, options...); err != nil {
		return "", fmt.Errorf("cannot push %s: %w", ref, err)
	}
	digest, err := img.Digest()
	return digest.String(), err
}

// Manifest returns digest and size of the manifest that ref names, which is
// what a signature is about.
func (r Registry) Manifest(ref string) (digest string, size int64, err error) {
	from, options, err := r.prepare(ref)
	if err != nil {
		return "", 0, err
	}
	d, err := remote.Get(from, options...)
	if err != nil {
		return "", 0, fmt.Errorf("cannot read the manifest of %s: %w", ref, err)
	}
	return d.Digest.String(), d.Size, nil
}

func (r Registry) prepare(ref string) (name.Reference, []remote.Option, error) {
	parsed, err := name.ParseReference(ref)
	if err != nil {
		return nil, nil, fmt.Errorf("%q is no image reference: %w", ref, err)
	}
	pool, err := kubeapi.Pool(r.CAFile)
	if err != nil {
		return nil, nil, err
	}
	t := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	return parsed, []remote.Option{
		remote.WithTransport(onlyTLS{t}),
		remote.WithAuth(&authn.Basic{Username: r.User, Password: r.Password}),
	}, nil
}

// onlyTLS refuses the library's second try in plain HTTP, which it makes for
// every host named *.local.
type onlyTLS struct{ next http.RoundTripper }

func (o onlyTLS) RoundTrip(q *http.Request) (*http.Response, error) {
	if q.URL.Scheme != "https" {
		return nil, fmt.Errorf("%s would go without TLS: refused", q.URL.Host)
	}
	return o.next.RoundTrip(q)
}
