// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"net"
	"sync"
)

// shared hands the connections of one listener to several servers, so that
// one can shut down while the next goes on accepting.
type shared struct {
	listener    net.Listener
	connections chan net.Conn
	done        chan struct{}
	ended       chan struct{}
	err         error
}

func share(listener net.Listener) *shared {
	s := &shared{listener: listener, connections: make(chan net.Conn),
		ended: make(chan struct{}), done: make(chan struct{})}
	go s.accept()
	return s
}

// accept hands over connections until the listener is closed.
func (s *shared) accept() {
	defer close(s.ended)
	for {
		connection, err := s.listener.Accept()
		if err != nil {
			s.err = err
			return
		}
		select {
		case s.connections <- connection:
		case <-s.done:
			_ = connection.Close() // nobody is left to serve it
		}
	}
}

// close closes the listener and waits until nothing more is accepted.
func (s *shared) close() {
	close(s.done)
	_ = s.listener.Close() // a listener that failed is closed already
	<-s.ended
}

// part is a listener that can be closed without closing the shared one.
func (s *shared) part() *part {
	return &part{shared: s, closed: make(chan struct{})}
}

type part struct {
	shared *shared
	once   sync.Once
	closed chan struct{}
}

func (p *part) Accept() (net.Conn, error) {
	select {
	case <-p.closed:
		return nil, net.ErrClosed
	case connection := <-p.shared.connections:
		return connection, nil
	case <-p.shared.ended:
		return nil, p.shared.err
	}
}

func (p *part) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *part) Addr() net.Addr { return p.shared.listener.Addr() }
