// SPDX-License-Identifier: Apache-2.0

// Package toolbox writes what an operator and other programs use the lab by:
// commands that work from outside, credentials, and the file that names them.
package toolbox

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"opendev.org/starlingx/portieris-armada-app/lab/internal/layout"
	"opendev.org/starlingx/portieris-armada-app/lab/internal/statedir"
)

// Env is the content of env.json.
type Env struct {
	Kubeconfig        string `json:"kubeconfig"`
	KubeconfigOutside string `json:"kubeconfigOutside"`
	Registry          string `json:"registry"`
	RegistryUser      string `json:"registryUser"`
	RegistryPassword  string `json:"registryPassword"`
	TrustServer       string `json:"trustServer"`
	CA                string `json:"ca"`
	InitPid           int    `json:"initPid"`
	Bin               string `json:"bin"`
	DockerConfig      string `json:"dockerConfig"`
	Node              string `json:"node"`
	NodeIP            string `json:"nodeIP"`
}

// WriteEnv writes env.json; a lab that has it is up.
func WriteEnv(d statedir.Dir, cfg statedir.Config, initPid int) error {
	return d.SaveEnv(Env{
		Kubeconfig:        d.PKI("admin.conf"),
		KubeconfigOutside: d.PKI("admin-outside.conf"),
		Registry:          layout.Registry,
		RegistryUser:      layout.RegistryUser,
		RegistryPassword:  cfg.RegistryPassword,
		TrustServer:       layout.TrustServer,
		CA:                d.CA(),
		InitPid:           initPid,
		Bin:               d.Bin(),
		DockerConfig:      filepath.Join(d.DockerConfig(), "config.json"),
		Node:              layout.NodeName,
		NodeIP:            cfg.Addresses().NodeIP,
	})
}

// Write writes credentials and commands.
func Write(d statedir.Dir, cfg statedir.Config) error {
	config, err := DockerConfigJSON(cfg)
	if err != nil {
		return err
	}
	file := filepath.Join(d.DockerConfig(), "config.json")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		return err
	}
	if err := writeNotaryConfig(d); err != nil {
		return err
	}
	for name, command := range commands(d, cfg) {
		if err := writeCommand(d, cfg, name, command); err != nil {
			return err
		}
	}
	return nil
}

// commands says what each wrapper runs inside the lab.
func commands(d statedir.Dir, cfg statedir.Config) map[string][]string {
	bin := func(name string) string { return filepath.Join(cfg.Bin, name) }
	return map[string][]string{
		"kubectl": {bin("kube"), "kubectl"},
		"helm":    {bin("helm")},
		"skopeo":  {"/usr/bin/skopeo", "--insecure-policy"},
		"notary": {"/usr/bin/notary", "--configFile",
			filepath.Join(d.Notary(), "config.json")},
		"system": {"/usr/bin/env",
			"PYTHONPATH=" + filepath.Join(cfg.Checkout, "lab/sysinv"),
			filepath.Join(cfg.Checkout, "build/venv/bin/python"),
			"-m", "stx_system"},
	}
}

func writeCommand(d statedir.Dir, cfg statedir.Config, name string, argv []string) error {
	quoted := []string{quote(filepath.Join(cfg.Bin, "labnode")), "exec",
		"--dir", quote(string(d)), "--"}
	for _, a := range argv {
		quoted = append(quoted, quote(a))
	}
	script := fmt.Sprintf("#!/bin/sh\nexec %s \"$@\"\n", strings.Join(quoted, " "))
	return os.WriteFile(filepath.Join(d.Bin(), name), []byte(script), 0o755)
}

func quote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

func writeNotaryConfig(d statedir.Dir) error {
	config := map[string]any{
		"trust_dir": filepath.Join(d.Notary(), "trust"),
		"remote_server": map[string]string{
			"url": layout.TrustServer, "root_ca": d.CA()},
	}
	b, err := json.MarshalIndent(config, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(d.Notary(), "config.json"), b, 0o600)
}

// DockerConfigJSON is the registry's credentials in the form of a
// dockerconfigjson Secret, keyed by the registry with its port.
func DockerConfigJSON(cfg statedir.Config) ([]byte, error) {
	auth := base64.StdEncoding.EncodeToString(
		[]byte(layout.RegistryUser + ":" + cfg.RegistryPassword))
	return json.Marshal(map[string]any{"auths": map[string]any{
		layout.Registry: map[string]string{
			"username": layout.RegistryUser,
			"password": cfg.RegistryPassword,
			"auth":     auth,
		}}})
}
