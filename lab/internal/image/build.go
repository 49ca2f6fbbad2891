// SPDX-License-Identifier: Apache-2.0

// Package image makes small images from static programs, reads images from
// files and carries them to the lab's registry or container runtime.
package image

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// user is nobody in particular: the programs need no right and no name.
const user = "65532:65532"

// Sample makes the sample image: program prints text and waits for its end.
// Another text is another image with another digest.
func Sample(program, text string) (v1.Image, error) {
	files, err := pack(program, "/sample")
	if err != nil {
		return nil, err
	}
	layer, err := compressed(files)
	if err != nil {
		return nil, err
	}
	var args []string
	if text != "" {
		args = []string{text}
	}
	return assemble(layer, []string{"/sample"}, args)
}

// SaveForRuntime writes a file that the container runtime imports: images of
// one program, each of which starts it by another name. The layer is left
// uncompressed, as it never leaves the machine.
func SaveForRuntime(file, program string, entries map[string]string) error {
	var names []string
	for _, entry := range entries {
		names = append(names, entry)
	}
	files, err := pack(program, names...)
	if err != nil {
		return err
	}
	layer := static.NewLayer(files, types.DockerUncompressedLayer)
	images := map[name.Tag]v1.Image{}
	for ref, entry := range entries {
		tag, err := name.NewTag(ref)
		if err != nil {
			return err
		}
		if images[tag], err = assemble(layer, []string{entry}, nil); err != nil {
			return err
		}
	}
	return tarball.MultiWriteToFile(file, images)
}

// pack puts one program into a tar archive under several names. The same
// program gives the same bytes.
func pack(program string, names ...string) ([]byte, error) {
	content, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	first := names[0]
	for _, n := range names {
		first = min(first, n)
	}
	if err := w.WriteHeader(&tar.Header{Name: path.Clean(first)[1:], Mode: 0o755,
		Size: int64(len(content)), ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR}); err != nil {
		return nil, err
	}
	if _, err := w.Write(content); err != nil {
		return nil, err
	}
	for _, n := range names {
		if n == first {
			continue
		}
		if err := w.WriteHeader(&tar.Header{Name: n[1:], Typeflag: tar.TypeSymlink,
			Linkname: first, Mode: 0o777, ModTime: time.Unix(0, 0),
			Format: tar.FormatUSTAR}); err != nil {
			return nil, err
		}
	}
	err = w.Close()
	return out.Bytes(), err
}

func compressed(files []byte) (v1.Layer, error) {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if _, err := z.Write(files); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(out.Bytes())), nil
	}, tarball.WithMediaType(types.DockerLayer))
}

func assemble(layer v1.Layer, entry, args []string) (v1.Image, error) {
	img, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{
		Architecture: "amd64", OS: "linux",
		RootFS: v1.RootFS{Type: "layers"},
		Config: v1.Config{Entrypoint: entry, Cmd: args, User: user, WorkingDir: "/"},
	})
	if err != nil {
		return nil, err
	}
	return mutate.AppendLayers(img, layer)
}
