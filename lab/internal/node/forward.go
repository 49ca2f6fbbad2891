// SPDX-License-Identifier: Apache-2.0

package node

import (
	"errors"
	"io"
	"net"
	"sync"
)

// forward brings the connections of a listener of the machine's own network
// to an address inside. A socket stays in the network namespace it was made
// in, so the listener comes from 'lab up' and what is dialled here is inside.
func forward(l net.Listener, to string) {
	for {
		outer, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		go func() {
			defer outer.Close()
			inner, err := net.Dial("tcp", to)
			if err != nil {
				return
			}
			defer inner.Close()
			var both sync.WaitGroup
			both.Go(func() { copyHalf(inner, outer) })
			both.Go(func() { copyHalf(outer, inner) })
			both.Wait()
		}()
	}
}

// copyHalf copies one direction and passes its end on.
func copyHalf(to, from net.Conn) {
	_, err := io.Copy(to, from)
	if t, ok := to.(*net.TCPConn); ok && err == nil {
		_ = t.CloseWrite()
		return
	}
	_ = to.Close()
	_ = from.Close()
}
