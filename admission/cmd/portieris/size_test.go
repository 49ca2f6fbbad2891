// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// These packages double the binary and the time to build it; nothing here
// needs more of them than the rest client and the informers.
func TestTheHeavyKubernetesPackagesStayOut(t *testing.T) {
	list := exec.Command("go", "list", "-deps", ".")
	list.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	for dependency := range strings.Lines(string(out)) {
		dependency = strings.TrimSpace(dependency)
		for _, heavy := range []string{
			"k8s.io/client-go/kubernetes", "k8s.io/client-go/dynamic",
			"k8s.io/client-go/tools/leaderelection",
			"sigs.k8s.io/controller-runtime",
		} {
			if dependency == heavy ||
				strings.HasPrefix(dependency, heavy+"/") {
				t.Errorf("the server depends on %s", dependency)
			}
		}
	}
}

func TestTheBinaryIsStaticAndSmall(t *testing.T) {
	const limit = 35 << 20
	path := filepath.Join(t.TempDir(), "portieris")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w",
		"-o", path, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() > limit {
		t.Errorf("the binary has %d bytes, more than %d", info.Size(), limit)
	}
	answer, err := exec.Command(path, "version").Output()
	if err != nil || string(answer) != "portieris development\n" {
		t.Errorf("it says %q, %v", answer, err)
	}
}
