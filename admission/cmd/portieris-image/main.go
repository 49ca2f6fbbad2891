// SPDX-License-Identifier: Apache-2.0

// Command portieris-image packs the admission server into a container image
// without a container engine: one layer on nothing. The tar is an OCI layout
// with a docker manifest.json beside it, so that docker, containerd and skopeo
// load it, and the digest stays what it is. The same binary gives the same
// bytes.
package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// nobody is the user that needs no entry in a passwd file: the image has none.
const nobody = "65532:65532"

func main() {
	binary := flag.String("binary", "", "static binary of the admission server")
	reference := flag.String("reference", "", "name and tag of the image")
	output := flag.String("output", "", "tar to write")
	epoch := flag.Int64("epoch", 0, "date of everything in the image, seconds since 1970")
	flag.Parse()
	digest, err := pack(*binary, *reference, *output, time.Unix(*epoch, 0).UTC())
	if err != nil {
		fmt.Fprintln(os.Stderr, "portieris-image:", err)
		os.Exit(1)
	}
	fmt.Println(digest)
}

// pack writes the image to output and returns the digest of its manifest.
func pack(binary, reference, output string, when time.Time) (string, error) {
	tag, err := name.NewTag(reference, name.StrictValidation)
	if err != nil {
		return "", fmt.Errorf("the image's name: %w", err)
	}
	program, err := os.ReadFile(binary)
	if err != nil {
		return "", fmt.Errorf("read the server: %w", err)
	}
	image, err := assemble(program, tag.TagStr(), when)
	if err != nil {
		return "", err
	}
	folder, err := os.MkdirTemp("", "portieris-image-")
	if err != nil {
		return "", fmt.Errorf("make room for the image: %w", err)
	}
	defer os.RemoveAll(folder)
	if err := lay(image, tag, folder); err != nil {
		return "", err
	}
	if err := archive(folder, output, when); err != nil {
		return "", fmt.Errorf("write the image: %w", err)
	}
	digest, err := image.Digest()
	return digest.String(), err
}

// lay writes the image into folder as an OCI layout, and docker's
// manifest.json that points to the same blobs.
func lay(image v1.Image, tag name.Tag, folder string) error {
	path, err := layout.Write(folder, empty.Index)
	if err != nil {
		return fmt.Errorf("lay out the image: %w", err)
	}
	if err := path.AppendImage(image, layout.WithAnnotations(map[string]string{
		"io.containerd.image.name":          tag.String(),
		"org.opencontainers.image.ref.name": tag.TagStr(),
	})); err != nil {
		return fmt.Errorf("lay out the image: %w", err)
	}
	manifest, err := image.Manifest()
	if err != nil {
		return fmt.Errorf("read the manifest: %w", err)
	}
	docker := tarball.Descriptor{
		Config:   blob(manifest.Config),
		RepoTags: []string{tag.String()},
	}
	for _, layer := range manifest.Layers {
		docker.Layers = append(docker.Layers, blob(layer))
	}
	content, err := json.Marshal(tarball.Manifest{docker})
	if err != nil {
		return fmt.Errorf("write docker's manifest: %w", err)
	}
	return os.WriteFile(filepath.Join(folder, "manifest.json"), content, 0o644)
}

func blob(descriptor v1.Descriptor) string {
	return "blobs/" + descriptor.Digest.Algorithm + "/" + descriptor.Digest.Hex
}

// archive writes what is below folder into a tar, in the order of the names.
// A folder that the tar only implies is made as root's by skopeo, which fails
// for everybody else.
func archive(folder, output string, when time.Time) error {
	target, err := os.Create(output)
	if err != nil {
		return err
	}
	defer target.Close()
	packed := tar.NewWriter(target)
	err = filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == folder {
			return err
		}
		inside, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return add(packed, inside+"/", 0o755, nil, when)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return add(packed, inside, 0o644, content, when)
	})
	if err != nil {
		return err
	}
	if err := packed.Close(); err != nil {
		return err
	}
	return target.Close()
}

func assemble(program []byte, version string, when time.Time) (v1.Image, error) {
	files, err := tree(program, when)
	if err != nil {
		return nil, fmt.Errorf("pack the layer: %w", err)
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(files)), nil
	})
	if err != nil {
		return nil, fmt.Errorf("make the layer: %w", err)
	}
	image, err := mutate.Append(empty.Image, mutate.Addendum{
		Layer:   layer,
		History: v1.History{Created: v1.Time{Time: when}, CreatedBy: "portieris-image"},
	})
	if err != nil {
		return nil, fmt.Errorf("add the layer: %w", err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	config = config.DeepCopy()
	config.OS = "linux"
	config.Architecture = runtime.GOARCH
	config.Created = v1.Time{Time: when}
	config.Config = v1.Config{
		Entrypoint:   []string{"/portieris"},
		User:         nobody,
		WorkingDir:   "/run",
		ExposedPorts: map[string]struct{}{"8000/tcp": {}, "8080/tcp": {}},
		Labels: map[string]string{
			"org.opencontainers.image.title":    "portieris",
			"org.opencontainers.image.version":  version,
			"org.opencontainers.image.licenses": "Apache-2.0",
		},
	}
	return mutate.ConfigFile(image, config)
}

// tree is the whole file system: the server and the folders that the pod
// mounts over. Any user may write to /run and /tmp.
func tree(program []byte, when time.Time) ([]byte, error) {
	var packed bytes.Buffer
	writer := tar.NewWriter(&packed)
	for _, folder := range []struct {
		name string
		mode int64
	}{{"etc/", 0o755}, {"etc/certs/", 0o755}, {"run/", 0o1777}, {"tmp/", 0o1777}} {
		if err := add(writer, folder.name, folder.mode, nil, when); err != nil {
			return nil, err
		}
	}
	if err := add(writer, "portieris", 0o755, program, when); err != nil {
		return nil, err
	}
	err := writer.Close()
	return packed.Bytes(), err
}

// add writes one entry; that of a folder has a name that ends in a slash.
func add(writer *tar.Writer, name string, mode int64, content []byte, when time.Time) error {
	kind := byte(tar.TypeReg)
	if strings.HasSuffix(name, "/") {
		kind = tar.TypeDir
	}
	if err := writer.WriteHeader(&tar.Header{
		Typeflag: kind, Name: name, Mode: mode, Size: int64(len(content)), ModTime: when,
	}); err != nil {
		return err
	}
	_, err := writer.Write(content)
	return err
}
