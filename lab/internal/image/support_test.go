// SPDX-License-Identifier: Apache-2.0

package image

import (
	"archive/tar"
	"net/http"
	"os"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"

	"opendev.org/starlingx/portieris-armada-app/lab/internal/pki"
)

func emptyIndex() v1.ImageIndex { return empty.Index }

// archive packs a directory.
func archive(t *testing.T, file, dir string) {
	t.Helper()
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(f)
	if err := w.AddFS(os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func handler(seen func()) http.Handler {
	return http.HandlerFunc(func(http.ResponseWriter, *http.Request) { seen() })
}

func somePEM(t *testing.T) []byte {
	t.Helper()
	a, err := pki.NewAuthority("test")
	if err != nil {
		t.Fatal(err)
	}
	p, err := a.Pair()
	if err != nil {
		t.Fatal(err)
	}
	return p.Cert
}
