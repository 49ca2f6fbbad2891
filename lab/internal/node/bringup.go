// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"time"

	"opendev.org/starlingx/portieris-armada-app/lab/internal/image"
	"opendev.org/starlingx/portieris-armada-app/lab/internal/kubeapi"
	"opendev.org/starlingx/portieris-armada-app/lab/internal/layout"
	"opendev.org/starlingx/portieris-armada-app/lab/internal/toolbox"
)

// bringUp waits for each part and starts what had to wait for it.
func (n *node) bringUp(ctx context.Context) error {
	images := background(func() error { return n.importImages(ctx) })
	if err := n.await(ctx, "Kubernetes API answers", "kube-apiserver",
		func(ctx context.Context) error { return n.api.Get(ctx, "/readyz?verbose", nil) }); err != nil {
		return err
	}
	if err := n.startControllers(); err != nil {
		return err
	}
	manifests := background(func() error {
		return n.run(n.bin("kube"), "kubectl", "apply", "--server-side",
			"-f", n.config.CertManager)
	})
	if err := <-images; err != nil {
		return err
	}
	if err := n.startKubelet(); err != nil {
		return err
	}
	if err := n.await(ctx, "node is Ready", "kubelet", n.nodeReady); err != nil {
		return err
	}
	if err := n.await(ctx, "namespaces take pods", "kube-controller-manager",
		n.namespacesReady); err != nil {
		return err
	}
	if err := n.await(ctx, "registry answers", "registry",
		n.answers("https://"+layout.Registry+"/v2/", http.StatusOK)); err != nil {
		return err
	}
	if err := n.await(ctx, "trust server answers", "notary",
		n.answers(layout.TrustServer+"/_notary_server/health", http.StatusOK)); err != nil {
		return err
	}
	if err := <-manifests; err != nil {
		return &startError{"kube-apiserver",
			fmt.Errorf("cannot install cert-manager: %w", err)}
	}
	return n.await(ctx, "cert-manager is Available", "kubelet", n.certManagerReady)
}

func background(do func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- do() }()
	return done
}

// importImages gives the container runtime the images that no registry holds.
func (n *node) importImages(ctx context.Context) error {
	ctr := func(args ...string) error {
		return n.run(append([]string{"ctr", "--address", runtimeSocket,
			"--namespace", "k8s.io"}, args...)...)
	}
	if err := n.await(ctx, "container runtime answers", "containerd",
		func(context.Context) error { return ctr("version") }); err != nil {
		return err
	}
	for program, entries := range map[string]map[string]string{
		"pause": {layout.PauseImage: "/pause"},
		"certmanager": {
			layout.CertManagerController: "/controller",
			layout.CertManagerInjector:   "/cainjector",
		},
	} {
		file := n.dir.Run(program + ".tar")
		if err := image.SaveForRuntime(file, n.bin(program), entries); err != nil {
			return err
		}
		if err := ctr("images", "import", file); err != nil {
			return &startError{"containerd", err}
		}
		if err := os.Remove(file); err != nil {
			return err
		}
	}
	return nil
}

// condition is what the status of nodes and Deployments has in common.
type condition struct{ Type, Status, Message string }

type object struct {
	Metadata struct{ Name string }
	Status   struct{ Conditions []condition }
}

func (o object) is(kind string) error {
	for _, c := range o.Status.Conditions {
		if c.Type == kind && c.Status == "True" {
			return nil
		}
		if c.Type == kind {
			return fmt.Errorf("%s is not %s: %s", o.Metadata.Name, kind, c.Message)
		}
	}
	return fmt.Errorf("%s does not say whether it is %s", o.Metadata.Name, kind)
}

// nodeReady also gives the node the role that a controller has.
func (n *node) nodeReady(ctx context.Context) error {
	path := "/api/v1/nodes/" + layout.NodeName
	var o object
	if err := n.api.Get(ctx, path, &o); err != nil {
		return err
	}
	if err := o.is("Ready"); err != nil {
		return err
	}
	return n.api.Merge(ctx, path, map[string]any{"metadata": map[string]any{
		"labels": map[string]string{"node-role.kubernetes.io/control-plane": ""}}})
}

// namespacesReady makes the platform's pull secret and waits for the account
// without which no pod is taken.
func (n *node) namespacesReady(ctx context.Context) error {
	config, err := toolbox.DockerConfigJSON(n.config)
	if err != nil {
		return err
	}
	err = n.api.Create(ctx, "/api/v1/namespaces/kube-system/secrets", map[string]any{
		"apiVersion": "v1", "kind": "Secret",
		"metadata":   map[string]string{"name": layout.PullSecret},
		"type":       "kubernetes.io/dockerconfigjson",
		"stringData": map[string]string{".dockerconfigjson": string(config)},
	})
	if err != nil {
		return err
	}
	return n.api.Get(ctx, "/api/v1/namespaces/default/serviceaccounts/default", nil)
}

func (n *node) certManagerReady(ctx context.Context) error {
	for _, name := range []string{"cert-manager", "cert-manager-cainjector"} {
		var o object
		err := n.api.Get(ctx, "/apis/apps/v1/namespaces/cert-manager/deployments/"+name, &o)
		if err != nil {
			return err
		}
		if err := o.is("Available"); err != nil {
			return err
		}
	}
	return nil
}

// answers asks a server of the platform by its name, with the platform's
// authority and account.
func (n *node) answers(url string, want int) func(context.Context) error {
	return func(ctx context.Context) error {
		pool, err := kubeapi.Pool(n.dir.CA())
		if err != nil {
			return err
		}
		t := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
		defer t.CloseIdleConnections()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		req.SetBasicAuth(layout.RegistryUser, n.config.RegistryPassword)
		resp, err := (&http.Client{Transport: t, Timeout: 5 * time.Second}).Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != want {
			return fmt.Errorf("%s answered %s", url, resp.Status)
		}
		return nil
	}
}
