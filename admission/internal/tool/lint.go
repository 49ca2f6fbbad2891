// SPDX-License-Identifier: Apache-2.0

// Package tool helps people with their policies by the code that decides. It
// never changes a file.
package tool

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/policyreview"
)

// Lint reads YAML or JSON documents and says what is wrong with the policies
// among them, also if they stand in a list as kubectl get prints it. Documents
// of other kinds are passed over. The error is about the file as a whole.
func Lint(file io.Reader) (policies int, found []policyreview.Finding,
	err error) {
	content, err := io.ReadAll(file)
	if err != nil {
		return 0, nil, err
	}
	documents, err := split(content)
	if err != nil {
		return 0, nil, err
	}
	for i, text := range documents {
		read, findings := lintDocument(text, fmt.Sprintf("document %d", i+1))
		policies += read
		found = append(found, findings...)
	}
	return policies, found, nil
}

func lintDocument(text []byte, where string) (policies int,
	found []policyreview.Finding) {
	header := struct {
		Kind  string            `json:"kind"`
		Items []json.RawMessage `json:"items"`
	}{}
	if err := yaml.Unmarshal(text, &header); err != nil {
		return 0, unreadable(where, "it is no YAML: ", err)
	}
	switch {
	case isList(header.Kind):
		for i, item := range header.Items {
			read, findings := lintDocument(item,
				fmt.Sprintf("%s, item %d", where, i+1))
			policies += read
			found = append(found, findings...)
		}
		if _, err := yaml.YAMLToJSONStrict(text); err != nil && policies > 0 {
			found = append(found, unreadable(where, "", err)...)
		}
		return policies, found
	case header.Kind != policyreview.Namespaced &&
		header.Kind != policyreview.Cluster:
		return 0, nil
	}
	policy, err := strictly(text)
	if err != nil {
		return 1, unreadable(where, "", err)
	}
	return 1, policyreview.Alone(policy)
}

// isList tells whether a document of the kind may hold policies, Secrets and
// ServiceAccounts.
func isList(kind string) bool {
	switch kind {
	case "List", "ImagePolicyList", "ClusterImagePolicyList", "SecretList",
		"ServiceAccountList":
		return true
	}
	return false
}

func unreadable(where, what string, err error) []policyreview.Finding {
	return []policyreview.Finding{{Where: where, Error: true,
		Sentence: what + oneLine(err)}}
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

// strictly reads a policy in which no field stands twice.
func strictly(text []byte) (policyreview.Policy, error) {
	converted, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		return policyreview.Policy{}, err
	}
	return policyreview.Read(converted)
}

// oneLine is an error of a parser without its noise.
func oneLine(err error) string {
	text := strings.Join(strings.Fields(err.Error()), " ")
	for _, noise := range []string{
		"error converting YAML to JSON: ",
		"error unmarshaling JSON: while decoding JSON: ",
		"yaml: ", "json: ", "unmarshal errors: ",
	} {
		text = strings.ReplaceAll(text, noise, "")
	}
	return text
}
