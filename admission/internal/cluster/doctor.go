// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"net"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	exactjson "k8s.io/apimachinery/pkg/util/json"
)

// webhookPath is where the API server keeps how it calls the server.
const webhookPath = "/apis/admissionregistration.k8s.io/v1/" +
	"mutatingwebhookconfigurations/image-admission-config"

// StoredSecret reads a Secret as it is now, or returns nil.
func (c *Cluster) StoredSecret(ctx context.Context, namespace, name string) (
	*corev1.Secret, error) {
	secret := &corev1.Secret{}
	found, err := c.get(ctx, core, "secrets", namespace, name, secret)
	if !found {
		return nil, err
	}
	return secret, nil
}

// ServiceAddress is where a Service is reached, without a name server as the
// API server does it. The port is that of webhooks.
func (c *Cluster) ServiceAddress(ctx context.Context, namespace,
	name string) (string, error) {
	service := &corev1.Service{}
	found, err := c.get(ctx, core, "services", namespace, name, service)
	if err != nil {
		return "", err
	}
	if !found {
		return "", fmt.Errorf("there is no Service %s in the namespace %s",
			name, namespace)
	}
	return net.JoinHostPort(service.Spec.ClusterIP, "443"), nil
}

// CABundle is the CA by which the API server knows the admission server.
func (c *Cluster) CABundle(ctx context.Context) ([]byte, error) {
	raw, err := c.clients[core].Get().AbsPath(webhookPath).Do(ctx).Raw()
	if err != nil {
		return nil, err
	}
	configuration := struct {
		Webhooks []struct {
			ClientConfig struct {
				CABundle []byte `json:"caBundle"`
			} `json:"clientConfig"`
		} `json:"webhooks"`
	}{}
	if err := exactjson.Unmarshal(raw, &configuration); err != nil {
		return nil, err
	}
	if len(configuration.Webhooks) == 0 {
		return nil, fmt.Errorf("image-admission-config has no webhooks")
	}
	return configuration.Webhooks[0].ClientConfig.CABundle, nil
}

// TryPod asks the API server for a pod in a dry run: nothing is made.
func (c *Cluster) TryPod(ctx context.Context, pod *corev1.Pod) error {
	pod.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}
	body, err := json.Marshal(pod)
	if err != nil {
		return err
	}
	return c.clients[core].Post().Namespace(pod.Namespace).Resource("pods").
		Param("dryRun", "All").SetHeader("Content-Type", "application/json").
		Body(body).Do(ctx).Error()
}
