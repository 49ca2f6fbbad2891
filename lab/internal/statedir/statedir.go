// SPDX-License-Identifier: Apache-2.0

// Package statedir owns the lab's one directory on the machine: where each
// file lies, who may use it now, and that nothing but a lab is ever removed.
package statedir

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"opendev.org/starlingx/portieris-armada-app/lab/internal/layout"
	"opendev.org/starlingx/portieris-armada-app/lab/internal/proc"
)

const marker = ".portieris-lab"

// parts are the directories that every lab makes in its own.
var parts = []string{"pki", "log", "bin", "run", "docker", "notary", "sysinv", "home"}

// Dir is the absolute path of a state directory.
type Dir string

// State is what must be known to end a lab: written before anything is made.
type State struct {
	Init   proc.Identity `json:"init"`
	Cgroup string        `json:"cgroup"`
}

// Config is what the programs inside the lab must know.
type Config struct {
	Bin              string            `json:"bin"`
	Checkout         string            `json:"checkout"`
	CertManager      string            `json:"certManager"`
	IPv6             bool              `json:"ipv6"`
	Forward          string            `json:"forward"`
	RegistryPassword string            `json:"registryPassword"`
	Passphrases      map[string]string `json:"passphrases"`
}

// Addresses are those of the lab's one family.
func (c Config) Addresses() layout.Addresses {
	if c.IPv6 {
		return layout.IPv6
	}
	return layout.IPv4
}

