// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	exactjson "k8s.io/apimachinery/pkg/util/json"

	v1 "opendev.org/starlingx/portieris-armada-app/admission/api/v1"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/workload"
)

// What is here is for the commands that ask once and end: it needs no Run.

// pageSize is how many pods are asked for at a time.
const pageSize = 500

// skipped is the label by which a namespace asks the webhook to leave it out.
const skipped = "securityenforcement.admission.cloud.ibm.com/namespace=skip"

// ListPolicies reads all policies once.
func (c *Cluster) ListPolicies(ctx context.Context) (
	[]v1.ImagePolicy, []v1.ClusterImagePolicy, error) {
	client := c.clients[v1.GroupVersion]
	own, all := &v1.ImagePolicyList{}, &v1.ClusterImagePolicyList{}
	err := client.Get().Resource("imagepolicies").Do(ctx).Into(own)
	if err == nil {
		err = client.Get().Resource("clusterimagepolicies").Do(ctx).Into(all)
	}
	if apierrors.IsNotFound(err) {
		return nil, nil, fmt.Errorf("the cluster has no policies: the kinds " +
			"ImagePolicy and ClusterImagePolicy are not installed")
	}
	if err != nil {
		return nil, nil, fmt.Errorf("cannot read the policies: %w", err)
	}
	return own.Items, all.Items, nil
}

// SkippedNamespaces names the namespaces that a label keeps from the webhook.
func (c *Cluster) SkippedNamespaces(ctx context.Context) (
	map[string]bool, error) {
	raw, err := c.clients[core].Get().Resource("namespaces").
		Param("labelSelector", skipped).Do(ctx).Raw()
	list := struct {
		Items []struct {
			Metadata metav1.ObjectMeta `json:"metadata"`
		} `json:"items"`
	}{}
	if err == nil {
		err = exactjson.Unmarshal(raw, &list)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the namespaces: %w", err)
	}
	names := map[string]bool{}
	for _, item := range list.Items {
		names[item.Metadata.Name] = true
	}
	return names, nil
}

// Pods hands over each pod that has not ended, of one namespace or, if it is
// empty, of all. Of a pod's metadata only name and namespace are read.
func (c *Cluster) Pods(ctx context.Context, namespace string,
	each func(*workload.Object)) error {
	return c.pods(ctx, namespace, pageSize, each)
}

func (c *Cluster) pods(ctx context.Context, namespace string, limit int,
	each func(*workload.Object)) error {
	kind, _ := workload.ByResource("", "v1", "pods")
	next := ""
	for {
		page, err := c.podPage(ctx, namespace, limit, next)
		if err != nil {
			return fmt.Errorf("cannot list the pods: %w", err)
		}
		for _, item := range page.Items {
			if item.Status.Phase == corev1.PodSucceeded ||
				item.Status.Phase == corev1.PodFailed {
				continue
			}
			each(&workload.Object{
				Kind: kind,
				Metadata: metav1.ObjectMeta{
					Name:      item.Metadata.Name,
					Namespace: item.Metadata.Namespace,
				},
				Pod: item.Spec,
			})
		}
		if next = page.Metadata.Continue; next == "" {
			return nil
		}
	}
}

// podPage is what is read of one page of pods.
type podPage struct {
	Metadata metav1.ListMeta `json:"metadata"`
	Items    []struct {
		Metadata struct {
			Name      string `json:"name"`
			Namespace string `json:"namespace"`
		} `json:"metadata"`
		Spec   corev1.PodSpec `json:"spec"`
		Status struct {
			Phase corev1.PodPhase `json:"phase"`
		} `json:"status"`
	} `json:"items"`
}

func (c *Cluster) podPage(ctx context.Context, namespace string, limit int,
	next string) (podPage, error) {
	page := podPage{}
	raw, err := c.clients[core].Get().Namespace(namespace).Resource("pods").
		Param("limit", strconv.Itoa(limit)).Param("continue", next).
		Do(ctx).Raw()
	if err != nil {
		return page, err
	}
	return page, exactjson.Unmarshal(raw, &page)
}
