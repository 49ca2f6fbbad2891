// SPDX-License-Identifier: Apache-2.0

// Package proc knows a process beyond its number: a process id can be given
// to another program after its owner died, so every signal goes through a
// handle that was checked against boot, start time and pid namespace.
package proc

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Identity tells one process from every other that had or will have its id.
type Identity struct {
	Pid   int    `json:"pid"`
	Start uint64 `json:"start"`
	Boot  string `json:"boot"`
	PidNS string `json:"pidNamespace"`
}

// Of reads the identity of a running process.
func Of(pid int) (Identity, error) {
	start, err := startTime(pid)
	if err != nil {
		return Identity{}, err
	}
	ns, err := os.Readlink(filepath.Join("/proc", strconv.Itoa(pid), "ns/pid"))
	if err != nil {
		return Identity{}, err
	}
	boot, err := bootID()
	if err != nil {
		return Identity{}, err
	}
	return Identity{Pid: pid, Start: start, Boot: boot, PidNS: ns}, nil
}

// InOwnNamespace says whether the caller is in the pid namespace of id.
func (id Identity) InOwnNamespace() bool {
	ns, err := os.Readlink("/proc/self/ns/pid")
	return err == nil && id.PidNS != "" && ns == id.PidNS
}

// Handle is an open reference to a process that cannot come to mean another.
type Handle struct{ fd int }

// ErrGone says that the process of an identity does not run any more.
var ErrGone = errors.New("the process has ended")

// Open returns a handle on the process of id, or ErrGone.
func Open(id Identity) (*Handle, error) {
	if id.Pid <= 1 {
		return nil, ErrGone
	}
	fd, err := unix.PidfdOpen(id.Pid, 0)
	if err != nil {
		return nil, ErrGone
	}
	now, err := Of(id.Pid)
	if err != nil || now != id {
		_ = unix.Close(fd)
		return nil, ErrGone
	}
	return &Handle{fd: fd}, nil
}

// Alive says whether the process of id runs. One that is ending, and has left
// its namespaces already, does not.
func Alive(id Identity) bool {
	h, err := Open(id)
	if err != nil {
		return false
	}
	defer h.Close()
	_, err = os.Readlink(filepath.Join("/proc", strconv.Itoa(id.Pid), "ns/net"))
	return err == nil && !h.wait(0)
}

// FindInit lists the processes that are the first of a pid namespace below the
// caller's and were started with the given arguments, program name apart.
func FindInit(args ...string) []Identity {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var found []Identity
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid <= 1 {
			continue
		}
		line, err := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		_, given, _ := strings.Cut(string(line), "\x00")
		if err != nil || given != strings.Join(args, "\x00")+"\x00" {
			continue
		}
		if id, err := Of(pid); err == nil && firstOfNamespace(pid) {
			found = append(found, id)
		}
	}
	return found
}

func firstOfNamespace(pid int) bool {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(b)) {
		if ids, ok := strings.CutPrefix(line, "NSpid:"); ok {
			f := strings.Fields(ids)
			return len(f) > 1 && f[len(f)-1] == "1"
		}
	}
	return false
}

// Close releases the handle.
func (h *Handle) Close() { _ = unix.Close(h.fd) }

// End asks the process to end, and kills it when it has not after patience.
func (h *Handle) End(patience time.Duration) error {
	for _, s := range []unix.Signal{unix.SIGTERM, unix.SIGKILL} {
		err := unix.PidfdSendSignal(h.fd, s, nil, 0)
		if errors.Is(err, unix.ESRCH) || h.wait(patience) {
			return nil
		}
	}
	return fmt.Errorf("a process of the lab did not end within %s of its kill",
		patience)
}

// wait says whether the process ended within d.
func (h *Handle) wait(d time.Duration) bool {
	deadline := time.Now().Add(d)
	for {
		left := max(time.Until(deadline), 0)
		fds := []unix.PollFd{{Fd: int32(h.fd), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, int(left.Milliseconds()))
		if n > 0 {
			return true
		}
		if errors.Is(err, unix.EINTR) {
			continue
		}
		return false
	}
}

func startTime(pid int) (uint64, error) {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0, err
	}
	// The program's name stands in brackets and may hold blanks and brackets.
	_, rest, ok := cutLast(string(b), ")")
	fields := strings.Fields(rest)
	if !ok || len(fields) < 20 {
		return 0, fmt.Errorf("the status line of process %d is unreadable", pid)
	}
	return strconv.ParseUint(fields[19], 10, 64)
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

func bootID() (string, error) {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(b)), err
}
