// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	user       = "bench"
	password   = "bench-password"
	userLine   = "bench:$2a$05$IQI0JgiffcIeVQ1Tl9kdQO.awXyk53vnbCZErU6DIQ2dwgU3T5yQC\n"
	namespace  = "bench"
	registry   = "registry.local:9001"
	adminToken = "administrator"
)

// parts are the real programs that the benchmark drives.
type parts struct {
	programs, dir string
	running       []*exec.Cmd
	client        *http.Client // trusts the benchmark's authority
	kube          string       // URL of the API server
	trust, tokens *delay       // in front of the trust server and its token service
	trustDirect   string       // URL of the trust server itself
	tokensDirect  string
	server        *portieris
	questions     sync.Map // of *question
}

// portieris is a running admission server.
type portieris struct {
	process        *exec.Cmd
	admit, metrics string
}

func (p *parts) file(name string) string { return filepath.Join(p.dir, name) }

func (p *parts) stop() {
	for i := len(p.running) - 1; i >= 0; i-- {
		_ = p.running[i].Process.Signal(syscall.SIGTERM)
	}
	for _, command := range p.running {
		ended := make(chan struct{})
		go func() {
			_ = command.Wait() // stopped: its status says nothing
			close(ended)
		}()
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			_ = command.Process.Kill()
			<-ended
		}
	}
	os.RemoveAll(p.dir)
}

// start runs a program with its log in a file and returns its standard output.
func (p *parts) start(name, program string, args ...string) (*exec.Cmd, io.Reader, error) {
	log, err := os.Create(p.file(name + ".log"))
	if err != nil {
		return nil, nil, err
	}
	defer log.Close()
	command := exec.Command(filepath.Join(p.programs, program), args...)
	command.Stderr = log
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := command.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := command.Start(); err != nil {
		return nil, nil, fmt.Errorf("start %s: %w", program, err)
	}
	p.running = append(p.running, command)
	return command, out, nil
}

// failed adds the end of a program's log to an error.
func (p *parts) failed(name string, err error) error {
	log, _ := os.ReadFile(p.file(name + ".log"))
	lines := bytes.Split(bytes.TrimSpace(log), []byte("\n"))
	return fmt.Errorf("%s: %w\n%s", name, err, bytes.Join(lines[max(0, len(lines)-15):], []byte("\n")))
}

// makeAuthority makes the certificate that every TLS server here shows.
func (p *parts) makeAuthority() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "bench"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(0, 0, 2),
		IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	account, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})
	for name, content := range map[string][]byte{
		"tls.crt": certificate, "ca.pem": certificate,
		"tls.key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
		"sa.key": pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY",
			Bytes: x509.MarshalPKCS1PrivateKey(account)}),
		"users":      []byte(userLine),
		"tokens.csv": []byte(adminToken + `,admin,admin,"system:masters"` + "\n"),
	} {
		if err := os.WriteFile(p.file(name), content, 0o600); err != nil {
			return err
		}
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(certificate)
	p.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64,
		TLSClientConfig: &tls.Config{RootCAs: pool}}, Timeout: time.Minute}
	return nil
}

