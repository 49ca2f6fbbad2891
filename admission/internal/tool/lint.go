// SPDX-License-Identifier: Apache-2.0

// Package tool helps people with their policies: it says what in a file of
// policies can never work and what will surprise. It never talks to a cluster
// and never changes a file.
package tool

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	strictjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	v1 "opendev.org/starlingx/portieris-armada-app/admission/api/v1"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/decision"
)

// Finding is one thing to say about a policy.
type Finding struct {
	// Where is the policy and the place in it.
	Where string
	// Error tells that the policy can never do what it says; else it does,
	// but perhaps not what was meant.
	Error    bool
	Sentence string
}

// String is the finding on one line.
func (f Finding) String() string {
	level := "warning"
	if f.Error {
		level = "error"
	}
	return fmt.Sprintf("%s: %s: %s", level, f.Where, f.Sentence)
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

// Lint reads YAML or JSON documents and says what is wrong with the policies
// among them. Documents of other kinds are passed over. The error is about
// the file as a whole.
func Lint(file io.Reader) (policies int, findings []Finding, err error) {
	content, err := io.ReadAll(file)
	if err != nil {
		return 0, nil, err
	}
	documents, err := split(content)
	if err != nil {
		return 0, nil, err
	}
	for i, text := range documents {
		header := struct {
			APIVersion string `json:"apiVersion"`
			Kind       string `json:"kind"`
		}{}
		where := fmt.Sprintf("document %d", i+1)
		if err := yaml.Unmarshal(text, &header); err != nil {
			findings = append(findings, Finding{where, true,
				"it is no YAML: " + oneLine(err)})
			continue
		}
		if header.Kind != "ImagePolicy" && header.Kind != "ClusterImagePolicy" {
			continue
		}
		policies++
		findings = append(findings, lint(where, text)...)
	}
	return policies, findings, nil
}

// split returns the documents of a stream of YAML.
func split(content []byte) ([][]byte, error) {
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(content)))
	var documents [][]byte
	for {
		text, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return documents, nil
		}
		if err != nil {
			return nil, err
		}
		if len(bytes.TrimSpace(text)) > 0 {
			documents = append(documents, text)
		}
	}
}

// lint says what is wrong with one policy.
func lint(where string, text []byte) []Finding {
	policy, problems := strictly(text)
	if problems != nil {
		var findings []Finding
		for _, problem := range problems {
			findings = append(findings, Finding{where, true, oneLine(problem)})
		}
		return findings
	}
	name, _ := policy.Metadata["name"].(string)
	where = fmt.Sprintf("%s %q", policy.Kind, name)
	var findings []Finding
	add := func(isError bool, place, format string, args ...any) {
		if place != "" {
			place = ", " + place
		}
		findings = append(findings, Finding{where + place, isError,
			fmt.Sprintf(format, args...)})
	}
	if policy.APIVersion != v1.GroupVersion.String() {
		add(true, "", "its apiVersion is %q and must be %q",
			policy.APIVersion, v1.GroupVersion)
	}
	if name == "" {
		add(true, "", "it has no metadata.name")
	}
	if policy.Spec == nil || policy.Spec.Repositories == nil {
		add(true, "", "it has no spec.repositories, so it denies every image")
		return findings
	}
	if len(policy.Spec.Repositories) == 0 {
		add(false, "", "its spec.repositories is empty, so it denies "+
			"every image")
	}
	seen := map[string]bool{}
	for i := range policy.Spec.Repositories {
		entry := &policy.Spec.Repositories[i]
		place := fmt.Sprintf("spec.repositories[%d]", i)
		if seen[entry.Name] {
			add(false, place, "its name %q stands above already, so it "+
				"never counts", entry.Name)
		}
		seen[entry.Name] = true
		lintEntry(entry, func(isError bool, format string, args ...any) {
			add(isError, place, format, args...)
		})
	}
	return findings
}

