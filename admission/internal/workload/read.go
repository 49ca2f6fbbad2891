// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	exactjson "k8s.io/apimachinery/pkg/util/json"
)

// Whoever reaches the server can send it an object, and an empty container
// has three characters in JSON and 700 bytes in the Kubernetes types. So only
// what is needed is read, and of no list more than Kubernetes could store.

// document is an object of any of the kinds.
type document struct {
	Metadata struct {
		Name            string                      `json:"name"`
		Namespace       string                      `json:"namespace"`
		UID             types.UID                   `json:"uid"`
		OwnerReferences list[metav1.OwnerReference] `json:"ownerReferences"`
	} `json:"metadata"`
	Spec spec `json:"spec"`
}

// spec has a pod specification in each of the places where the kinds have it.
type spec struct {
	podFields
	Template    podTemplate `json:"template"`
	JobTemplate struct {
		Spec struct {
			Template podTemplate `json:"template"`
		} `json:"spec"`
	} `json:"jobTemplate"`
}

type podTemplate struct {
	Spec podFields `json:"spec"`
}

type podFields struct {
	InitContainers      list[container]                   `json:"initContainers"`
	Containers          list[container]                   `json:"containers"`
	EphemeralContainers list[container]                   `json:"ephemeralContainers"`
	Volumes             list[volume]                      `json:"volumes"`
	ImagePullSecrets    list[corev1.LocalObjectReference] `json:"imagePullSecrets"`
	ServiceAccountName  string                            `json:"serviceAccountName"`
	ServiceAccount      string                            `json:"serviceAccount"`
}

type container struct {
	Name  string `json:"name"`
	Image string `json:"image"`
}

type volume struct {
	Name  string `json:"name"`
	Image *struct {
		Reference string `json:"reference"`
	} `json:"image"`
}

// of is the pod specification of an object of the kind.
func (s spec) of(kind Kind) podFields {
	switch kind.Kind {
	case "Pod":
		return s.podFields
	case "CronJob":
		return s.JobTemplate.Spec.Template.Spec
	default:
		return s.Template.Spec
	}
}

// whole is the specification in the types of Kubernetes.
func (p podFields) whole() corev1.PodSpec {
	whole := corev1.PodSpec{
		ImagePullSecrets:         p.ImagePullSecrets,
		ServiceAccountName:       p.ServiceAccountName,
		DeprecatedServiceAccount: p.ServiceAccount,
	}
	for _, c := range p.InitContainers {
		whole.InitContainers = append(whole.InitContainers,
			corev1.Container{Name: c.Name, Image: c.Image})
	}
	for _, c := range p.Containers {
		whole.Containers = append(whole.Containers,
			corev1.Container{Name: c.Name, Image: c.Image})
	}
	for _, c := range p.EphemeralContainers {
		whole.EphemeralContainers = append(whole.EphemeralContainers,
			corev1.EphemeralContainer{
				EphemeralContainerCommon: corev1.EphemeralContainerCommon{
					Name: c.Name, Image: c.Image}})
	}
	for _, v := range p.Volumes {
		one := corev1.Volume{Name: v.Name}
		if v.Image != nil {
			one.Image = &corev1.ImageVolumeSource{Reference: v.Image.Reference}
		}
		whole.Volumes = append(whole.Volumes, one)
	}
	return whole
}

// list is a list that is read entry by entry.
type list[T any] []T

const maxEntries = 10000

// UnmarshalJSON reads no more entries than there can be.
func (l *list[T]) UnmarshalJSON(raw []byte) error {
	entries := json.NewDecoder(bytes.NewReader(raw))
	switch begin, err := entries.Token(); {
	case err != nil:
		return err
	case begin == nil:
		return nil
	case begin != json.Delim('['):
		return errors.New("it has something else where a list belongs")
	}
	*l = nil
	for entries.More() {
		if len(*l) == maxEntries {
			return fmt.Errorf("it has a list of more than %d entries",
				maxEntries)
		}
		var text json.RawMessage
		var entry T
		if err := entries.Decode(&text); err != nil {
			return err
		}
		if err := exactjson.Unmarshal(text, &entry); err != nil {
			return err
		}
		*l = append(*l, entry)
	}
	return nil
}
