// SPDX-License-Identifier: Apache-2.0

package v1

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// generator is the command that doc.go gives, which writes elsewhere.
func generator(t *testing.T, crds, code string) []string {
	t.Helper()
	source, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	_, line, found := strings.Cut(string(source), "//go:generate ")
	line, _, _ = strings.Cut(line, "\n")
	args := strings.Fields(line)
	if !found || !strings.HasPrefix(args[len(args)-1], "output:crd:dir=") {
		t.Fatalf("doc.go has no command that ends with the CRDs: %q", line)
	}
	return append(args[:len(args)-1], "output:crd:dir="+crds,
		"output:object:dir="+code)
}

func TestWhatIsGeneratedIsUpToDate(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: builds the generator")
	}
	crds, code := t.TempDir(), t.TempDir()
	args := generator(t, crds, code)
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err !=
		nil {
		t.Fatalf("%v\n%s", err, out)
	}
	chart := filepath.Join("..", "..", "..", "stx-portieris-helm",
		"helm-charts", "portieris", "crds")
	same(t, filepath.Join(code, "zz_generated.deepcopy.go"),
		"zz_generated.deepcopy.go")
	files, err := os.ReadDir(crds)
	if err != nil || len(files) != 2 {
		t.Fatalf("generated %v, %v", files, err)
	}
	for _, file := range files {
		same(t, filepath.Join(crds, file.Name()),
			filepath.Join(chart, file.Name()))
	}
}

func same(t *testing.T, generated, kept string) {
	t.Helper()
	want, err := os.ReadFile(generated)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(kept)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what go generate makes; run it", kept)
	}
}
