// SPDX-License-Identifier: Apache-2.0

package node

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
)

// Files that 'lab up' hands down, by descriptor.
const (
	fdEvents   = 3
	fdLifeline = 4
	fdListener = 5
)

// Init is process 1 of the lab's pid namespace. It starts the node, reaps what
// loses its parent, and ends with the node or when told to. With its end the
// kernel ends every other process of the namespace, and with the last of them
// go the mounts, interfaces and rules.
func Init(self, dir string) int {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-stop
		os.Exit(0)
	}()
	cmd := exec.Command(self, "node", "--dir", dir)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	for fd := uintptr(fdEvents); fd <= fdListener; fd++ {
		cmd.ExtraFiles = append(cmd.ExtraFiles, os.NewFile(fd, "inherited"))
	}
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "init:", err)
		return 1
	}
	for _, f := range cmd.ExtraFiles {
		_ = f.Close()
	}
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "init:", err)
			return 1
		}
		if pid == cmd.Process.Pid {
			fmt.Fprintln(os.Stderr, "init: the node ended, status", status.ExitStatus())
			return 1
		}
	}
}
