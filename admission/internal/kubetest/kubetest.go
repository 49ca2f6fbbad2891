// SPDX-License-Identifier: Apache-2.0

// Package kubetest runs a real Kubernetes API server for tests, with the
// lab's binary. It never stands in for one: without the binary tests skip.
package kubetest

import (
	"bytes"
	"context"
	cryptorand "crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"
)

// patience is for a machine that has much else to do.
const patience = 3 * time.Minute

// adminToken is the token of the cluster's administrator.
const adminToken = "administrator"

// Root is the top of the repository.
func Root() string {
	_, here, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(here), "..", "..", "..")
}

// Chart is the folder of the chart.
func Chart() string {
	return filepath.Join(Root(), "stx-portieris-helm", "helm-charts",
		"portieris")
}

// Server is a running API server.
type Server struct {
	// Config is the administrator's.
	Config *rest.Config
	client *rest.RESTClient
}

// Start runs etcd and an API server until the test ends.
func Start(t testing.TB) *Server {
	t.Helper()
	kube := filepath.Join(Root(), "build", "bin", "kube")
	if _, err := os.Stat(kube); err != nil {
		t.Skip("skipped: no build/bin/kube; make lab builds it")
	}
	directory := t.TempDir()
	etcd, peer, port := freePort(t), freePort(t), freePort(t)
	writeFile(t, filepath.Join(directory, "sa.key"), accountKey(t))
	writeFile(t, filepath.Join(directory, "tokens.csv"),
		[]byte(adminToken+`,admin,admin,"system:masters"`+"\n"))
	background(t, directory, kube, "etcd",
		"--data-dir", filepath.Join(directory, "etcd"),
		"--client-url", "http://127.0.0.1:"+etcd,
		"--peer-url", "http://127.0.0.1:"+peer)
	background(t, directory, kube, "kube-apiserver",
		"--etcd-servers=http://127.0.0.1:"+etcd,
		"--bind-address=127.0.0.1", "--secure-port="+port,
		"--advertise-address=127.0.0.1",
		"--cert-dir="+directory,
		"--token-auth-file="+filepath.Join(directory, "tokens.csv"),
		"--authorization-mode=RBAC",
		"--service-account-key-file="+filepath.Join(directory, "sa.key"),
		"--service-account-signing-key-file="+
			filepath.Join(directory, "sa.key"),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-cluster-ip-range=10.0.0.0/24",
		// There is no controller that makes the accounts it waits for.
		"--disable-admission-plugins=ServiceAccount",
		"--profiling=false")
	config := &rest.Config{
		Host:            "https://127.0.0.1:" + port,
		BearerToken:     adminToken,
		TLSClientConfig: rest.TLSClientConfig{Insecure: true},
		QPS:             -1,
	}
	server := &Server{Config: config}
	mine := rest.CopyConfig(config)
	mine.GroupVersion = &schema.GroupVersion{Version: "v1"}
	scheme := kruntime.NewScheme()
	metav1.AddToGroupVersion(scheme, schema.GroupVersion{Version: "v1"})
	mine.NegotiatedSerializer = serializer.NewCodecFactory(
		scheme).WithoutConversion()
	client, err := rest.UnversionedRESTClientFor(mine)
	if err != nil {
		t.Fatal(err)
	}
	server.client = client
	server.wait(t, directory)
	return server
}

// wait waits until the API server serves all it has.
func (s *Server) wait(t testing.TB, directory string) {
	t.Helper()
	for _, path := range []string{"/readyz", "/api/v1/namespaces/default"} {
		Eventually(t, "the API server serves "+path, func() bool {
			_, err := s.client.Get().AbsPath(path).DoRaw(context.Background())
			return err == nil
		}, func() string {
			return tail(filepath.Join(directory, "kube-apiserver.log"))
		})
	}
}

// plurals are the resources of the kinds that tests make.
var plurals = map[string]string{
	"ClusterImagePolicy":             "clusterimagepolicies",
	"ImagePolicy":                    "imagepolicies",
	"MutatingWebhookConfiguration":   "mutatingwebhookconfigurations",
	"ValidatingWebhookConfiguration": "validatingwebhookconfigurations",
}

// path is where an object of the kind stands, without its name.
func path(object map[string]any) string {
	text := func(fields ...string) string {
		at := object
		for _, field := range fields[:len(fields)-1] {
			at, _ = at[field].(map[string]any)
		}
		value, _ := at[fields[len(fields)-1]].(string)
		return value
	}
	version, kind := text("apiVersion"), text("kind")
	root := "/apis/"
	if !strings.Contains(version, "/") {
		root = "/api/"
	}
	plural, ok := plurals[kind]
	if !ok {
		plural = strings.ToLower(kind) + "s"
	}
	if namespace := text("metadata", "namespace"); namespace != "" {
		plural = "namespaces/" + namespace + "/" + plural
	}
	return root + version + "/" + plural
}

// Try creates one object, given as YAML, and returns the API server's answer.
func (s *Server) Try(object string, query ...string) ([]byte, error) {
	request, err := s.creation(object, query)
	if err != nil {
		return nil, err
	}
	return answer(request)
}

// Warned creates one object, given as YAML, and returns the warnings with
// which the API server did so, or did not.
func (s *Server) Warned(object string, query ...string) ([]string, error) {
	request, err := s.creation(object, query)
	if err != nil {
		return nil, err
	}
	result := request.Do(context.Background())
	var warnings []string
	for _, warning := range result.Warnings() {
		warnings = append(warnings, warning.Text)
	}
	return warnings, result.Error()
}

