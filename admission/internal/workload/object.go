// SPDX-License-Identifier: Apache-2.0

// Package workload decides which images of an object need to be judged: all
// of a new object, the changed ones of an updated object, and none that the
// object's owner already runs. It never judges an image.
package workload

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	exactjson "k8s.io/apimachinery/pkg/util/json"
)

// Kind says where a kind that can run images is served and where its pod
// specification lies.
type Kind struct {
	Group    string
	Version  string
	Kind     string
	Resource string
	// path of the pod specification in the object.
	path []string
}

// The eight kinds that the Kubernetes API runs images from.
var kinds = []Kind{
	{"", "v1", "Pod", "pods", []string{"spec"}},
	{"", "v1", "ReplicationController", "replicationcontrollers", template},
	{"apps", "v1", "Deployment", "deployments", template},
	{"apps", "v1", "ReplicaSet", "replicasets", template},
	{"apps", "v1", "DaemonSet", "daemonsets", template},
	{"apps", "v1", "StatefulSet", "statefulsets", template},
	{"batch", "v1", "Job", "jobs", template},
	{"batch", "v1", "CronJob", "cronjobs", []string{
		"spec", "jobTemplate", "spec", "template", "spec"}},
}

var template = []string{"spec", "template", "spec"}

// ByResource finds the kind that a request is about. Other kinds of the same
// plural, such as the jobs of a batch scheduler, are not found.
func ByResource(group, version, resource string) (Kind, bool) {
	for _, kind := range kinds {
		if kind.Group == group && kind.Version == version &&
			kind.Resource == resource {
			return kind, true
		}
	}
	return Kind{}, false
}

// ByOwner finds the kind that an owner reference names.
func ByOwner(reference metav1.OwnerReference) (Kind, bool) {
	group, version, ok := strings.Cut(reference.APIVersion, "/")
	if !ok {
		group, version = "", reference.APIVersion
	}
	for _, kind := range kinds {
		if kind.Group == group && kind.Version == version &&
			kind.Kind == reference.Kind {
			return kind, true
		}
	}
	return Kind{}, false
}

// Object is what is read of an object that can run images: of its metadata
// who it is and who owns it, of its pod specification the names of images and
// what they are pulled with.
type Object struct {
	Kind     Kind
	Metadata metav1.ObjectMeta
	Pod      corev1.PodSpec
}

// Decode reads an object of the kind. Names of fields are compared exactly,
// as the API server compares them.
func Decode(kind Kind, raw []byte) (*Object, error) {
	var read document
	if err := exactjson.Unmarshal(raw, &read); err != nil {
		return nil, fmt.Errorf("cannot read the %s: %w", kind.Kind, err)
	}
	return &Object{
		Kind: kind,
		Metadata: metav1.ObjectMeta{
			Name:            read.Metadata.Name,
			Namespace:       read.Metadata.Namespace,
			UID:             read.Metadata.UID,
			OwnerReferences: read.Metadata.OwnerReferences,
		},
		Pod: read.Spec.of(kind).whole(),
	}, nil
}

// Use is one place of an object that names an image.
type Use struct {
	Image string
	// Where is the place for people: container "web".
	Where string
	// Pointer is the place as a JSON pointer.
	Pointer string
}

// Uses lists every place of the object that names an image: init containers,
// containers, ephemeral containers and image volumes. Empty names are left
// out; nothing can run from them.
func (o *Object) Uses() []Use {
	base := "/" + strings.Join(o.Kind.path, "/")
	var uses []Use
	add := func(image, what, name, list string, index int, field string) {
		if image == "" {
			return
		}
		uses = append(uses, Use{
			Image:   image,
			Where:   fmt.Sprintf("%s %q", what, name),
			Pointer: fmt.Sprintf("%s/%s/%d/%s", base, list, index, field),
		})
	}
	for i, c := range o.Pod.InitContainers {
		add(c.Image, "init container", c.Name, "initContainers", i, "image")
	}
	for i, c := range o.Pod.Containers {
		add(c.Image, "container", c.Name, "containers", i, "image")
	}
	for i, c := range o.Pod.EphemeralContainers {
		add(c.Image, "ephemeral container", c.Name,
			"ephemeralContainers", i, "image")
	}
	for i, v := range o.Pod.Volumes {
		if v.Image != nil {
			add(v.Image.Reference, "volume", v.Name,
				"volumes", i, "image/reference")
		}
	}
	return uses
}

// images is the set of images the object names.
func (o *Object) images() map[string]bool {
	set := map[string]bool{}
	for _, use := range o.Uses() {
		set[use.Image] = true
	}
	return set
}

// PullSecrets names the pull secrets of the pod specification.
func (o *Object) PullSecrets() []string {
	var names []string
	for _, reference := range o.Pod.ImagePullSecrets {
		if reference.Name != "" {
			names = append(names, reference.Name)
		}
	}
	return names
}

// ServiceAccount is the account that the pods run as.
func (o *Object) ServiceAccount() string {
	switch {
	case o.Pod.ServiceAccountName != "":
		return o.Pod.ServiceAccountName
	case o.Pod.DeprecatedServiceAccount != "":
		return o.Pod.DeprecatedServiceAccount
	default:
		return "default"
	}
}