// At checks path and returns it as a state directory.
func At(path string) (Dir, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if len(abs) > 80 {
		return "", fmt.Errorf("the lab's directory %s has a path of more than "+
			"80 characters, too long for its sockets: "+
			"set PORTIERIS_LAB_DIR to a shorter one", abs)
	}
	// Lists of paths, mount options and configurations end at these.
	if strings.ContainsAny(abs, ":,\"\\\n") {
		return "", fmt.Errorf("the lab's directory %q has a character that "+
			"separates paths or options: set PORTIERIS_LAB_DIR to one "+
			`without : , " and \`, abs)
	}
	for _, hidden := range []string{"/", "/run", "/var/run", "/var/log", "/var/lib", "/proc", "/sys", "/dev"} {
		if abs == hidden || hidden != "/" && strings.HasPrefix(abs, hidden+"/") {
			return "", fmt.Errorf("the lab's directory cannot be %s: the lab "+
				"has a %s of its own; set PORTIERIS_LAB_DIR to another", abs, hidden)
		}
	}
	return Dir(abs), nil
}

func (d Dir) path(elem ...string) string {
	return filepath.Join(append([]string{string(d)}, elem...)...)
}

// PKI is a file among the lab's keys and certificates.
func (d Dir) PKI(name string) string { return d.path("pki", name) }

// CA is the certificate that signed registry, notary and token service.
func (d Dir) CA() string { return d.PKI("platform-ca.crt") }

// Log is the log of one service.
func (d Dir) Log(name string) string { return d.path("log", name+".log") }

// Logs is the directory of all logs.
func (d Dir) Logs() string { return d.path("log") }

// Bin holds the commands that an operator puts first in PATH.
func (d Dir) Bin() string { return d.path("bin") }

// Run is a file on the lab's own tmpfs, seen only from inside.
func (d Dir) Run(elem ...string) string {
	return d.path(append([]string{"run"}, elem...)...)
}

// Control is the socket that takes orders for the services.
func (d Dir) Control() string { return d.path("control.sock") }

// Env is the file that tells other programs how to use the lab.
func (d Dir) Env() string { return d.path("env.json") }

// DockerConfig is the directory of the registry's credentials.
func (d Dir) DockerConfig() string { return d.path("docker") }

// Notary is the directory of the signing client: configuration and keys.
func (d Dir) Notary() string { return d.path("notary") }

// Sysinv is the directory of the platform's application records.
func (d Dir) Sysinv() string { return d.path("sysinv") }

// Home is where programs in the lab keep caches.
func (d Dir) Home() string { return d.path("home") }

// Create makes the directory, or takes an empty one.
func (d Dir) Create() error {
	if err := d.check(); err != nil {
		return err
	}
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return fmt.Errorf("cannot make the lab's directory: %w", err)
	}
	if err := os.Chmod(string(d), 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(d.path(marker), nil, 0o600); err != nil {
		return err
	}
	for _, sub := range parts {
		if err := os.MkdirAll(d.path(sub), 0o700); err != nil {
			return err
		}
	}
	return nil
}

// Reclaim marks the directory of a lab again that was deleted while the lab
// ran: its programs have begun to make it anew. A directory that holds
// anything but what a lab makes stays unmarked.
func (d Dir) Reclaim() error {
	entries, err := os.ReadDir(string(d))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.IsDir() || !slices.Contains(parts, e.Name()) {
			return nil
		}
	}
	return os.WriteFile(d.path(marker), nil, 0o600)
}

// Remove deletes the directory and all in it, if it is a lab's.
func (d Dir) Remove() error {
	if err := d.check(); err != nil {
		return err
	}
	if _, err := os.Lstat(string(d)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return err
	}
	if at := d.mountedBelow(string(mounts)); at != "" {
		return fmt.Errorf("%s is still mounted; unmount it, then run "+
			"'portieris-app lab down' again", at)
	}
	entries, err := os.ReadDir(string(d))
	if err != nil {
		return err
	}
	for _, e := range markerLast(entries) {
		if err := os.RemoveAll(d.path(e.Name())); err != nil {
			return err
		}
	}
	return os.Remove(string(d))
}

// markerLast is the order in which a removal can be cut off and begun anew:
// what is left is known as a lab's until nothing is left.
func markerLast(entries []fs.DirEntry) []fs.DirEntry {
	slices.SortStableFunc(entries, func(a, b fs.DirEntry) int {
		return cmp.Compare(rank(a), rank(b))
	})
	return entries
}

func rank(e fs.DirEntry) int {
	if e.Name() == marker {
		return 1
	}
	return 0
}

// unescape reads a path as the kernel writes it into the list of mounts.
var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)

// mountedBelow finds a mount in the directory, given the list of all.
func (d Dir) mountedBelow(mounts string) string {
	for line := range strings.Lines(mounts) {
		f := strings.Fields(line)
		if len(f) > 1 && strings.HasPrefix(unescape.Replace(f[1]), string(d)+"/") {
			return unescape.Replace(f[1])
		}
	}
	return ""
}

// check refuses a directory that holds anything but a lab.
func (d Dir) check() error {
	info, err := os.Lstat(string(d))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is not a directory; set PORTIERIS_LAB_DIR "+
			"to another path", d)
	}
	if _, err := os.Lstat(d.path(marker)); err == nil {
		return nil
	}
	entries, err := os.ReadDir(string(d))
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() == "sysinv" {
			continue // the "system" command ran before there was a lab
		}
		return fmt.Errorf("%s holds files that no lab made; set "+
			"PORTIERIS_LAB_DIR to an empty or a new directory", d)
	}
	return nil
}

// LoadState reads what is needed to end a lab; none is no error.
func (d Dir) LoadState() (State, error) {
	var s State
	err := readJSON(d.path("state.json"), &s)
	if errors.Is(err, fs.ErrNotExist) {
		return State{}, nil
	}
	return s, err
}

// SaveState writes it.
func (d Dir) SaveState(s State) error { return d.writeJSON("state.json", s) }

// LoadConfig reads what the programs inside must know.
func (d Dir) LoadConfig() (Config, error) {
	var c Config
	return c, readJSON(d.path("config.json"), &c)
}

// SaveConfig writes it.
func (d Dir) SaveConfig(c Config) error { return d.writeJSON("config.json", c) }

// SaveEnv writes the file that tells other programs how to use the lab.
func (d Dir) SaveEnv(v any) error { return d.writeJSON("env.json", v) }

// Ready says whether the lab came up whole.
func (d Dir) Ready() bool {
	_, err := os.Stat(d.Env())
	return err == nil
}

func readJSON(file string, v any) error {
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrPermission) {
		return errors.New("the lab is root's: run this as root")
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%s is damaged: %w; 'portieris-app lab down' "+
			"removes it", file, err)
	}
	return nil
}

// writeJSON replaces a file as a whole, so that a kill leaves no half of it.
func (d Dir) writeJSON(name string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	tmp := d.path("." + name + ".new")
	if err := os.WriteFile(tmp, append(b, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, d.path(name))
}
