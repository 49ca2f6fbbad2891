// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/cluster"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/tool"
)

// doctorCommand looks at a running release from outside.
func doctorCommand(args []string, out io.Writer) error {
	flags := newFlags("doctor")
	kubeconfig := flags.String("kubeconfig", "",
		"kubeconfig `file`; default: $KUBECONFIG, else the pod's own account")
	e := tool.Examination{Every: time.Second}
	e.Waiting = func(err error) {
		fmt.Fprintf(os.Stderr, "waiting up to %s, because %v\n", e.Wait, err)
	}
	flags.StringVar(&e.Namespace, "server-namespace", ownNamespace(),
		"`namespace` of the admission server ($PORTIERIS_NAMESPACE)")
	flags.StringVar(&e.Address, "address", "",
		"`address` of the server; default: its Service, port 443")
	flags.StringVar(&e.Pods, "namespace", "default",
		"`namespace` in which two pods are asked for in a dry run")
	flags.StringVar(&e.Image, "image", tool.ImageOfNoRegistry,
		"image `name` that the policies admit")
	flags.DurationVar(&e.Wait, "wait", 2*time.Minute,
		"how long a renewed certificate may take to be served")
	if err := parse(flags, args, out); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return usage("doctor takes no %q; portieris doctor -h lists the flags",
			flags.Arg(0))
	}
	config, err := cluster.Config(*kubeconfig)
	if err != nil {
		return usageError{err}
	}
	connection, err := cluster.New(config, e.Namespace)
	if err != nil {
		return err
	}
	e.Patient = connection
	ctx, stop := signal.NotifyContext(context.Background(),
		syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if e.Address == "" {
		e.Address, err = connection.ServiceAddress(ctx, e.Namespace,
			"portieris")
		if err != nil {
			return fmt.Errorf("cannot find the server's Service: %w", err)
		}
	}
	return tool.Report(out, tool.Doctor(ctx, e))
}
