// SPDX-License-Identifier: Apache-2.0

package node

import (
	"path/filepath"

	"opendev.org/starlingx/portieris-armada-app/lab/internal/layout"
	"opendev.org/starlingx/portieris-armada-app/lab/internal/supervise"
)

const runtimeSocket = "/run/containerd/containerd.sock"

// start begins a service; program is one of the lab's own or of the machine.
func (n *node) start(name, program string, args ...string) error {
	argv := []string{program}
	if program == "kube" || program == "notary-server" {
		argv[0] = n.bin(program)
	}
	if program == "kube" {
		argv = append(argv, name)
	}
	return n.services.Start(supervise.Service{
		Name: name, Argv: append(argv, args...), Log: n.dir.Log(name)})
}

func (n *node) bin(name string) string { return filepath.Join(n.config.Bin, name) }

func (n *node) startEtcd() error {
	return n.start("etcd", "kube", "--data-dir", n.dir.Run("etcd"))
}

func (n *node) startAPIServer() error {
	pki := n.dir.PKI
	return n.start("kube-apiserver", "kube",
		"--etcd-servers=http://127.0.0.1:2379",
		"--advertise-address="+n.at.NodeIP,
		"--bind-address="+n.at.Any,
		"--secure-port="+layout.APIServerPort,
		"--service-cluster-ip-range="+n.at.ServiceNet,
		"--tls-cert-file="+pki("apiserver.crt"),
		"--tls-private-key-file="+pki("apiserver.key"),
		"--client-ca-file="+pki("ca.crt"),
		"--service-account-key-file="+pki("sa.pub"),
		"--service-account-signing-key-file="+pki("sa.key"),
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--allow-privileged=true",
		"--kubelet-client-certificate="+pki("apiserver-kubelet.crt"),
		"--kubelet-client-key="+pki("apiserver-kubelet.key"),
		"--kubelet-certificate-authority="+pki("ca.crt"),
		"--kubelet-preferred-address-types=InternalIP",
		"--requestheader-client-ca-file="+pki("front-proxy-ca.crt"),
		"--requestheader-allowed-names=front-proxy-client",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-username-headers=X-Remote-User",
		"--proxy-client-cert-file="+pki("front-proxy.crt"),
		"--proxy-client-key-file="+pki("front-proxy.key"),
		"--profiling=false")
}

// startControllers must wait for the API server: the controller-manager ends
// at once when the roles it needs are not there yet. The rates let its forty
// controllers begin together and not 150 ms apart.
func (n *node) startControllers() error {
	pki := n.dir.PKI
	conf := pki("controller-manager.conf")
	err := n.start("kube-controller-manager", "kube",
		"--kubeconfig="+conf,
		"--authentication-kubeconfig="+conf,
		"--authorization-kubeconfig="+conf,
		"--service-account-private-key-file="+pki("sa.key"),
		"--root-ca-file="+pki("ca.crt"),
		"--cluster-signing-cert-file="+pki("ca.crt"),
		"--cluster-signing-key-file="+pki("ca.key"),
		"--use-service-account-credentials=true",
		"--leader-elect=false",
		"--bind-address=127.0.0.1",
		"--allocate-node-cidrs=false",
		"--kube-api-qps=500", "--kube-api-burst=1000",
		"--flex-volume-plugin-dir="+n.dir.Run("volumeplugins"),
		"--profiling=false")
	if err != nil {
		return err
	}
	conf = pki("scheduler.conf")
	return n.start("kube-scheduler", "kube",
		"--kubeconfig="+conf,
		"--authentication-kubeconfig="+conf,
		"--authorization-kubeconfig="+conf,
		"--leader-elect=false",
		"--bind-address=127.0.0.1",
		"--kube-api-qps=500", "--kube-api-burst=1000",
		"--profiling=false")
}

// startKubelet also starts the proxy. With the proxy's usual pause between
// changes of its rules a pod can be refused by a Service that is up.
func (n *node) startKubelet() error {
	err := n.start("kubelet", "kube",
		"--config="+n.dir.Run("kubelet.yaml"),
		"--kubeconfig="+n.dir.PKI("node.conf"),
		"--root-dir="+n.dir.Run("kubelet"),
		"--cert-dir="+n.dir.Run("kubelet-pki"),
		"--hostname-override="+layout.NodeName,
		"--node-ip="+n.at.NodeIP)
	if err != nil {
		return err
	}
	return n.start("kube-proxy", "kube",
		"--kubeconfig="+n.dir.PKI("proxy.conf"),
		"--proxy-mode=iptables",
		"--cluster-cidr="+n.at.PodNet,
		"--hostname-override="+layout.NodeName,
		// These are the whole machine's and not ours to set.
		"--conntrack-max-per-core=0", "--conntrack-min=0",
		"--conntrack-tcp-timeout-established=0",
		"--conntrack-tcp-timeout-close-wait=0",
		"--iptables-min-sync-period=0s",
		"--metrics-bind-address=127.0.0.1:10249",
		"--healthz-bind-address=127.0.0.1:10256")
}

func (n *node) startContainerd() error {
	return n.start("containerd", "containerd", "-c", n.dir.Run("containerd.toml"))
}

func (n *node) startRegistry() error {
	return n.start("registry", "docker-registry", "serve", n.dir.Run("registry.yml"))
}

func (n *node) startNotary() error {
	return n.start("notary", "notary-server", "serve",
		"--listen", n.at.OnNode("4443"),
		"--token-listen", n.at.OnNode("4444"),
		"--tls-cert", n.dir.PKI("notary.crt"),
		"--tls-key", n.dir.PKI("notary.key"),
		"--realm", layout.TokenRealm,
		"--service", layout.TokenService,
		"--issuer", layout.TokenIssuer,
		"--htpasswd", n.dir.PKI("htpasswd"))
}

// startNames answers the platform's names to pods; all others do not exist.
func (n *node) startNames() error {
	ip := n.at.NodeIP
	return n.start("dnsmasq", "dnsmasq", "--keep-in-foreground", "--no-resolv",
		"--no-hosts", "--conf-file=/dev/null", "--user=root", "--pid-file=",
		"--log-facility=-", "--listen-address="+ip,
		"--bind-interfaces",
		"--address=/"+layout.RegistryHost+"/"+ip,
		"--address=/"+layout.TrustHost+"/"+ip,
		"--address=/"+layout.NodeName+"/"+ip,
		"--address=/#/")
}
