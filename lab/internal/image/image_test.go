// SPDX-License-Identifier: Apache-2.0

package image

import (
	"archive/tar"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

func program(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(file, []byte("not really\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return file
}

func digestOf(t *testing.T, file, text string) string {
	t.Helper()
	img, err := Sample(file, text)
	if err != nil {
		t.Fatal(err)
	}
	d, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return d.String()
}

func TestSampleDependsOnProgramAndTextOnly(t *testing.T) {
	file := program(t)
	if digestOf(t, file, "a") != digestOf(t, program(t), "a") {
		t.Error("the same program and text give two images")
	}
	if digestOf(t, file, "a") == digestOf(t, file, "b") {
		t.Error("two texts give one image")
	}
}

func TestSampleRunsAsNobody(t *testing.T) {
	img, err := Sample(program(t), "")
	if err != nil {
		t.Fatal(err)
	}
	c, err := img.ConfigFile()
	if err != nil || c.Config.User != user {
		t.Fatalf("%v, %v", c, err)
	}
}

func TestImageIsReadFromBothFormsOfFile(t *testing.T) {
	img, err := Sample(program(t), "x")
	if err != nil {
		t.Fatal(err)
	}
	want, _ := img.ConfigName()
	dir := t.TempDir()
	tag, _ := name.NewTag("registry.local:9001/x:1")
	docker := filepath.Join(dir, "docker.tar")
	if err := tarball.WriteToFile(docker, tag, img); err != nil {
		t.Fatal(err)
	}
	oci := filepath.Join(dir, "oci.tar")
	path, err := layout.Write(filepath.Join(dir, "oci"), emptyIndex())
	if err != nil {
		t.Fatal(err)
	}
	if err := path.AppendImage(img); err != nil {
		t.Fatal(err)
	}
	archive(t, oci, filepath.Join(dir, "oci"))
	for _, file := range []string{docker, oci} {
		got, closeImage, err := FromFile(file)
		if err != nil {
			t.Fatal(err)
		}
		defer closeImage()
		if id, err := got.ConfigName(); err != nil || id != want {
			t.Errorf("%s: %v, %v", file, id, err)
		}
	}
}

func TestFilesThatAreNoImageGetASentence(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte(strings.Repeat("x", 2000)), 0o600); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(dir, "other.tar")
	if err := os.Mkdir(filepath.Join(dir, "d"), 0o700); err != nil {
		t.Fatal(err)
	}
	archive(t, other, filepath.Join(dir, "d"))
	escape := filepath.Join(dir, "escape.tar")
	f, err := os.Create(escape)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(f)
	for _, n := range []string{"index.json", "../../etc/x"} {
		if err := w.WriteHeader(&tar.Header{Name: n, Mode: 0o600}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		text:          "cannot be read as a tar file",
		other:         "is no image: it has neither",
		escape:        "has a file outside of it",
		dir + "/none": "no such file",
	} {
		if _, _, err := FromFile(file); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", filepath.Base(file), err)
		}
	}
}

func TestNothingIsSentWithoutTLS(t *testing.T) {
	asked := false
	server := httptest.NewServer(handler(func() { asked = true }))
	defer server.Close()
	ca := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(ca, somePEM(t), 0o600); err != nil {
		t.Fatal(err)
	}
	r := Registry{CAFile: ca, User: "u", Password: "p"}
	_, _, err := r.Manifest(strings.TrimPrefix(server.URL, "http://") + "/x:1")
	if err == nil || asked {
		t.Fatalf("error %v, server asked in the clear: %v", err, asked)
	}
}
