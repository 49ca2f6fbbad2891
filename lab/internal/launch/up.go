// SPDX-License-Identifier: Apache-2.0

// Package launch starts and ends a lab from the outside. It owns the few
// things that no namespace holds: the state directory, the cgroup, the pid.
package launch

import (
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"os/exec"
	"time"

	"opendev.org/starlingx/portieris-armada-app/lab/internal/cgroups"
	"opendev.org/starlingx/portieris-armada-app/lab/internal/pki"
	"opendev.org/starlingx/portieris-armada-app/lab/internal/proc"
	"opendev.org/starlingx/portieris-armada-app/lab/internal/statedir"
	"opendev.org/starlingx/portieris-armada-app/lab/internal/toolbox"
)

const (
	lockPatience = 5 * time.Minute
	endPatience  = 10 * time.Second
)

// Up starts a lab, or says that it is up already. keepLogs is a directory
// that gets the logs of a start that failed.
func Up(d statedir.Dir, cfg statedir.Config, keepLogs string) error {
	if err := preflight(cfg); err != nil {
		return err
	}
	unlock, err := d.Lock(lockPatience)
	if err != nil {
		return err
	}
	defer unlock()
	old, err := d.LoadState()
	if err == nil && d.Ready() && proc.Alive(old.Init) {
		running, err := d.LoadConfig()
		if err != nil {
			return err
		}
		if cfg.IPv6 && !running.IPv6 {
			return fmt.Errorf("the lab in %s is up with IPv4 addresses; "+
				"'portieris-app lab down' ends it, then run 'lab up "+
				"--ipv6' again", d)
		}
		fmt.Fprintf(os.Stderr, "lab: is up already, in %s\n", d)
		return nil
	}
	if err := clean(d); err != nil {
		return err
	}
	if err := start(d, cfg); err != nil {
		return fail(d, err, keepLogs)
	}
	return nil
}

func start(d statedir.Dir, cfg statedir.Config) error {
	began := time.Now()
	if err := d.Create(); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer listener.Close()
	cfg.Forward = listener.Addr().String()
	cfg.RegistryPassword = rand.Text()
	cfg.Passphrases = map[string]string{}
	for _, role := range []string{"ROOT", "TARGETS", "SNAPSHOT", "DELEGATION"} {
		cfg.Passphrases[role] = rand.Text()
	}
	if err := d.SaveConfig(cfg); err != nil {
		return err
	}
	if err := pki.WriteNode(d, cfg.Addresses(), cfg.Forward, cfg.RegistryPassword); err != nil {
		return err
	}
	state := statedir.State{Cgroup: cgroupName(d)}
	if err := d.SaveState(state); err != nil {
		return err
	}
	loadBridgeFilter()
	if err := cgroups.Make(state.Cgroup); err != nil {
		return err
	}
	c, err := clone(d, cfg, listener)
	if err != nil {
		return err
	}
	if state.Init, err = proc.Of(c.cmd.Process.Pid); err != nil {
		return err
	}
	if err := d.SaveState(state); err != nil {
		return err
	}
	if err := c.follow(began); err != nil {
		return err
	}
	if err := toolbox.WriteEnv(d, cfg, c.cmd.Process.Pid); err != nil {
		return err
	}
	if err := c.release(); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "lab: up (%.1f s), commands in %s\n",
		time.Since(began).Seconds(), d.Bin())
	return nil
}

// cgroupName differs between labs, so that one never removes another's.
func cgroupName(d statedir.Dir) string { return "portieris-lab-" + d.ID() }

// loadBridgeFilter asks for the one kernel module that nothing loads by
// itself. Where it cannot be had, the node says so.
func loadBridgeFilter() {
	if _, err := os.Stat("/proc/sys/net/bridge"); err != nil {
		_ = exec.Command("modprobe", "br_netfilter").Run()
	}
}
