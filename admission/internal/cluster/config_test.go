// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const kubeconfig = `apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://198.51.100.1:6443"}}]
contexts: [{name: x, context: {cluster: c, user: ""}}]
current-context: x
`

func TestTheKubernetesAPIIsThatOfTheFlagThenOfTheEnvironment(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(path, []byte(kubeconfig), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBECONFIG", "/nonexistent")
	config, err := Config(path)
	if err != nil || config.Host != "https://198.51.100.1:6443" {
		t.Errorf("the flag gives %v, %v", config, err)
	}
	if _, err := Config(""); err == nil ||
		!strings.Contains(err.Error(), `kubeconfig "/nonexistent"`) {
		t.Errorf("the environment gives %v", err)
	}
}

// As kubectl reads it: missing files are passed over, the first to say
// something counts.
func TestTheEnvironmentMayNameSeveralKubeconfigs(t *testing.T) {
	directory := t.TempDir()
	var paths []string
	for _, part := range []string{"context", "cluster"} {
		path := filepath.Join(directory, part)
		text := kubeconfig[:strings.Index(kubeconfig, "contexts:")]
		if part == "context" {
			text = kubeconfig[strings.Index(kubeconfig, "contexts:"):]
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	t.Setenv("KUBECONFIG", strings.Join(append(paths, "/nonexistent"), ":"))
	config, err := Config("")
	if err != nil || config.Host != "https://198.51.100.1:6443" {
		t.Errorf("the environment gives %v, %v", config, err)
	}
}

func TestAKubeconfigThatNamesNoClusterIsSaidToBeSo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Config(path)
	if err == nil || !strings.Contains(err.Error(), "names no cluster") {
		t.Errorf("the error is %v", err)
	}
}

func TestOutsideAClusterAKubeconfigIsAskedFor(t *testing.T) {
	t.Setenv("KUBECONFIG", "")
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	_, err := Config("")
	if err == nil || !strings.Contains(err.Error(),
		"no kubeconfig is given by --kubeconfig or KUBECONFIG") {
		t.Errorf("the error is %v", err)
	}
}
