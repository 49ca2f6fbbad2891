// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"bytes"
	_ "embed"
	"encoding/base64"
	"os"
	"text/template"

	"golang.org/x/crypto/bcrypt"

	"opendev.org/starlingx/portieris-armada-app/lab/internal/layout"
	"opendev.org/starlingx/portieris-armada-app/lab/internal/statedir"
)

//go:embed kubeconfig.yaml
var kubeconfig string

// certificate is a file and what is in it; those with a kubeconfig are
// clients of the API server.
type certificate struct {
	file       string
	kubeconfig bool
	Request
}

// cluster lists the certificates below the cluster's own authority.
func cluster(at layout.Addresses) []certificate {
	return []certificate{
		{"apiserver", false, Request{Name: "kube-apiserver", Hosts: []string{
			"kubernetes", "kubernetes.default", "kubernetes.default.svc",
			"kubernetes.default.svc.cluster.local", "localhost", layout.NodeName},
			IPs: []string{"127.0.0.1", at.NodeIP, at.ServiceIP}}},
		{"apiserver-kubelet", false, Request{Name: "apiserver-kubelet", Group: "system:masters"}},
		{"kubelet", false, Request{Name: layout.NodeName, Hosts: []string{layout.NodeName},
			IPs: []string{at.NodeIP}}},
		{"admin", true, Request{Name: "kubernetes-admin", Group: "system:masters"}},
		{"controller-manager", true, Request{Name: "system:kube-controller-manager"}},
		{"scheduler", true, Request{Name: "system:kube-scheduler"}},
		{"proxy", true, Request{Name: "system:kube-proxy"}},
		{"node", true, Request{Name: "system:node:" + layout.NodeName, Group: "system:nodes"}},
	}
}

// platform lists the hosts of the servers below the platform's private
// authority, by the file of their certificate.
var platform = map[string]string{
	"registry": layout.RegistryHost, "notary": layout.TrustHost,
}

// WriteNode writes every key, certificate, kubeconfig and password file that
// the node needs. forward is the API server's address outside the lab.
func WriteNode(d statedir.Dir, at layout.Addresses, forward, password string) error {
	ca, err := writeAuthority(d, "ca", "lab kubernetes CA")
	if err != nil {
		return err
	}
	caPair, err := ca.Pair()
	if err != nil {
		return err
	}
	for _, c := range cluster(at) {
		p, err := issue(d, ca, c.file, c.Request)
		if err != nil {
			return err
		}
		if !c.kubeconfig {
			continue
		}
		conf := map[string]string{c.file + ".conf": at.APIServer()}
		if c.file == "admin" {
			conf["admin-outside.conf"] = "https://" + forward
		}
		for file, server := range conf {
			if err := writeKubeconfig(d.PKI(file), server, caPair.Cert, p); err != nil {
				return err
			}
		}
	}
	front, err := writeAuthority(d, "front-proxy-ca", "lab front proxy CA")
	if err != nil {
		return err
	}
	if _, err := issue(d, front, "front-proxy", Request{Name: "front-proxy-client"}); err != nil {
		return err
	}
	private, err := writeAuthority(d, "platform-ca", "lab platform CA")
	if err != nil {
		return err
	}
	for file, host := range platform {
		r := Request{Name: host, Hosts: []string{host}, IPs: []string{at.NodeIP}}
		if _, err := issue(d, private, file, r); err != nil {
			return err
		}
	}
	key, public, err := KeyPair()
	if err != nil {
		return err
	}
	if err := os.WriteFile(d.PKI("sa.key"), key, 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(d.PKI("sa.pub"), public, 0o644); err != nil {
		return err
	}
	return writeHtpasswd(d.PKI("htpasswd"), password)
}

func writeAuthority(d statedir.Dir, file, name string) (*Authority, error) {
	a, err := NewAuthority(name)
	if err != nil {
		return nil, err
	}
	p, err := a.Pair()
	if err != nil {
		return nil, err
	}
	return a, p.Write(d.PKI(file))
}

func issue(d statedir.Dir, a *Authority, file string, r Request) (Pair, error) {
	p, err := a.Issue(r)
	if err != nil {
		return Pair{}, err
	}
	return p, p.Write(d.PKI(file))
}

func writeKubeconfig(file, server string, ca []byte, p Pair) error {
	b64 := base64.StdEncoding.EncodeToString
	t := template.Must(template.New("kubeconfig").Parse(kubeconfig))
	var out bytes.Buffer
	err := t.Execute(&out, map[string]string{"Server": server, "CA": b64(ca),
		"Cert": b64(p.Cert), "Key": b64(p.Key)})
	if err != nil {
		return err
	}
	return os.WriteFile(file, out.Bytes(), 0o600)
}

// writeHtpasswd uses the cheapest hash: the registry computes it at each
// request, and the password is random and lives as long as the lab.
func writeHtpasswd(file, password string) error {
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		return err
	}
	line := layout.RegistryUser + ":" + string(hash) + "\n"
	return os.WriteFile(file, []byte(line), 0o600)
}
