// SPDX-License-Identifier: Apache-2.0

// Package layout names what the platform in the lab looks like from the
// inside: addresses, host names, ports and accounts. It decides nothing else.
package layout

import "net"

const (
	// NodeName is the name of the one node, as on an all-in-one controller.
	NodeName = "controller-0"

	APIServerPort = "6443"

	RegistryHost = "registry.local"
	Registry     = RegistryHost + ":9001"
	RegistryUser = "admin"

	TrustHost    = "notary.local"
	TrustServer  = "https://" + TrustHost + ":4443"
	TokenRealm   = "https://" + TrustHost + ":4444/service/token"
	TokenService = "lab-notary"
	TokenIssuer  = "lab-token"

	// PullSecret is the platform's own pull secret in kube-system.
	PullSecret = "default-registry-key"

	// These are made on the node and are in no registry.
	CertManagerController = "lab.local/cert-manager-controller:lab"
	CertManagerInjector   = "lab.local/cert-manager-cainjector:lab"
	PauseImage            = "lab.local/pause:lab"
)

// Addresses exist only inside the lab's network namespace.
type Addresses struct {
	NodeIP, NodeNet, PodNet, ServiceNet, ServiceIP string
	// Any is what a server listens on to be asked by each of its addresses.
	Any string
}

// A lab has the addresses of one family. All are of the ranges for
// benchmarks, 198.18.0.0/15 and 2001:2::/48, which no real network routes.
var (
	IPv4 = Addresses{
		NodeIP: "198.18.0.1", NodeNet: "198.18.0.1/24",
		PodNet:     "198.18.1.0/24",
		ServiceNet: "198.18.2.0/24", ServiceIP: "198.18.2.1",
		Any: "0.0.0.0",
	}
	IPv6 = Addresses{
		NodeIP: "2001:2::1", NodeNet: "2001:2::1/64",
		PodNet:     "2001:2:0:1::/64",
		ServiceNet: "2001:2:0:2::/112", ServiceIP: "2001:2:0:2::1",
		Any: "::",
	}
)

// OnNode is host and port of a server on the node, as URLs have them.
func (a Addresses) OnNode(port string) string {
	return net.JoinHostPort(a.NodeIP, port)
}

// APIServer is the URL of the API server.
func (a Addresses) APIServer() string {
	return "https://" + a.OnNode(APIServerPort)
}
