// SPDX-License-Identifier: Apache-2.0

// Package control carries orders for the lab's services over a socket in the
// lab's directory. It works across the namespaces, because a socket that is a
// file belongs to the file system and not to a network.
package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"time"

	"opendev.org/starlingx/portieris-armada-app/lab/internal/supervise"
)

// Request is one order: status, or stop, start, pause, resume of a service.
type Request struct {
	Order   string `json:"order"`
	Service string `json:"service,omitempty"`
}

// Reply is the answer to it.
type Reply struct {
	Error    string             `json:"error,omitempty"`
	Services []supervise.Status `json:"services"`
}

const patience = 30 * time.Second

// Listen opens the socket.
func Listen(path string) (net.Listener, error) { return net.Listen("unix", path) }

// Serve answers orders until the listener closes.
func Serve(l net.Listener, s *supervise.Supervisor) {
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		go answer(c, s)
	}
}

func answer(c net.Conn, s *supervise.Supervisor) {
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	var q Request
	if err := json.NewDecoder(c).Decode(&q); err != nil {
		return
	}
	var r Reply
	if err := obey(q, s); err != nil {
		r.Error = err.Error()
	}
	r.Services = s.Status()
	_ = json.NewEncoder(c).Encode(r)
}

func obey(q Request, s *supervise.Supervisor) error {
	switch q.Order {
	case "status":
		return nil
	case "stop":
		return s.Stop(q.Service)
	case "start", "resume":
		return s.Resume(q.Service)
	case "pause":
		return s.Pause(q.Service)
	}
	return fmt.Errorf("there is no order %q: use status, stop, start, "+
		"pause or resume", q.Order)
}

// Ask sends one order.
func Ask(path string, q Request) (Reply, error) {
	c, err := net.DialTimeout("unix", path, patience)
	if err != nil {
		return Reply{}, fmt.Errorf("the lab does not take orders: %w", err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	if err := json.NewEncoder(c).Encode(q); err != nil {
		return Reply{}, err
	}
	var r Reply
	if err := json.NewDecoder(c).Decode(&r); err != nil {
		return Reply{}, fmt.Errorf("the lab did not answer: %w", err)
	}
	if r.Error != "" {
		return r, errors.New(r.Error)
	}
	return r, nil
}
