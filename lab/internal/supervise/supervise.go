// SPDX-License-Identifier: Apache-2.0

// Package supervise keeps the node's programs running: it starts them, starts
// them again when they die, and leaves alone those that were told to stop.
package supervise

import (
	"fmt"
	"os"
	"os/exec"
	"sort"
	"sync"
	"syscall"
	"time"
)

// Service is one program.
type Service struct {
	Name string
	Argv []string
	Env  []string
	Log  string
}

// Status says how a service is.
type Status struct {
	Name     string    `json:"name"`
	State    string    `json:"state"`
	Restarts int       `json:"restarts"`
	Since    time.Time `json:"since"`
	LastExit string    `json:"lastExit,omitempty"`
}

// The states of a service.
const (
	Running = "running"
	Paused  = "paused"
	Stopped = "stopped"
	Failed  = "restarting"
)

const (
	stopPatience = 10 * time.Second
	firstPause   = 200 * time.Millisecond
	longestPause = 5 * time.Second
)

// Supervisor holds the services by name.
type Supervisor struct {
	mu       sync.Mutex
	units    map[string]*unit
	failures chan error
}

type unit struct {
	service Service
	status  Status
	process *os.Process
	ended   chan struct{}
	wanted  bool
}

// New returns a supervisor without services.
func New() *Supervisor {
	return &Supervisor{units: map[string]*unit{}, failures: make(chan error, 16)}
}

// Failures tells of each unexpected end of a service.
func (s *Supervisor) Failures() <-chan error { return s.failures }

// Start starts a service and keeps it running.
func (s *Supervisor) Start(svc Service) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := &unit{service: svc, status: Status{Name: svc.Name}}
	s.units[svc.Name] = u
	return s.spawn(u)
}

// Resume starts a stopped service, or continues a paused one.
func (s *Supervisor) Resume(name string) error {
	return s.with(name, func(u *unit) error {
		switch u.status.State {
		case Paused:
			u.set(Running)
			return u.process.Signal(syscall.SIGCONT)
		case Running:
			return nil
		}
		return s.spawn(u)
	})
}

// Pause freezes a service: its sockets stay open and answer nothing.
func (s *Supervisor) Pause(name string) error {
	return s.with(name, func(u *unit) error {
		if u.status.State != Running {
			return fmt.Errorf("service %s is %s, it cannot be paused", name,
				u.status.State)
		}
		u.set(Paused)
		return u.process.Signal(syscall.SIGSTOP)
	})
}

// Stop ends a service until Resume.
func (s *Supervisor) Stop(name string) error {
	var ended chan struct{}
	var process *os.Process
	err := s.with(name, func(u *unit) error {
		if u.wanted && u.process != nil && u.status.State != Failed {
			ended, process = u.ended, u.process
		}
		u.wanted = false
		u.set(Stopped)
		return nil
	})
	if err != nil || process == nil {
		return err
	}
	for _, sig := range []os.Signal{syscall.SIGTERM, syscall.SIGCONT, syscall.SIGKILL} {
		_ = process.Signal(sig)
		if sig == syscall.SIGTERM {
			continue // one that is frozen must be woken to end
		}
		select {
		case <-ended:
			return nil
		case <-time.After(stopPatience):
		}
	}
	return fmt.Errorf("service %s did not end after its kill", name)
}

// Status lists the services by name.
func (s *Supervisor) Status() []Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Status
	for _, u := range s.units {
		all = append(all, u.status)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Name < all[j].Name })
	return all
}

func (s *Supervisor) with(name string, do func(*unit) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, ok := s.units[name]
	if !ok {
		return fmt.Errorf("there is no service %q", name)
	}
	return do(u)
}

func (u *unit) set(state string) {
	u.status.State, u.status.Since = state, time.Now()
}

// spawn runs with the lock held.
func (s *Supervisor) spawn(u *unit) error {
	log, err := os.OpenFile(u.service.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(u.service.Argv[0], u.service.Argv[1:]...)
	cmd.Env = append(os.Environ(), u.service.Env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("cannot start %s: %w", u.service.Name, err)
	}
	u.process, u.ended, u.wanted = cmd.Process, make(chan struct{}), true
	u.set(Running)
	go s.watch(u, cmd, u.ended)
	return nil
}

// watch waits for the end of one run and, unless it was wanted, begins the
// next after a pause that grows while runs are short.
func (s *Supervisor) watch(u *unit, cmd *exec.Cmd, ended chan struct{}) {
	began := time.Now()
	_ = cmd.Wait()
	close(ended)
	s.mu.Lock()
	if !u.wanted {
		s.mu.Unlock()
		return
	}
	u.status.LastExit = cmd.ProcessState.String()
	u.set(Failed)
	pause := firstPause << min(u.status.Restarts, 5)
	if time.Since(began) > time.Minute {
		pause = firstPause
	}
	u.status.Restarts++
	s.mu.Unlock()
	select {
	case s.failures <- &Failure{u.service.Name, cmd.ProcessState.String()}:
	default:
	}
	time.Sleep(min(pause, longestPause))
	s.mu.Lock()
	defer s.mu.Unlock()
	if u.wanted && u.status.State == Failed {
		_ = s.spawn(u)
	}
}

// Failure is the unexpected end of a service.
type Failure struct{ Service, Exit string }

func (f *Failure) Error() string {
	return fmt.Sprintf("service %s ended unexpectedly (%s)", f.Service, f.Exit)
}
