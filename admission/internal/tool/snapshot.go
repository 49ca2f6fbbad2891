// SPDX-License-Identifier: Apache-2.0

package tool

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	corev1 "k8s.io/api/core/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	strictjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	v1 "opendev.org/starlingx/portieris-armada-app/admission/api/v1"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/policy"
)

// Snapshot holds policies as they were read once, from a cluster or from
// files, and the Secrets and ServiceAccounts that stood in the files. Of two
// objects with one name the one added last counts, as if both were applied in
// turn.
type Snapshot struct {
	own      map[string][]*v1.ImagePolicy
	cluster  []*v1.ClusterImagePolicy
	secrets  map[string]*corev1.Secret
	accounts map[string]*corev1.ServiceAccount
}

// NewSnapshot returns a Snapshot without anything in it.
func NewSnapshot() *Snapshot {
	return &Snapshot{
		own:      map[string][]*v1.ImagePolicy{},
		secrets:  map[string]*corev1.Secret{},
		accounts: map[string]*corev1.ServiceAccount{},
	}
}

// Policies returns the policies that may count in a namespace.
func (s *Snapshot) Policies(namespace string) (policy.Set, error) {
	return policy.Set{
		Namespace:  namespace,
		Namespaced: s.own[namespace],
		Cluster:    s.cluster,
	}, nil
}

// Secret returns a Secret of the files, or nil.
func (s *Snapshot) Secret(_ context.Context, namespace, name string) (
	*corev1.Secret, error) {
	return s.secrets[namespace+"/"+name], nil
}

// AccountPullSecrets names the pull secrets of a ServiceAccount of the files.
func (s *Snapshot) AccountPullSecrets(_ context.Context,
	namespace, account string) ([]string, error) {
	found := s.accounts[namespace+"/"+account]
	if found == nil {
		return nil, nil
	}
	var names []string
	for _, reference := range found.ImagePullSecrets {
		names = append(names, reference.Name)
	}
	return names, nil
}

// AddPolicies adds policies that were read from a cluster.
func (s *Snapshot) AddPolicies(own []v1.ImagePolicy,
	cluster []v1.ClusterImagePolicy) {
	for i := range own {
		s.addOwn(&own[i])
	}
	for i := range cluster {
		s.addCluster(&cluster[i])
	}
}

func (s *Snapshot) addOwn(added *v1.ImagePolicy) {
	of := s.own[added.Namespace]
	for i, one := range of {
		if one.Name == added.Name {
			of[i] = added
			return
		}
	}
	s.own[added.Namespace] = append(of, added)
}

func (s *Snapshot) addCluster(added *v1.ClusterImagePolicy) {
	for i, one := range s.cluster {
		if one.Name == added.Name {
			s.cluster[i] = added
			return
		}
	}
	s.cluster = append(s.cluster, added)
}

// AddFile adds the policies, Secrets and ServiceAccounts of YAML or JSON, also
// if they stand in a list as kubectl get prints it. Documents of other kinds
// are passed over. An ImagePolicy, Secret or ServiceAccount without a
// namespace is one of the given namespace, as for kubectl apply.
func (s *Snapshot) AddFile(file io.Reader, namespace string) (
	policies int, err error) {
	reader := utilyaml.NewYAMLReader(bufio.NewReader(file))
	for i := 1; ; i++ {
		text, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return policies, nil
		}
		if err != nil {
			return policies, err
		}
		if len(bytes.TrimSpace(text)) == 0 {
			continue
		}
		found, err := s.addDocument(text, namespace)
		if err != nil {
			return policies, fmt.Errorf("document %d: %s", i, oneLine(err))
		}
		policies += found
	}
}

func (s *Snapshot) addDocument(text []byte, namespace string) (
	policies int, err error) {
	object, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		return 0, err
	}
	header := struct {
		APIVersion string            `json:"apiVersion"`
		Kind       string            `json:"kind"`
		Items      []json.RawMessage `json:"items"`
	}{}
	if err := json.Unmarshal(object, &header); err != nil {
		return 0, err
	}
	if isList(header.Kind) {
		for _, item := range header.Items {
			found, err := s.addDocument(item, namespace)
			if err != nil {
				return policies, err
			}
			policies += found
		}
		return policies, nil
	}
	switch header.Kind {
	case "ImagePolicy", "ClusterImagePolicy":
		if header.APIVersion != v1.GroupVersion.String() {
			return 0, fmt.Errorf("the apiVersion of the %s is %q and must "+
				"be %q", header.Kind, header.APIVersion, v1.GroupVersion)
		}
		return 1, s.addPolicy(header.Kind, object, namespace)
	case "Secret", "ServiceAccount":
		if header.APIVersion == "v1" {
			return 0, s.addOther(header.Kind, object, namespace)
		}
	}
	return 0, nil
}

// addPolicy reads strictly: what the API server would drop without a word is
// a mistake here, since the policy then is another one.
func (s *Snapshot) addPolicy(kind string, object []byte,
	namespace string) error {
	if kind == "ImagePolicy" {
		read := &v1.ImagePolicy{}
		if err := readStrictly(object, read, &read.Name); err != nil {
			return err
		}
		if read.Namespace == "" {
			read.Namespace = namespace
		}
		if read.Namespace == "" {
			return fmt.Errorf("ImagePolicy %q names no namespace: put it "+
				"into metadata.namespace, or give --namespace", read.Name)
		}
		s.addOwn(read)
		return nil
	}
	read := &v1.ClusterImagePolicy{}
	if err := readStrictly(object, read, &read.Name); err != nil {
		return err
	}
	s.addCluster(read)
	return nil
}

func readStrictly(object []byte, into any, name *string) error {
	problems, err := strictjson.UnmarshalStrict(object, into)
	if err == nil {
		err = errors.Join(problems...)
	}
	if err != nil {
		return fmt.Errorf("policy %q: %w", *name, err)
	}
	if *name == "" {
		return errors.New("a policy has no metadata.name")
	}
	return nil
}

func (s *Snapshot) addOther(kind string, object []byte,
	namespace string) error {
	secret, account := &corev1.Secret{}, &corev1.ServiceAccount{}
	var into any = secret
	if kind == "ServiceAccount" {
		into = account
	}
	if err := strictjson.UnmarshalCaseSensitivePreserveInts(
		object, into); err != nil {
		// The parser's own words may hold what the Secret keeps.
		return fmt.Errorf("a %s does not parse", kind)
	}
	key := func(own, name string) string {
		if own == "" {
			own = namespace
		}
		return own + "/" + name
	}
	if kind == "ServiceAccount" {
		s.accounts[key(account.Namespace, account.Name)] = account
		return nil
	}
	if secret.Data == nil {
		secret.Data = map[string][]byte{}
	}
	for name, value := range secret.StringData {
		secret.Data[name] = []byte(value)
	}
	s.secrets[key(secret.Namespace, secret.Name)] = secret
	return nil
}
