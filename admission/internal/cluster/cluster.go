// SPDX-License-Identifier: Apache-2.0

// Package cluster reads from Kubernetes what decisions depend on: policies by
// informer, Secrets and ServiceAccounts by name, kept while a watch vouches for
// them, owners at each question, and the pinned root keys, which are all it
// ever writes. It never decides anything.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	exactjson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"

	v1 "opendev.org/starlingx/portieris-armada-app/admission/api/v1"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/workload"
)

// Cluster is a connection to the Kubernetes API.
type Cluster struct {
	namespace string
	clients   map[schema.GroupVersion]*rest.RESTClient

	policies        cache.SharedIndexInformer
	clusterPolicies cache.SharedIndexInformer
	pins            cache.SharedIndexInformer

	secrets  *keeper[*corev1.Secret]
	accounts *keeper[[]string]
}

// Config finds the Kubernetes API: the kubeconfig file if one is named, else
// those that the environment variable KUBECONFIG names, else that of the pod's
// own ServiceAccount.
func Config(kubeconfig string) (*rest.Config, error) {
	rules := &clientcmd.ClientConfigLoadingRules{ExplicitPath: kubeconfig}
	if kubeconfig == "" {
		kubeconfig = os.Getenv("KUBECONFIG")
		rules.Precedence = filepath.SplitList(kubeconfig)
	}
	if kubeconfig == "" {
		config, err := rest.InClusterConfig()
		if err != nil {
			return nil, fmt.Errorf("no Kubernetes API is known: no "+
				"kubeconfig is given by --kubeconfig or KUBECONFIG, and this "+
				"is no pod (%w)", err)
		}
		// The proxy of the environment is for trust servers; the cluster's
		// own addresses are never behind it.
		config.Proxy = directly
		return config, nil
	}
	config, err := fromFiles(rules)
	if err != nil {
		return nil, fmt.Errorf("cannot use the kubeconfig %q: %w",
			kubeconfig, err)
	}
	return config, nil
}

func fromFiles(rules *clientcmd.ClientConfigLoadingRules) (
	*rest.Config, error) {
	loaded, err := rules.Load()
	if err != nil {
		return nil, err
	}
	config, err := clientcmd.NewDefaultClientConfig(*loaded,
		&clientcmd.ConfigOverrides{}).ClientConfig()
	if clientcmd.IsEmptyConfig(err) {
		return nil, errors.New("it names no cluster, or no such file exists")
	}
	return config, err
}

func directly(*http.Request) (*url.URL, error) { return nil, nil }

// New prepares a connection. Nothing is asked before Run. The namespace is
// where the pinned root keys are kept.
func New(config *rest.Config, namespace string) (*Cluster, error) {
	// API servers before 1.27 never end the initial list of a watch, and an
	// informer that asks for it would wait for ever.
	if err := os.Setenv("KUBE_FEATURE_WatchListClient", "false"); err != nil {
		return nil, err
	}
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("cannot connect to the Kubernetes API: %w", err)
	}
	c := &Cluster{
		namespace: namespace,
		clients:   map[schema.GroupVersion]*rest.RESTClient{},
	}
	scheme := newScheme()
	for _, version := range []schema.GroupVersion{
		v1.GroupVersion,
		{Version: "v1"},
		{Group: "apps", Version: "v1"},
		{Group: "batch", Version: "v1"},
	} {
		c.clients[version], err = newClient(config, client, scheme, version)
		if err != nil {
			return nil, fmt.Errorf("cannot connect to the Kubernetes API: %w",
				err)
		}
	}
	if err := c.addInformers(); err != nil {
		return nil, err
	}
	c.secrets = &keeper[*corev1.Secret]{cluster: c, resource: "secrets",
		decode: decodeSecret, keepFor: keepFor, pause: firstPause}
	c.accounts = &keeper[[]string]{cluster: c, resource: "serviceaccounts",
		decode: decodeAccount, keepFor: keepFor, pause: firstPause}
	return c, nil
}

func newScheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	v1.AddToScheme(scheme)
	core := schema.GroupVersion{Version: "v1"}
	scheme.AddKnownTypes(core, &corev1.ConfigMap{}, &corev1.ConfigMapList{})
	metav1.AddToGroupVersion(scheme, core)
	return scheme
}

func newClient(config *rest.Config, client *http.Client,
	scheme *runtime.Scheme, version schema.GroupVersion) (
	*rest.RESTClient, error) {
	mine := rest.CopyConfig(config)
	mine.GroupVersion = &version
	mine.APIPath = "/apis"
	if version.Group == "" {
		mine.APIPath = "/api"
	}
	mine.NegotiatedSerializer = serializer.NewCodecFactory(
		scheme).WithoutConversion()
	// The API server has its own fairness; a queue here would only spend the
	// time that a decision has.
	mine.QPS = -1
	return rest.RESTClientForConfigAndClient(mine, client)
}

// Secret reads a Secret, or returns nil if there is none. It is shared by all
// who ask for it: nobody may change it.
func (c *Cluster) Secret(ctx context.Context, namespace, name string) (
	*corev1.Secret, error) {
	return c.secrets.get(ctx, namespace, name)
}

func decodeSecret(raw []byte) (*corev1.Secret, error) {
	secret := &corev1.Secret{}
	return secret, exactjson.Unmarshal(raw, secret)
}

// AccountPullSecrets names the pull secrets of a ServiceAccount. One that
// does not exist has none.
func (c *Cluster) AccountPullSecrets(ctx context.Context,
	namespace, account string) ([]string, error) {
	return c.accounts.get(ctx, namespace, account)
}

func decodeAccount(raw []byte) ([]string, error) {
	account := &corev1.ServiceAccount{}
	if err := exactjson.Unmarshal(raw, account); err != nil {
		return nil, err
	}
	var names []string
	for _, reference := range account.ImagePullSecrets {
		if reference.Name != "" {
			names = append(names, reference.Name)
		}
	}
	return names, nil
}

// Owner reads the object that an owner reference names, or returns nil.
func (c *Cluster) Owner(ctx context.Context, kind workload.Kind,
	namespace, name string) (*workload.Object, error) {
	version := schema.GroupVersion{Group: kind.Group, Version: kind.Version}
	raw, err := c.raw(ctx, version, kind.Resource, namespace, name)
	if raw == nil {
		return nil, err
	}
	return workload.Decode(kind, raw)
}

var core = schema.GroupVersion{Version: "v1"}

// get reads one object into place and tells whether it exists.
func (c *Cluster) get(ctx context.Context, version schema.GroupVersion,
	resource, namespace, name string, into any) (bool, error) {
	raw, err := c.raw(ctx, version, resource, namespace, name)
	if raw == nil {
		return false, err
	}
	if err := exactjson.Unmarshal(raw, into); err != nil {
		return false, fmt.Errorf("the Kubernetes API's answer does not "+
			"parse: %w", err)
	}
	return true, nil
}

// raw reads one object, or returns nil without an error if there is none.
func (c *Cluster) raw(ctx context.Context, version schema.GroupVersion,
	resource, namespace, name string) ([]byte, error) {
	if len(rest.IsValidPathSegmentName(name)) > 0 || name == "" {
		return nil, nil
	}
	result := c.clients[version].Get().Namespace(namespace).
		Resource(resource).Name(name).Do(ctx)
	err := result.Error()
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return result.Raw()
}
