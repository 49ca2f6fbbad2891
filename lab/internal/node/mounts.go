// SPDX-License-Identifier: Apache-2.0

package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"opendev.org/starlingx/portieris-armada-app/lab/internal/layout"
)

// sysctls are those that the kubelet would set for the whole machine. It is
// shown files of the lab's own in their place.
var sysctls = map[string]string{
	"vm/overcommit_memory":      "1",
	"vm/panic_on_oom":           "0",
	"kernel/panic":              "10",
	"kernel/panic_on_oops":      "1",
	"kernel/keys/root_maxkeys":  "1000000",
	"kernel/keys/root_maxbytes": "25000000",
}

// mounts gives the lab its own view of the file system. Every mount is seen
// in the lab's mount namespace only and goes with it.
func (n *node) mounts() error {
	resolv, err := filepath.EvalSymlinks("/etc/resolv.conf")
	if err != nil {
		resolv = "" // a machine without one needs none hidden
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("cannot part from the machine's mounts: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, ""); err != nil {
		return fmt.Errorf("cannot share mounts with the pods: %w", err)
	}
	const flags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	if err := unix.Mount("proc", "/proc", "proc", flags, ""); err != nil {
		return fmt.Errorf("cannot mount /proc: %w", err)
	}
	for dir, options := range map[string]string{
		n.dir.Run(): "mode=755,size=8g",
		"/run":      "mode=755",
		"/var/log":  "mode=755",
	} {
		if err := unix.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
			return fmt.Errorf("cannot mount a tmpfs on %s: %w", dir, err)
		}
	}
	if err := n.ownVarLib(); err != nil {
		return err
	}
	if err := n.writeFiles(); err != nil {
		return err
	}
	if err := bind(n.dir.Run("hosts"), "/etc/hosts"); err != nil {
		return err
	}
	if resolv != "" {
		if err := bind(n.dir.Run("resolv.conf"), resolv); err != nil {
			return err
		}
	}
	for name, value := range sysctls {
		own := n.dir.Run("sysctl-" + strings.ReplaceAll(name, "/", "-"))
		if err := os.WriteFile(own, []byte(value+"\n"), 0o644); err != nil {
			return err
		}
		err := unix.Mount(own, "/proc/sys/"+name, "", unix.MS_BIND, "")
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("cannot hide the setting %s: %w", name, err)
		}
	}
	return nil
}

// ownVarLib keeps what the network plugins write below /var/lib, a place they
// do not let choose, in the lab's memory.
func (n *node) ownVarLib() error {
	upper, work := n.dir.Run("var-lib", "upper"), n.dir.Run("var-lib", "work")
	for _, dir := range []string{upper, work} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	options := "lowerdir=/var/lib,upperdir=" + upper + ",workdir=" + work
	if err := unix.Mount("overlay", "/var/lib", "overlay", 0, options); err != nil {
		return fmt.Errorf("cannot lay an overlay over /var/lib: %w", err)
	}
	return nil
}

// bind shows file own at target, which is made if the lab's tmpfs hid it.
func bind(own, target string) error {
	if _, err := os.Stat(target); errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(target, nil, 0o644); err != nil {
			return err
		}
	}
	if err := unix.Mount(own, target, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("cannot show the lab's own %s: %w", target, err)
	}
	return nil
}

// network makes the node's one address and the settings of a router. There is
// no default route: nothing inside reaches anything outside.
func (n *node) network() error {
	if err := unix.Sethostname([]byte(layout.NodeName)); err != nil {
		return err
	}
	if err := n.run("ip", "-batch", n.dir.Run("ip.batch")); err != nil {
		return err
	}
	forward, filter := "ipv4/ip_forward", "bridge-nf-call-iptables"
	if n.config.IPv6 {
		forward, filter = "ipv6/conf/all/forwarding", "bridge-nf-call-ip6tables"
	}
	if err := os.WriteFile("/proc/sys/net/"+forward, []byte("1"), 0); err != nil {
		return fmt.Errorf("cannot let the node forward packets: %w", err)
	}
	// Without the bridge filter Services would not answer pods of the bridge.
	err := os.WriteFile("/proc/sys/net/bridge/"+filter, []byte("1"), 0)
	if err != nil {
		return fmt.Errorf("the kernel does not show bridged packets to "+
			"iptables (br_netfilter; try 'modprobe br_netfilter'): %w", err)
	}
	return nil
}
