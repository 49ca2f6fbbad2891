// SPDX-License-Identifier: Apache-2.0

// Package leaktest runs the tests of a package and fails if, after the last
// of them, goroutines or sockets are left that were not there before.
package leaktest

import (
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience is how long what is on its way out may take.
const patience = time.Minute

// Main is for TestMain.
func Main(m *testing.M) { os.Exit(Run(m)) }

// Run runs the tests and returns the exit code.
func Run(m *testing.M) int {
	// The goroutine that the first use of signals starts never ends.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1)
	signal.Stop(signals)
	goroutines, sockets := runtime.NumGoroutine(), sockets()
	code := m.Run()
	if code == 0 && !ended(goroutines, sockets) {
		return 1
	}
	return code
}

// ended waits until there is no more than there was.
func ended(goroutinesBefore, socketsBefore int) bool {
	if idle, ok := http.DefaultTransport.(*http.Transport); ok {
		idle.CloseIdleConnections()
	}
	deadline := time.After(patience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for runtime.NumGoroutine() > goroutinesBefore || sockets() > socketsBefore {
		select {
		case <-deadline:
			fmt.Fprintf(os.Stderr, "after the tests there are %d goroutines "+
				"(before %d) and %d sockets (before %d)\n",
				runtime.NumGoroutine(), goroutinesBefore, sockets(),
				socketsBefore)
			_ = pprof.Lookup("goroutine").WriteTo(os.Stderr, 1)
			return false
		case <-tick.C:
		}
	}
	return true
}

// sockets counts the open sockets of this process.
func sockets() int {
	open, _ := filepath.Glob("/proc/self/fd/*")
	count := 0
	for _, file := range open {
		if target, err := os.Readlink(file); err == nil &&
			strings.HasPrefix(target, "socket:") {
			count++
		}
	}
	return count
}