// creation is the request that creates an object.
func (s *Server) creation(object string, query []string) (
	*rest.Request, error) {
	var fields map[string]any
	if err := yaml.Unmarshal([]byte(object), &fields); err != nil {
		return nil, err
	}
	body, err := json.Marshal(fields)
	if err != nil {
		return nil, err
	}
	request := s.client.Post().AbsPath(path(fields)).
		SetHeader("Content-Type", "application/json").Body(body)
	for i := 0; i+1 < len(query); i += 2 {
		request = request.Param(query[i], query[i+1])
	}
	return request, nil
}

// answer is the body, or the API server's own words for why there is none.
func answer(request *rest.Request) ([]byte, error) {
	result := request.Do(context.Background())
	if err := result.Error(); err != nil {
		return nil, err
	}
	return result.Raw()
}

// Create creates the objects of a stream of YAML.
func (s *Server) Create(t testing.TB, objects string) {
	t.Helper()
	for object := range strings.SplitSeq("\n"+objects, "\n---") {
		if strings.TrimSpace(object) == "" {
			continue
		}
		if _, err := s.Try(object); err != nil {
			t.Fatalf("cannot create the object: %v\n%s", err, object)
		}
	}
}

// Do sends a request with a JSON body to a path and returns the answer.
func (s *Server) Do(verb, path, contentType string, body any) ([]byte, error) {
	request := s.client.Verb(verb).AbsPath(path)
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		request = request.SetHeader("Content-Type", contentType).Body(encoded)
	}
	return answer(request)
}

// CreatePolicyKinds installs the chart's CRDs and waits until they are served.
func (s *Server) CreatePolicyKinds(t testing.TB) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(Chart(), "crds", "*.yaml"))
	if err != nil || len(files) != 2 {
		t.Fatalf("the chart has the CRDs %q, %v", files, err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		// The header stands in a document of its own.
		_, definition, _ := strings.Cut(string(content), "---\n")
		s.Create(t, definition)
	}
	for _, plural := range []string{"imagepolicies", "clusterimagepolicies"} {
		Eventually(t, plural+" are served", func() bool {
			_, err := s.Do("GET",
				"/apis/portieris.cloud.ibm.com/v1/"+plural, "", nil)
			return err == nil
		}, nil)
	}
}

// Eventually waits until a condition holds, and fails with what explain
// returns if it does not.
func Eventually(t testing.TB, what string, holds func() bool,
	explain func() string) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline:
			explanation := ""
			if explain != nil {
				explanation = "\n" + explain()
			}
			t.Fatalf("after %s still not so: %s%s", patience, what,
				explanation)
		case <-tick.C:
		}
	}
}

// background runs a program of the binary until the test ends.
func background(t testing.TB, directory, kube, program string,
	args ...string) {
	t.Helper()
	log, err := os.Create(filepath.Join(directory, program+".log"))
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(kube, append([]string{program}, args...)...)
	command.Stdout, command.Stderr = log, log
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait() // killed: its status says nothing
		_ = log.Close()
	})
}

// freePort is one that nobody listens at. It is none of those that Linux
// hands out by itself, of which another test may get it meanwhile.
func freePort(t testing.TB) string {
	t.Helper()
	for range 100 {
		port := strconv.Itoa(20000 + rand.IntN(12000))
		listener, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err != nil {
			continue
		}
		if err := listener.Close(); err != nil {
			t.Fatal(err)
		}
		return port
	}
	t.Fatal("no port is free")
	return ""
}

func accountKey(t testing.TB) []byte {
	t.Helper()
	key, err := rsa.GenerateKey(cryptorand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{
		Type:  "RSA PRIVATE KEY",
		Bytes: x509.MarshalPKCS1PrivateKey(key),
	})
}

func writeFile(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// tail is the end of a log.
func tail(path string) string {
	content, err := os.ReadFile(path)
	if err != nil {
		return fmt.Sprint(err)
	}
	lines := bytes.Split(bytes.TrimSpace(content), []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-15):], []byte("\n")))
}

// Account is a connection with the rights that the chart gives the server.
func (s *Server) Account(t testing.TB) *rest.Config {
	t.Helper()
	s.Create(t, "apiVersion: v1\nkind: Namespace\n"+
		"metadata: {name: portieris}\n---\n"+Rendered(t,
		"--show-only", "templates/rbac.yaml"))
	config := rest.CopyConfig(s.Config)
	config.Impersonate.UserName = "system:serviceaccount:portieris:portieris"
	config.Impersonate.Groups = []string{"system:serviceaccounts",
		"system:serviceaccounts:portieris", "system:authenticated"}
	return config
}

// Rendered is what helm makes of the chart with more arguments.
func Rendered(t testing.TB, args ...string) string {
	t.Helper()
	helm := filepath.Join(Root(), "build", "bin", "helm")
	if _, err := os.Stat(helm); err != nil {
		t.Skip("skipped: no build/bin/helm; make lab builds it")
	}
	command := exec.Command(helm, append([]string{
		"template", "portieris-portieris", Chart(),
		"--namespace", "portieris"}, args...)...)
	var problem bytes.Buffer
	command.Stderr = &problem
	rendered, err := command.Output()
	if err != nil {
		t.Fatalf("cannot render the chart: %v\n%s", err, &problem)
	}
	return string(rendered)
}
