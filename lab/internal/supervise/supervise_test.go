// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const deadline = time.Minute

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	end := time.After(deadline)
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for !holds() {
		select {
		case <-end:
			t.Fatalf("not within %s: %s", deadline, what)
		case <-again.C:
		}
	}
}

func startShell(t *testing.T, script string) (*Supervisor, string) {
	t.Helper()
	s := New()
	log := filepath.Join(t.TempDir(), "log")
	err := s.Start(Service{Name: "x", Argv: []string{"/bin/sh", "-c", script}, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop("x"); err != nil {
			t.Error(err)
		}
	})
	return s, log
}

func runs(log string) int {
	b, _ := os.ReadFile(log)
	return strings.Count(string(b), "run")
}

func TestServiceThatDiesIsStartedAgainAndReported(t *testing.T) {
	s, log := startShell(t, "echo run")
	eventually(t, "a second run", func() bool { return runs(log) > 1 })
	select {
	case err := <-s.Failures():
		if !strings.Contains(err.Error(), "service x ended unexpectedly") {
			t.Fatalf("unexpected report: %v", err)
		}
	case <-time.After(deadline):
		t.Fatal("no report of the end")
	}
}

func TestStoppedServiceStaysStoppedUntilResume(t *testing.T) {
	s, log := startShell(t, "echo run; exec sleep 60")
	eventually(t, "the first run", func() bool { return runs(log) == 1 })
	if err := s.Stop("x"); err != nil {
		t.Fatal(err)
	}
	if got := s.Status()[0]; got.State != Stopped || got.Restarts != 0 {
		t.Fatalf("after stop: %+v", got)
	}
	if err := s.Resume("x"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a run after resume", func() bool { return runs(log) == 2 })
}

func TestPausedServiceIsFrozenAndCanBeStopped(t *testing.T) {
	s, log := startShell(t, "echo run; exec sleep 60")
	eventually(t, "the first run", func() bool { return runs(log) == 1 })
	if err := s.Pause("x"); err != nil {
		t.Fatal(err)
	}
	pid := s.units["x"].process.Pid
	eventually(t, "the process to be frozen", func() bool { return state(pid) == "T" })
	if err := s.Stop("x"); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, 0); err == nil {
		t.Fatalf("process %d still runs", pid)
	}
}

func TestUnknownServiceIsNamed(t *testing.T) {
	err := New().Stop("nothing")
	if err == nil || !strings.Contains(err.Error(), `no service "nothing"`) {
		t.Fatalf("got %v", err)
	}
}

func state(pid int) string {
	b, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	_, rest, _ := strings.Cut(string(b), ") ")
	return rest[:min(1, len(rest))]
}
