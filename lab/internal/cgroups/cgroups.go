// SPDX-License-Identifier: Apache-2.0

// Package cgroups makes and removes the one cgroup below which everything of
// the lab's pods lies. Cgroups are the only thing of the lab that a namespace
// does not hold, so they must be removed by hand.
package cgroups

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

type hierarchy struct {
	path    string
	unified bool
}

// Make creates the cgroup name in every hierarchy that is mounted.
func Make(name string) error {
	hs, err := mounted()
	if err != nil {
		return err
	}
	only := len(hs) == 1
	for _, h := range hs {
		if h.unified && !only {
			continue // beside version 1 hierarchies it controls nothing
		}
		if h.unified {
			if err := delegate(h.path); err != nil {
				return err
			}
		}
		dir := filepath.Join(h.path, name)
		if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("cannot make the cgroup %s: %w", dir, err)
		}
		if h.unified {
			if err := delegate(dir); err != nil {
				return err
			}
		}
		if err := inheritCPUs(h.path, dir); err != nil {
			return err
		}
	}
	return nil
}

// Remove removes the cgroup name and all below it, from the leaves up.
func Remove(name string, patience time.Duration) error {
	hs, err := mounted()
	if err != nil {
		return err
	}
	deadline := time.Now().Add(patience)
	for {
		left := ""
		for _, h := range hs {
			dir := filepath.Join(h.path, name)
			removeTree(dir)
			if _, err := os.Stat(dir); err == nil {
				left = dir
			}
		}
		if left == "" {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the cgroup %s cannot be removed: "+
				"a process is still in it or below it", left)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func removeTree(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if e.IsDir() {
			removeTree(filepath.Join(dir, e.Name()))
		}
	}
	_ = os.Remove(dir)
}

// mounted lists the cgroup hierarchies of this machine, each once.
func mounted() ([]hierarchy, error) {
	b, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return nil, err
	}
	var hs []hierarchy
	seen := map[string]bool{}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 4 || !strings.HasPrefix(f[2], "cgroup") || seen[f[1]] {
			continue
		}
		seen[f[1]] = true
		hs = append(hs, hierarchy{path: f[1], unified: f[2] == "cgroup2"})
	}
	if len(hs) == 0 {
		return nil, errors.New("no cgroup hierarchy is mounted on this " +
			"machine; mount one at /sys/fs/cgroup")
	}
	return hs, nil
}

// delegate lets children of a version 2 cgroup use its controllers.
func delegate(dir string) error {
	b, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		return err
	}
	for c := range strings.FieldsSeq(string(b)) {
		f := filepath.Join(dir, "cgroup.subtree_control")
		if err := os.WriteFile(f, []byte("+"+c), 0); err != nil &&
			(c == "cpu" || c == "memory" || c == "pids") {
			return fmt.Errorf("cannot use the cgroup controller %s below %s: %w",
				c, dir, err)
		}
	}
	return nil
}

// inheritCPUs fills the two files without which a version 1 cpuset takes no
// process.
func inheritCPUs(parent, dir string) error {
	for _, f := range []string{"cpuset.cpus", "cpuset.mems"} {
		b, err := os.ReadFile(filepath.Join(parent, f))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, f), b, 0); err != nil {
			return fmt.Errorf("cannot set %s of %s: %w", f, dir, err)
		}
	}
	return nil
}
