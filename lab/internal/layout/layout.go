// SPDX-License-Identifier: Apache-2.0

// Package layout names what the platform in the lab looks like from the
// inside: addresses, host names, ports and accounts. It decides nothing else.
package layout

const (
	// NodeName is the name of the one node, as on an all-in-one controller.
	NodeName = "controller-0"

	// Addresses exist only inside the lab's network namespace. All are of
	// the benchmark range 198.18.0.0/15, which no real network routes.
	NodeIP     = "198.18.0.1"
	NodeNet    = "198.18.0.1/24"
	PodNet     = "198.18.1.0/24"
	ServiceNet = "198.18.2.0/24"
	ServiceIP  = "198.18.2.1"

	APIServer     = "https://" + NodeIP + ":6443"
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
