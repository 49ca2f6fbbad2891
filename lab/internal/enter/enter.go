// SPDX-License-Identifier: Apache-2.0

// Package enter runs a command inside a running lab, with the environment in
// which the operator's tools find the cluster, the registry and their keys.
package enter

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"opendev.org/starlingx/portieris-armada-app/lab/internal/layout"
	"opendev.org/starlingx/portieris-armada-app/lab/internal/proc"
	"opendev.org/starlingx/portieris-armada-app/lab/internal/statedir"
)

// systemPath is where the node's and the operator's programs lie.
const systemPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// ErrDown says that there is no lab to enter.
var ErrDown = errors.New("no lab is up; start one with 'portieris-app lab up'")

// Exec replaces the caller by argv inside the lab. It returns only errors.
func Exec(d statedir.Dir, argv []string) error {
	s, err := d.LoadState()
	if err != nil {
		return err
	}
	inside := s.Init.InOwnNamespace()
	if !inside && !proc.Alive(s.Init) {
		return ErrDown
	}
	cfg, err := d.LoadConfig()
	if err != nil {
		return err
	}
	env := Environment(d, cfg, os.Environ())
	if inside {
		return replace(argv, env)
	}
	cwd, err := os.Getwd()
	if err != nil {
		return err
	}
	nsenter := []string{"nsenter", "--target", strconv.Itoa(s.Init.Pid),
		"--mount", "--net", "--pid", "--ipc", "--uts",
		// The namespace has the whole machine as its root, also when the lab
		// was started in a changed one.
		"--root", "--wdns=" + cwd, "--"}
	return replace(append(nsenter, argv...), env)
}

func replace(argv, env []string) error {
	program, err := lookup(argv[0], env)
	if err != nil {
		return err
	}
	return syscall.Exec(program, argv, env)
}

// lookup finds a program by the new environment's PATH.
func lookup(program string, env []string) (string, error) {
	if strings.Contains(program, "/") {
		return program, nil
	}
	for _, e := range env {
		if path, ok := strings.CutPrefix(e, "PATH="); ok {
			for _, dir := range filepath.SplitList(path) {
				found, err := exec.LookPath(filepath.Join(dir, program))
				if err == nil {
					return found, nil
				}
			}
		}
	}
	return "", fmt.Errorf("cannot run %s: there is no such program", program)
}

// Environment changes base to that of the lab. Proxies are dropped, as nothing
// outside can be reached from inside.
func Environment(d statedir.Dir, cfg statedir.Config, base []string) []string {
	path := systemPath
	var env []string
	for _, e := range base {
		key, value, _ := strings.Cut(e, "=")
		switch {
		case strings.HasSuffix(strings.ToLower(key), "_proxy"):
		case key == "PATH":
			path = value
		default:
			env = append(env, e)
		}
	}
	auth := base64.StdEncoding.EncodeToString(
		[]byte(layout.RegistryUser + ":" + cfg.RegistryPassword))
	set := map[string]string{
		"PATH":               d.Bin() + ":" + without(path, d.Bin()) + ":" + systemPath,
		"PORTIERIS_LAB_DIR":  string(d),
		"KUBECONFIG":         d.PKI("admin.conf"),
		"KUBECACHEDIR":       filepath.Join(d.Home(), "kube"),
		"HELM_BIN":           filepath.Join(cfg.Bin, "helm"),
		"HELM_CACHE_HOME":    filepath.Join(d.Home(), "helm/cache"),
		"HELM_CONFIG_HOME":   filepath.Join(d.Home(), "helm/config"),
		"HELM_DATA_HOME":     filepath.Join(d.Home(), "helm/data"),
		"SSL_CERT_FILE":      d.CA(),
		"CURL_CA_BUNDLE":     d.CA(),
		"REQUESTS_CA_BUNDLE": d.CA(),
		"DOCKER_CONFIG":      d.DockerConfig(),
		"REGISTRY_AUTH_FILE": filepath.Join(d.DockerConfig(),
			"config.json"),
		"NOTARY_AUTH": auth,
	}
	for role, phrase := range cfg.Passphrases {
		set["NOTARY_"+role+"_PASSPHRASE"] = phrase
	}
	out := env[:0:0]
	for _, e := range env {
		key, _, _ := strings.Cut(e, "=")
		if _, ours := set[key]; !ours {
			out = append(out, e)
		}
	}
	for key, value := range set {
		out = append(out, key+"="+value)
	}
	return out
}

func without(path, dir string) string {
	var kept []string
	for _, p := range filepath.SplitList(path) {
		if p != dir {
			kept = append(kept, p)
		}
	}
	return strings.Join(kept, ":")
}
