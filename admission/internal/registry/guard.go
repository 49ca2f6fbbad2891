// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// A server's answer may name another host: the realm of a token service, the
// target of a redirect. Such a host must not lead into this machine or its
// link (metadata services live there), unless it is the host that the
// operator configured.

var errLocal = errors.New("it is a loopback or link-local address and not the configured host")

type guardedAddress struct{}

// guarded marks a request whose peer must not be a local address.
func guarded(ctx context.Context, target *url.URL) context.Context {
	return context.WithValue(ctx, guardedAddress{}, address(target))
}

// mayVisit decides whether an answer of configured may lead to target. The
// second result tells whether the address must be watched when dialling.
func mayVisit(configured, target *url.URL) (err error, watch bool) {
	if target.Scheme != "https" {
		return &Error{Kind: Forbidden, URL: bare(target), Err: errors.New("it is not https")}, false
	}
	if target.Host == "" || target.User != nil || !plainHost(target) {
		return &Error{Kind: Forbidden, URL: bare(target), Err: errors.New("it is no plain address")}, false
	}
	if strings.EqualFold(target.Hostname(), configured.Hostname()) {
		return nil, false
	}
	name := strings.ToLower(strings.TrimSuffix(target.Hostname(), "."))
	if ip, err := netip.ParseAddr(name); err == nil && isLocal(ip) {
		return &Error{Kind: Forbidden, URL: bare(target), Err: errLocal}, false
	}
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return &Error{Kind: Forbidden, URL: bare(target), Err: errLocal}, false
	}
	return nil, true
}

// plainHost tells whether the name of the host is dialled as it is written.
// Other characters are mapped on the way: fullwidth digits to the digits of an
// address that no check has seen.
func plainHost(u *url.URL) bool {
	return strings.IndexFunc(u.Host, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
}

func isLocal(ip netip.Addr) bool {
	ip = ip.Unmap()
	return ip.IsLoopback() || ip.IsLinkLocalUnicast() || ip.IsUnspecified() ||
		ip.IsMulticast()
}

// dial opens connections. The address it is given is the proxy's when there
// is one, which is the operator's choice and not watched.
func dial(ctx context.Context, network, addr string) (net.Conn, error) {
	d := net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}
	if watched, _ := ctx.Value(guardedAddress{}).(string); watched == addr {
		d.Control = func(_, resolved string, _ syscall.RawConn) error {
			peer, err := netip.ParseAddrPort(resolved)
			if err != nil || isLocal(peer.Addr()) {
				return &Error{Kind: Forbidden, URL: "https://" + addr, Err: errLocal}
			}
			return nil
		}
	}
	return d.DialContext(ctx, network, addr)
}

// sameServer tells whether two URLs lead to one server, which may be shown
// the same credentials.
func sameServer(a, b *url.URL) bool { return strings.EqualFold(address(a), address(b)) }

// address is what the transport dials for a URL.
func address(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = "443"
	}
	return net.JoinHostPort(u.Hostname(), port)
}
