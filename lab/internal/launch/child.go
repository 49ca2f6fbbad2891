// SPDX-License-Identifier: Apache-2.0

package launch

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"opendev.org/starlingx/portieris-armada-app/lab/internal/node"
	"opendev.org/starlingx/portieris-armada-app/lab/internal/statedir"
)

const heartbeat = 10 * time.Second

// child is process 1 of a lab that is starting.
type child struct {
	cmd      *exec.Cmd
	events   *os.File
	lifeline *os.File
}

// clone makes the namespaces and process 1 in them. The pid is that of the
// clone itself, so nothing has to be guessed.
func clone(d statedir.Dir, cfg statedir.Config, outer net.Listener) (*child, error) {
	events, eventsIn, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer eventsIn.Close()
	lifelineIn, lifeline, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer lifelineIn.Close()
	listener, err := outer.(*net.TCPListener).File()
	if err != nil {
		return nil, err
	}
	defer listener.Close()
	log, err := os.Create(d.Log("init"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(filepath.Join(cfg.Bin, "labnode"), initArgs(d)...)
	cmd.Dir = "/"
	cmd.Env = []string{"HOME=" + d.Home(), "LANG=C.UTF-8",
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{eventsIn, lifelineIn, listener}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setsid: true,
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET |
			syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS,
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("this machine does not let root make "+
			"namespaces, without which there is no lab: %w", err)
	}
	return &child{cmd: cmd, events: events, lifeline: lifeline}, nil
}

// initArgs are the arguments of process 1, by which it can be found again.
func initArgs(d statedir.Dir) []string {
	return []string{"init", "--dir", string(d)}
}

// serviceError is a failed start with the log that tells why.
type serviceError struct {
	service string
	text    string
}

func (e *serviceError) Error() string { return e.text }

// follow prints the progress of the start until the lab is ready.
func (c *child) follow(began time.Time) error {
	news := make(chan node.Event)
	go func() {
		defer close(news)
		lines := json.NewDecoder(bufio.NewReader(c.events))
		for {
			var e node.Event
			if lines.Decode(&e) != nil {
				return
			}
			news <- e
		}
	}()
	signals := make(chan os.Signal, 1)
	// Not stopped again: a second signal must not cut off the clean-up.
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	waiting := "the lab's namespaces"
	for {
		select {
		case s := <-signals:
			return fmt.Errorf("stopped by %s", s)
		case <-time.After(heartbeat):
			fmt.Fprintf(os.Stderr, "lab: waiting for: %s (%.0f s so far)\n", waiting,
				time.Since(began).Seconds())
		case e, open := <-news:
			switch {
			case !open:
				return &serviceError{"init", "process 1 of the lab ended"}
			case e.Error != "":
				if e.Service == "" {
					e.Service = "init"
				}
				return &serviceError{e.Service, e.Error}
			case e.Done != "":
				fmt.Fprintf(os.Stderr, "lab: %s (%.1f s)\n", e.Done, time.Since(began).Seconds())
			case e.Waiting != "":
				waiting = e.Waiting
			case e.Ready:
				return nil
			}
		}
	}
}

// release lets go of a lab that is whole: from now on it outlives its parent.
func (c *child) release() error {
	if _, err := io.WriteString(c.lifeline, "released"); err != nil {
		return fmt.Errorf("the lab ended while it came up: %w", err)
	}
	return errors.Join(c.lifeline.Close(), c.events.Close())
}
