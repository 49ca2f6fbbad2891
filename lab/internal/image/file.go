// SPDX-License-Identifier: Apache-2.0

package image

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// FromFile reads the one image in a tar file, whether in the layout of the
// OCI or in that of 'docker save'. close removes what was unpacked.
func FromFile(file string) (img v1.Image, close func(), err error) {
	kind, err := kindOf(file)
	if err != nil {
		return nil, nil, err
	}
	if kind == "docker" {
		img, err = tarball.ImageFromPath(file, nil)
		if err != nil {
			return nil, nil, fmt.Errorf("%s is no usable image: %w", file, err)
		}
		return img, func() {}, nil
	}
	dir, err := os.MkdirTemp("", "labnode-image-")
	if err != nil {
		return nil, nil, err
	}
	close = func() { _ = os.RemoveAll(dir) }
	if img, err = unpacked(file, dir); err != nil {
		close()
		return nil, nil, fmt.Errorf("%s is no usable image: %w", file, err)
	}
	return img, close, nil
}

func unpacked(file, dir string) (v1.Image, error) {
	err := eachEntry(file, func(h *tar.Header, r io.Reader) error {
		if h.Typeflag != tar.TypeReg {
			return nil
		}
		if !filepath.IsLocal(h.Name) {
			return fmt.Errorf("it has a file outside of it, %q", h.Name)
		}
		to := filepath.Join(dir, h.Name)
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			return err
		}
		f, err := os.Create(to)
		if err != nil {
			return err
		}
		_, err = io.Copy(f, r)
		return errors.Join(err, f.Close())
	})
	if err != nil {
		return nil, err
	}
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		return nil, err
	}
	m, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	if len(m.Manifests) != 1 {
		return nil, fmt.Errorf("it holds %d images, one was expected", len(m.Manifests))
	}
	return index.Image(m.Manifests[0].Digest)
}

// kindOf tells the two layouts apart; a file may be both, then the OCI's is
// taken, as it keeps the digest.
func kindOf(file string) (string, error) {
	kind := ""
	err := eachEntry(file, func(h *tar.Header, _ io.Reader) error {
		switch strings.TrimPrefix(h.Name, "./") {
		case "index.json":
			kind = "oci"
		case "manifest.json":
			if kind == "" {
				kind = "docker"
			}
		}
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("%s cannot be read as a tar file: %w", file, err)
	}
	if kind == "" {
		return "", fmt.Errorf("%s is no image: it has neither index.json "+
			"nor manifest.json", file)
	}
	return kind, nil
}

func eachEntry(file string, do func(*tar.Header, io.Reader) error) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	r := tar.NewReader(f)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := do(h, r); err != nil {
			return err
		}
	}
}
