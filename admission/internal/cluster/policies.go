// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	v1 "opendev.org/starlingx/portieris-armada-app/admission/api/v1"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/policy"
)

func (c *Cluster) addInformers() error {
	policies := c.clients[v1.GroupVersion]
	var err error
	c.policies, err = informer(policies, "imagepolicies",
		metav1.NamespaceAll, labels.Everything(), &v1.ImagePolicy{})
	if err != nil {
		return err
	}
	c.clusterPolicies, err = informer(policies, "clusterimagepolicies",
		metav1.NamespaceAll, labels.Everything(), &v1.ClusterImagePolicy{})
	if err != nil {
		return err
	}
	c.pins, err = informer(c.clients[core], "configmaps", c.namespace,
		pinsLabels.AsSelector(), &corev1.ConfigMap{})
	return err
}

func informer(client *rest.RESTClient, resource, namespace string,
	selector labels.Selector, example runtime.Object) (
	cache.SharedIndexInformer, error) {
	made := cache.NewSharedIndexInformer(
		cache.NewFilteredListWatchFromClient(client, resource, namespace,
			func(options *metav1.ListOptions) {
				options.LabelSelector = selector.String()
			}),
		example, 0, cache.Indexers{
			cache.NamespaceIndex: cache.MetaNamespaceIndexFunc,
		})
	return made, made.SetTransform(withoutBallast)
}

// withoutBallast drops what nobody here reads and what is often larger than
// the rest of the object.
func withoutBallast(object any) (any, error) {
	if accessor, err := meta.Accessor(object); err == nil {
		accessor.SetManagedFields(nil)
		accessor.SetAnnotations(nil)
	}
	return object, nil
}

// Run keeps everything that is watched going until the context ends.
func (c *Cluster) Run(ctx context.Context) {
	var running sync.WaitGroup
	for _, one := range c.informers() {
		running.Go(func() { one.RunWithContext(ctx) })
	}
	running.Go(func() { c.secrets.run(ctx) })
	running.Go(func() { c.accounts.run(ctx) })
	running.Wait()
}

// Ready tells whether the policies and pins have been read once. Secrets and
// ServiceAccounts need no watch to be read.
func (c *Cluster) Ready() bool {
	for _, one := range c.informers() {
		if !one.HasSynced() {
			return false
		}
	}
	return true
}

func (c *Cluster) informers() []cache.SharedIndexInformer {
	return []cache.SharedIndexInformer{
		c.policies, c.clusterPolicies, c.pins,
	}
}

// Policies returns the policies that may count in a namespace.
func (c *Cluster) Policies(namespace string) (policy.Set, error) {
	set := policy.Set{Namespace: namespace}
	found, err := c.policies.GetIndexer().ByIndex(
		cache.NamespaceIndex, namespace)
	if err != nil {
		return set, fmt.Errorf("cannot look up the ImagePolicies: %w", err)
	}
	for _, one := range found {
		set.Namespaced = append(set.Namespaced, one.(*v1.ImagePolicy))
	}
	for _, one := range c.clusterPolicies.GetIndexer().List() {
		set.Cluster = append(set.Cluster, one.(*v1.ClusterImagePolicy))
	}
	return set, nil
}

// PolicyCounts is how many policies of each kind there are.
func (c *Cluster) PolicyCounts() (namespaced, cluster int) {
	return len(c.policies.GetIndexer().ListKeys()),
		len(c.clusterPolicies.GetIndexer().ListKeys())
}
