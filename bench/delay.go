// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// delay is a TCP proxy that holds what passes back: half a round trip in each
// direction, and a round trip more for the handshake of a new connection.
type delay struct {
	listener  net.Listener
	target    string
	roundTrip atomic.Int64 // nanoseconds
	opened    atomic.Int64 // connections so far
}

func newDelay(target string) (*delay, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	d := &delay{listener: listener, target: target}
	go d.accept()
	return d, nil
}

func (d *delay) address() string { return d.listener.Addr().String() }

func (d *delay) set(roundTrip time.Duration) { d.roundTrip.Store(int64(roundTrip)) }

func (d *delay) accept() {
	for {
		client, err := d.listener.Accept()
		if err != nil {
			return
		}
		d.opened.Add(1)
		go d.pass(client)
	}
}

func (d *delay) pass(client net.Conn) {
	server, err := net.Dial("tcp", d.target)
	if err != nil {
		client.Close()
		return
	}
	var both sync.WaitGroup
	both.Go(func() { d.copy(server, client, time.Duration(d.roundTrip.Load())) })
	both.Go(func() { d.copy(client, server, 0) })
	both.Wait()
}

type chunk struct {
	data []byte
	due  time.Time
}

// copy passes on each piece half a round trip after it came, the first one
// later by what the handshake costs.
func (d *delay) copy(to, from net.Conn, handshake time.Duration) {
	chunks := make(chan chunk, 1024)
	go func() {
		defer close(chunks)
		for {
			buffer := make([]byte, 32<<10)
			n, err := from.Read(buffer)
			if n > 0 {
				wait := time.Duration(d.roundTrip.Load())/2 + handshake
				handshake = 0
				chunks <- chunk{buffer[:n], time.Now().Add(wait)}
			}
			if err != nil {
				return
			}
		}
	}()
	for c := range chunks {
		if wait := time.Until(c.due); wait > 0 {
			time.Sleep(wait)
		}
		if _, err := to.Write(c.data); err != nil {
			break
		}
	}
	to.Close()
	from.Close()
	_, _ = io.Copy(io.Discard, from) // ends at once: it is closed
	for range chunks {               // lets the reader end
	}
}
