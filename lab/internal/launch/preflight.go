// SPDX-License-Identifier: Apache-2.0

package launch

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"opendev.org/starlingx/portieris-armada-app/lab/internal/statedir"
)

// programs of the machine that the lab runs, with their Debian packages.
var programs = map[string]string{
	"containerd":          "containerd",
	"ctr":                 "containerd",
	"/usr/sbin/runc":      "runc",
	"/usr/lib/cni/bridge": "containernetworking-plugins",
	"iptables":            "iptables",
	"conntrack":           "conntrack",
	"dnsmasq":             "dnsmasq-base",
	"docker-registry":     "docker-registry",
	"notary":              "notary",
	"skopeo":              "skopeo",
	"ip":                  "iproute2",
	"nsenter":             "util-linux",
}

// built are the lab's own programs.
var built = []string{"kube", "certmanager", "helm", "labnode", "pause", "sample", "notary-server"}

// preflight says in one sentence what keeps a lab from starting.
func preflight(cfg statedir.Config) error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("the lab needs root, because it makes namespaces, " +
			"mounts and cgroups: run 'lab up' as root")
	}
	var missing []string
	for program, pkg := range programs {
		if _, err := exec.LookPath(program); err != nil {
			missing = append(missing, pkg)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("programs of these packages are missing: %s; "+
			"install them with apt-get", strings.Join(missing, " "))
	}
	for _, name := range built {
		if _, err := os.Stat(filepath.Join(cfg.Bin, name)); err != nil {
			return fmt.Errorf("the lab's program %s is not built; "+
				"'portieris-app lab up' builds it", filepath.Join(cfg.Bin, name))
		}
	}
	if _, err := os.Stat("/proc/sys/net/ipv6"); cfg.IPv6 && err != nil {
		return fmt.Errorf("this kernel has no IPv6; run 'portieris-app lab " +
			"up' without --ipv6")
	}
	if _, err := os.Stat(cfg.CertManager); err != nil {
		return fmt.Errorf("the manifest of cert-manager is not there: %w", err)
	}
	for _, ns := range []string{"mnt", "net", "pid", "ipc", "uts"} {
		if _, err := os.Stat("/proc/self/ns/" + ns); err != nil {
			return fmt.Errorf("this kernel has no %s namespaces, without "+
				"which there is no lab", ns)
		}
	}
	return nil
}
