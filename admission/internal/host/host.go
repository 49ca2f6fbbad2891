// SPDX-License-Identifier: Apache-2.0

// Package host decides which texts name the same registry. It asks nobody:
// what a name server or a proxy makes of them it does not know.
package host

import (
	"net/netip"
	"strings"
)

// Hub is Docker Hub, as image references are written in full.
const Hub = "docker.io"

// Fold gives the texts of one host and port the same form. Names know no
// case, an IPv6 address can be written in many ways, a port with zeros before
// it, and Docker Hub has several names. Whoever pulls takes them for the same.
func Fold(text string) string {
	name, port := Split(strings.ToLower(text))
	if digits := strings.TrimLeft(port, ":0"); digits != "" {
		port = ":" + digits
	}
	switch name {
	case "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com":
		name = Hub
	}
	return foldAddress(name) + port
}

func foldAddress(name string) string {
	address, err := netip.ParseAddr(strings.Trim(name, "[]"))
	switch {
	case err != nil || name[0] != '[':
		return name
	case address.Is4In6():
		return address.Unmap().String()
	default:
		return "[" + address.String() + "]"
	}
}

// Split parts a host from its port, with which the colon stays.
func Split(text string) (name, port string) {
	if i := strings.LastIndex(text, ":"); i > strings.LastIndex(text, "]") {
		return text[:i], text[i:]
	}
	return text, ""
}
