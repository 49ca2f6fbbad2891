// SPDX-License-Identifier: Apache-2.0

package node

import (
	"bytes"
	"embed"
	"os"
	"path/filepath"
	"text/template"

	"opendev.org/starlingx/portieris-armada-app/lab/internal/layout"
)

//go:embed files
var files embed.FS

// placed says where each configuration file goes on the lab's own tmpfs.
var placed = map[string]string{
	"containerd.toml": "containerd.toml",
	"hosts.toml":      "certs.d/" + layout.Registry + "/hosts.toml",
	"10-lab.conflist": "cni.d/10-lab.conflist",
	"kubelet.yaml":    "kubelet.yaml",
	"registry.yml":    "registry.yml",
	"hosts":           "hosts",
	"resolv.conf":     "resolv.conf",
	"ip.batch":        "ip.batch",
}

// writeFiles fills in the configuration of every program of the node.
func (n *node) writeFiles() error {
	values := map[string]any{
		"Run": n.dir.Run(), "PKI": filepath.Dir(n.dir.CA()), "CA": n.dir.CA(),
		"Cgroup": n.cgroup, "Node": layout.NodeName, "At": n.at,
		"IPv6": n.config.IPv6, "Registry": layout.Registry,
		"RegistryHost": layout.RegistryHost, "TrustHost": layout.TrustHost,
		"Pause": layout.PauseImage,
	}
	for name, to := range placed {
		t, err := template.ParseFS(files, "files/"+name)
		if err != nil {
			return err
		}
		var out bytes.Buffer
		if err := t.Option("missingkey=error").Execute(&out, values); err != nil {
			return err
		}
		file := n.dir.Run(to)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, out.Bytes(), 0o644); err != nil {
			return err
		}
	}
	for _, dir := range []string{"etcd", "registry", "volumeplugins", "kubelet", "kubelet-pki"} {
		if err := os.MkdirAll(n.dir.Run(dir), 0o755); err != nil {
			return err
		}
	}
	return nil
}
