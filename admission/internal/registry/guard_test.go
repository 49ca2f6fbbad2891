// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"errors"
	"net"
	"net/url"
	"testing"
)

func TestANameThatLeadsIntoThisMachineIsNotDialled(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	target := &url.URL{Scheme: "https", Host: "localhost:" + port}

	_, err = dial(guarded(t.Context(), target), "tcp", address(target))
	var e *Error
	if !errors.As(err, &e) || e.Kind != Forbidden {
		t.Errorf("watched: %v", err)
	}
	connection, err := dial(t.Context(), "tcp", address(target))
	if err != nil {
		t.Fatalf("the configured host: %v", err)
	}
	connection.Close()
	proxy, err := dial(guarded(t.Context(), &url.URL{Scheme: "https", Host: "trust.example.com"}), "tcp", address(target))
	if err != nil {
		t.Fatalf("a proxy on the way to a watched host: %v", err)
	}
	proxy.Close()
}
