// SPDX-License-Identifier: Apache-2.0

package policyreview

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"

	exactjson "k8s.io/apimachinery/pkg/util/json"
	strictjson "sigs.k8s.io/json"

	v1 "opendev.org/starlingx/portieris-armada-app/admission/api/v1"
)

// Kinds of policies.
const (
	Namespaced = "ImagePolicy"
	Cluster    = "ClusterImagePolicy"
)

// lastApplied is the annotation in which kubectl apply keeps what the user
// wrote, before the API server dropped what no policy has.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// Policy is what can be reviewed of a policy of either kind.
type Policy struct {
	APIVersion, Kind, Namespace, Name string
	// Deleting tells that the policy is only waiting for its end.
	Deleting bool
	// Listed tells that there is a list of entries, be it empty.
	Listed  bool
	Entries []Entry
	// Applied is what kubectl apply was given, or empty.
	Applied string
	// Dropped are the fields that no policy has.
	Dropped []string
}

// Entry is one entry of a policy.
type Entry struct {
	v1.Repository
	// Open tells that its policy is written as {}, which says on purpose
	// that nothing is asked for.
	Open bool
}

// Source names the policy as decisions do.
func (p Policy) Source() string {
	return fmt.Sprintf("%s %q", p.Kind, p.Name)
}

// SameAs tells whether two policies say the same.
func (p Policy) SameAs(other Policy) bool {
	return p.Listed == other.Listed && p.Applied == other.Applied &&
		reflect.DeepEqual(p.Entries, other.Entries)
}

// document is what policies of both kinds have in common.
type document struct {
	APIVersion string         `json:"apiVersion"`
	Kind       string         `json:"kind"`
	Metadata   map[string]any `json:"metadata"`
	Spec       *v1.PolicySpec `json:"spec"`
	// Status is what kubectl get -o yaml may show.
	Status any `json:"status"`
}

// longest bounds what one policy takes of memory and time: empty entries have
// three characters each, and there is a good deal to say about each.
const longest = 512 << 10

// Read reads a policy written in JSON.
func Read(text []byte) (Policy, error) {
	if len(text) > longest {
		return Policy{}, fmt.Errorf("it has %d bytes; more than %d are not "+
			"read", len(text), longest)
	}
	var read document
	dropped, err := strictjson.UnmarshalStrict(text, &read)
	if err != nil {
		return Policy{}, err
	}
	policy := Policy{APIVersion: read.APIVersion, Kind: read.Kind}
	for _, problem := range dropped {
		policy.Dropped = append(policy.Dropped, problem.Error())
	}
	policy.Name, _ = read.Metadata["name"].(string)
	if policy.Name == "" {
		policy.Name, _ = read.Metadata["generateName"].(string)
	}
	policy.Namespace, _ = read.Metadata["namespace"].(string)
	policy.Deleting = read.Metadata["deletionTimestamp"] != nil
	annotations, _ := read.Metadata["annotations"].(map[string]any)
	policy.Applied, _ = annotations[lastApplied].(string)
	if read.Spec == nil || read.Spec.Repositories == nil {
		return policy, nil
	}
	policy.Listed = true
	open, err := written(text)
	if err != nil {
		return Policy{}, err
	}
	for i, entry := range read.Spec.Repositories {
		policy.Entries = append(policy.Entries, Entry{entry, open[i]})
	}
	return policy, nil
}

// written tells of each entry whether its policy is written as {}, which the
// types cannot tell from a policy whose parts are all empty.
func written(text []byte) ([]bool, error) {
	var raw struct {
		Spec struct {
			Repositories []struct {
				Policy map[string]json.RawMessage `json:"policy"`
			} `json:"repositories"`
		} `json:"spec"`
	}
	if err := exactjson.Unmarshal(text, &raw); err != nil {
		return nil, err
	}
	open := make([]bool, len(raw.Spec.Repositories))
	for i, entry := range raw.Spec.Repositories {
		open[i] = entry.Policy != nil && len(entry.Policy) == 0
	}
	return open, nil
}

// unknownField finds the field in what the parser says of it.
var unknownField = regexp.MustCompile(
	`^unknown field "(?:.*\.)?([^".]+)"$`)

// misplaced says where a field belongs that people often write elsewhere.
var misplaced = map[string]string{
	"trust":         "it belongs below policy",
	"simple":        "it belongs below policy",
	"vulnerability": "it belongs below policy",
	"mutateImage":   "it belongs below policy",
	"enabled":       "it belongs below policy.trust",
	"trustServer":   "it belongs below policy.trust",
	"signerSecrets": "it belongs below policy.trust",
	"requirements":  "it belongs below policy.simple",
	"storeURL":      "it belongs below policy.simple",
	"storeSecret":   "it belongs below policy.simple",
	"mode":          "it belongs beside name",
	"va":            "it is called vulnerability today",
	"repositories":  "it belongs below spec",
}

// where says of a dropped field where it belongs, if that is known.
func where(dropped string) string {
	found := unknownField.FindStringSubmatch(dropped)
	if found == nil {
		return dropped
	}
	if place := misplaced[found[1]]; place != "" {
		return dropped + "; " + place
	}
	return dropped
}
