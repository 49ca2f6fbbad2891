// SPDX-License-Identifier: Apache-2.0

package statedir

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"
)

// ID is short and differs between directories.
func (d Dir) ID() string {
	sum := sha256.Sum256([]byte(d))
	return hex.EncodeToString(sum[:4])
}

// Lock gives the caller the sole right to start or stop this lab until it
// unlocks or dies. The lock is a name and no file, so that it leaves nothing.
func (d Dir) Lock(patience time.Duration) (unlock func(), err error) {
	deadline := time.Now().Add(patience)
	told := false
	for {
		l, err := net.Listen("unix", "@portieris-lab-"+d.ID())
		if err == nil {
			return func() { _ = l.Close() }, nil
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			return nil, err
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("another 'lab up' or 'lab down' has been "+
				"working on %s for %s; let it end, or end it, and try again",
				d, patience)
		}
		if !told {
			fmt.Fprintf(os.Stderr, "lab: waiting for another 'lab up' or "+
				"'lab down' on %s\n", d)
			told = true
		}
		time.Sleep(100 * time.Millisecond)
	}
}