// strictly reads a policy and tells of every field that no policy has. The API
// server drops such fields without a word, and a rule that is dropped admits
// everything.
func strictly(text []byte) (policy document, problems []error) {
	converted, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		return policy, []error{err}
	}
	problems, err = strictjson.UnmarshalStrict(converted, &policy)
	if err != nil {
		return policy, []error{err}
	}
	return policy, problems
}

// lintEntry says what is wrong with one entry.
func lintEntry(entry *v1.Repository,
	add func(isError bool, format string, args ...any)) {
	host, _, anchored := strings.Cut(entry.Name, "/")
	switch {
	case entry.Name == "":
		add(true, "it has no name, so it matches no image")
	case strings.ContainsAny(entry.Name, " \t\n"):
		add(true, "its name %q has a blank in it, so it matches no image",
			entry.Name)
	case strings.Contains(entry.Name, "://"):
		add(true, "its name %q begins with a scheme; a name begins with "+
			"the registry's host", entry.Name)
	case entry.Name == "*":
	case strings.Contains(entry.Name, "*") && !anchored:
		add(false, "its name %q has no slash, so it matches over the whole "+
			"reference, whatever the registry", entry.Name)
	case strings.Contains(host, "*") && host != "*":
		add(false, "the star in the host of its name %q matches the hosts "+
			"of strangers too", entry.Name)
	case strings.HasSuffix(entry.Name, "/"):
		add(true, "its name %q ends with a slash, so it matches no image; "+
			"end it with /*", entry.Name)
	}
	switch entry.Mode {
	case "", v1.ModeEnforce, v1.ModeWarn:
	default:
		add(true, "its mode %q is none of enforce and warn", entry.Mode)
	}
	if entry.Policy != nil {
		lintRules(entry.Policy, add)
	}
}

// lintRules says what is wrong with what an entry asks for.
func lintRules(rules *v1.Policy,
	add func(isError bool, format string, args ...any)) {
	trust := rules.Trust
	enabled := trust.Enabled != nil && *trust.Enabled
	if !enabled && (trust.TrustServer != "" || len(trust.SignerSecrets) > 0) {
		add(false, "policy.trust is not enabled, so nothing is verified")
	}
	if trust.TrustServer != "" {
		server := strings.TrimRight(trust.TrustServer, "/")
		if problem := decision.ServerProblem(server); problem != "" {
			add(true, "%s", problem)
		}
	}
	for i, secret := range trust.SignerSecrets {
		if secret.Name == "" {
			add(true, "policy.trust.signerSecrets[%d] has no name", i)
		}
	}
	for i, requirement := range rules.Simple.Requirements {
		place := fmt.Sprintf("policy.simple.requirements[%d]", i)
		switch requirement.Type {
		case v1.RequirementAcceptAnything, v1.RequirementReject:
		case v1.RequirementSignedBy, v1.RequirementSigstoreSigned:
			if requirement.KeySecret == "" {
				add(true, "%s has no keySecret", place)
			}
			if requirement.Type == v1.RequirementSignedBy &&
				rules.Simple.StoreURL == "" {
				add(true, "%s asks for signedBy, and policy.simple has no "+
					"storeURL where the signatures are", place)
			}
		default:
			add(true, "%s has the type %q, which is none of "+
				"insecureAcceptAnything, reject, signedBy and "+
				"sigstoreSigned", place, requirement.Type)
		}
	}
	if store := rules.Simple.StoreURL; store != "" {
		if problem := decision.StoreProblem(store); problem != "" {
			add(true, "%s", problem)
		}
	}
	if enabled := rules.Vulnerability.ICCRVA.Enabled; enabled != nil && *enabled {
		add(false, "policy.vulnerability.ICCRVA needs IBM's own image: this "+
			"server denies the images")
	}
}

// oneLine is the error without the noise of the parsers.
func oneLine(err error) string {
	text := strings.Join(strings.Fields(err.Error()), " ")
	for _, noise := range []string{
		"error converting YAML to JSON: ",
		"error unmarshaling JSON: while decoding JSON: ",
		"yaml: ", "json: ",
	} {
		text = strings.ReplaceAll(text, noise, "")
	}
	return text
}