// startTrust runs the trust server with its token service, both behind delays.
func (p *parts) startTrust() error {
	tokens, err := freeAddress()
	if err != nil {
		return err
	}
	if p.tokens, err = newDelay(tokens); err != nil {
		return err
	}
	p.tokensDirect = "https://" + tokens + "/service/token"
	_, out, err := p.start("notary-server", "notary-server", "serve", "--listen", "127.0.0.1:0",
		"--token-listen", tokens, "--realm", "https://"+p.tokens.address()+"/service/token",
		"--tls-cert", p.file("tls.crt"), "--tls-key", p.file("tls.key"),
		"--htpasswd", p.file("users"), "--log-level", "error")
	if err != nil {
		return err
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	var announced struct{ Server string }
	if err == nil {
		err = json.Unmarshal(line, &announced)
	}
	if err != nil {
		return p.failed("notary-server", err)
	}
	p.trustDirect = announced.Server
	p.trust, err = newDelay(strings.TrimPrefix(announced.Server, "https://"))
	return err
}

// sign signs tag v1 of an image.
func (p *parts) sign(image, digest string) error {
	for _, verb := range [][]string{{"init", image}, {"sign", image, "v1", digest}} {
		command := exec.Command(filepath.Join(p.programs, "notary-sign"), append([]string{
			"--server", p.trustDirect, "--ca", p.file("ca.pem"), "--dir", p.file("signing"),
			"--user", user, "--realm", p.tokensDirect}, verb...)...)
		command.Env = append(os.Environ(), "NOTARY_PASSWORD="+password)
		if out, err := command.CombinedOutput(); err != nil {
			return fmt.Errorf("sign %s: %s", image, out)
		}
	}
	return nil
}

// startKube runs etcd and an API server and creates what the server reads.
func (p *parts) startKube(crds string) error {
	addresses := make([]string, 3)
	for i := range addresses {
		var err error
		if addresses[i], err = freeAddress(); err != nil {
			return err
		}
	}
	etcd, peer, api := addresses[0], addresses[1], addresses[2]
	if _, _, err := p.start("etcd", "kube", "etcd", "--data-dir", p.file("etcd"),
		"--client-url", "http://"+etcd, "--peer-url", "http://"+peer); err != nil {
		return err
	}
	_, port, _ := net.SplitHostPort(api)
	if _, _, err := p.start("kube-apiserver", "kube", "kube-apiserver",
		"--etcd-servers=http://"+etcd, "--bind-address=127.0.0.1", "--secure-port="+port,
		"--advertise-address=127.0.0.1", "--tls-cert-file="+p.file("tls.crt"),
		"--tls-private-key-file="+p.file("tls.key"), "--token-auth-file="+p.file("tokens.csv"),
		"--authorization-mode=RBAC", "--service-account-key-file="+p.file("sa.key"),
		"--service-account-signing-key-file="+p.file("sa.key"),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-cluster-ip-range=10.0.0.0/24", "--disable-admission-plugins=ServiceAccount",
		"--profiling=false"); err != nil {
		return err
	}
	p.kube = "https://" + api
	if err := until(time.Minute, func() error { return p.api(http.MethodGet, "/readyz", "") }); err != nil {
		return p.failed("kube-apiserver", err)
	}
	return p.createObjects(crds)
}

func (p *parts) createObjects(crds string) error {
	files, err := filepath.Glob(filepath.Join(crds, "*.yaml"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("no CRDs in %s", crds)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if err := p.api(http.MethodPost, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", string(content)); err != nil {
			return err
		}
	}
	if err := until(time.Minute, func() error { return p.api(http.MethodGet, policies, "") }); err != nil {
		return err
	}
	auth := base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
	config := base64.StdEncoding.EncodeToString([]byte(`{"auths":{"` + registry + `":{"auth":"` + auth + `"}}}`))
	const home = "/api/v1/namespaces"
	for _, object := range [][2]string{
		{home, "apiVersion: v1\nkind: Namespace\nmetadata: {name: portieris}\n"},
		{home, "apiVersion: v1\nkind: Namespace\nmetadata: {name: " + namespace + "}\n"},
		{home + "/" + namespace + "/serviceaccounts", "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: default}\n"},
		{home + "/" + namespace + "/secrets", "apiVersion: v1\nkind: Secret\nmetadata: {name: pull}\n" +
			"type: kubernetes.io/dockerconfigjson\ndata: {.dockerconfigjson: " + config + "}\n"},
	} {
		if err := until(10*time.Second, func() error { return p.api(http.MethodPost, object[0], object[1]) }); err != nil {
			return err
		}
	}
	return p.createPolicy("bench", registry+"/*", "https://"+p.trust.address())
}

const policies = "/apis/portieris.cloud.ibm.com/v1/clusterimagepolicies"

// createPolicy makes a policy of one entry.
func (p *parts) createPolicy(name, entry, server string) error {
	object := "apiVersion: portieris.cloud.ibm.com/v1\nkind: ClusterImagePolicy\nmetadata: {name: " + name + "}\n" +
		"spec:\n  repositories:\n  - name: \"" + entry + "\"\n    policy:\n      trust:\n        enabled: true\n" +
		"        trustServer: " + server + "\n"
	return until(10*time.Second, func() error { return p.api(http.MethodPost, policies, object) })
}

// api makes one request to the API server; a body is YAML.
func (p *parts) api(method, path, body string) error {
	r, err := http.NewRequest(method, p.kube+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+adminToken)
	r.Header.Set("Content-Type", "application/yaml")
	answer, err := p.client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err == nil && answer.StatusCode >= 300 && answer.StatusCode != http.StatusConflict {
		err = fmt.Errorf("%s %s: %d %s", method, path, answer.StatusCode, text)
	}
	return err
}

// startServer runs the admission server, in the place of the one before.
func (p *parts) startServer(freshness time.Duration) error {
	if p.server != nil {
		_ = p.server.process.Process.Signal(syscall.SIGTERM)
		_ = p.server.process.Wait() // stopped: its status says nothing
		p.running = p.running[:len(p.running)-1]
	}
	kubeconfig := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: bench, cluster: {server: %q, certificate-authority: %q}}]
users: [{name: bench, user: {token: %q}}]
contexts: [{name: bench, context: {cluster: bench, user: bench}}]
current-context: bench
`, p.kube, p.file("ca.pem"), adminToken)
	if err := os.WriteFile(p.file("kubeconfig"), []byte(kubeconfig), 0o600); err != nil {
		return err
	}
	admit, err := freeAddress()
	if err != nil {
		return err
	}
	metrics, err := freeAddress()
	if err != nil {
		return err
	}
	process, _, err := p.start("portieris", "portieris", "serve", "--kubeconfig", p.file("kubeconfig"),
		"--namespace", "portieris", "--listen", admit, "--metrics-listen", metrics,
		"--cert-dir", p.dir, "--trust-freshness", freshness.String(), "--log-level", "error", "--linger", "0s")
	if err != nil {
		return err
	}
	p.server = &portieris{process, "https://" + admit + "/admit?timeout=30s", "http://" + metrics + "/metrics"}
	err = until(30*time.Second, func() error {
		answer, err := p.client.Get("https://" + admit + "/health/readiness")
		if err != nil {
			return err
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			return fmt.Errorf("readiness is %d", answer.StatusCode)
		}
		return nil
	})
	if err != nil {
		return p.failed("portieris", err)
	}
	return nil
}

func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

// until tries until it works.
func until(limit time.Duration, try func() error) error {
	deadline := time.Now().Add(limit)
	for {
		err := try()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}
