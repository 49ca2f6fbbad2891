// SPDX-License-Identifier: Apache-2.0

// Package node is the inside of the lab: it turns fresh namespaces into a
// one-node platform and says when each part of it answers.
package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"opendev.org/starlingx/portieris-armada-app/lab/internal/control"
	"opendev.org/starlingx/portieris-armada-app/lab/internal/kubeapi"
	"opendev.org/starlingx/portieris-armada-app/lab/internal/layout"
	"opendev.org/starlingx/portieris-armada-app/lab/internal/statedir"
	"opendev.org/starlingx/portieris-armada-app/lab/internal/supervise"
	"opendev.org/starlingx/portieris-armada-app/lab/internal/toolbox"
)

type node struct {
	dir      statedir.Dir
	config   statedir.Config
	at       layout.Addresses
	cgroup   string
	services *supervise.Supervisor
	report   *reporter
	api      *kubeapi.Client
}

// Run starts the node and keeps it; it returns when the start failed or when
// 'lab up' died before the lab was whole.
func Run(d statedir.Dir) error {
	for fd := fdEvents; fd <= fdListener; fd++ {
		syscall.CloseOnExec(fd) // they are the node's, not its services'
	}
	n := &node{dir: d, services: supervise.New(),
		report: newReporter(os.NewFile(fdEvents, "events"))}
	err := n.up()
	if err == nil {
		n.report.tell(Event{Ready: true})
		debug.FreeOSMemory() // the images that were packed
		select {}            // until process 1 is told to end
	}
	e := Event{Error: err.Error()}
	var failed *startError
	if errors.As(err, &failed) {
		e.Service = failed.service
	}
	n.report.tell(e)
	return err
}

// startError names the service whose log says why.
type startError struct {
	service string
	err     error
}

func (e *startError) Error() string { return e.err.Error() }
func (e *startError) Unwrap() error { return e.err }

func (n *node) up() error {
	go endWithLauncher()
	state, err := n.dir.LoadState()
	if err != nil {
		return err
	}
	n.cgroup = state.Cgroup
	if n.config, err = n.dir.LoadConfig(); err != nil {
		return err
	}
	n.at = n.config.Addresses()
	if err := n.prepare(); err != nil {
		return err
	}
	for _, start := range []func() error{n.startEtcd, n.startAPIServer,
		n.startContainerd, n.startRegistry, n.startNotary, n.startNames} {
		if err := start(); err != nil {
			return err
		}
	}
	return n.bringUp(context.Background())
}

// prepare makes all that the services stand on.
func (n *node) prepare() error {
	if err := n.mounts(); err != nil {
		return err
	}
	if err := n.network(); err != nil {
		return err
	}
	orders, err := control.Listen(n.dir.Control())
	if err != nil {
		return err
	}
	go control.Serve(orders, n.services)
	outer, err := net.FileListener(os.NewFile(fdListener, "listener"))
	if err != nil {
		return err
	}
	go forward(outer, "127.0.0.1:"+layout.APIServerPort)
	n.api, err = kubeapi.New("https://127.0.0.1:"+layout.APIServerPort,
		n.dir.PKI("ca.crt"), n.dir.PKI("admin.crt"), n.dir.PKI("admin.key"))
	if err != nil {
		return err
	}
	return toolbox.Write(n.dir, n.config)
}

// endWithLauncher ends the lab when 'lab up' dies before it let go of it: one
// byte on the lifeline lets go, its end without one is a death.
func endWithLauncher() {
	lifeline := os.NewFile(fdLifeline, "lifeline")
	if n, _ := lifeline.Read(make([]byte, 1)); n == 0 {
		fmt.Fprintln(os.Stderr, "node: 'lab up' ended early, so the lab ends")
		os.Exit(1)
	}
}

// run runs a program to its end and puts what it said into the error.
func (n *node) run(argv ...string) error {
	var out bytes.Buffer
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.Env = append(os.Environ(), "KUBECONFIG="+n.dir.PKI("admin.conf"),
		"KUBECACHEDIR="+n.dir.Home()+"/kube")
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w: %s", argv[0], err, strings.TrimSpace(out.String()))
	}
	return nil
}

const (
	stepPatience = 3 * time.Minute
	stepPause    = 50 * time.Millisecond
)

// await tries until it succeeds; service is the one whose log tells why not.
func (n *node) await(ctx context.Context, what, service string, try func(context.Context) error) error {
	n.report.tell(Event{Waiting: what})
	ctx, cancel := context.WithTimeout(ctx, stepPatience)
	defer cancel()
	for {
		err := try(ctx)
		if err == nil {
			n.report.tell(Event{Done: what})
			return nil
		}
		select {
		case f := <-n.services.Failures():
			var failure *supervise.Failure
			errors.As(f, &failure)
			return &startError{failure.Service, f}
		case <-ctx.Done():
			return &startError{service, fmt.Errorf("waited %s and still not: "+
				"%s; last answer: %w", stepPatience, what, err)}
		case <-time.After(stepPause):
		}
	}
}
