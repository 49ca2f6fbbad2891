// SPDX-License-Identifier: Apache-2.0

// Package tool helps people with their policies by the code that decides. It
// never changes a file.
package tool

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/policyreview"
)

// Lint reads YAML or JSON documents and says what is wrong with the policies
// among them. Documents of other kinds are passed over. The error is about
// the file as a whole.
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
		header := struct {
			APIVersion string `json:"apiVersion"`
			Kind       string `json:"kind"`
		}{}
		where := fmt.Sprintf("document %d", i+1)
		if err := yaml.Unmarshal(text, &header); err != nil {
			found = append(found, unreadable(where, "it is no YAML: ", err))
			continue
		}
		if header.Kind != policyreview.Namespaced &&
			header.Kind != policyreview.Cluster {
			continue
		}
		policies++
		policy, err := strictly(text)
		if err != nil {
			found = append(found, unreadable(where, "", err))
			continue
		}
		found = append(found, policyreview.Alone(policy)...)
	}
	return policies, found, nil
}

func unreadable(where, what string, err error) policyreview.Finding {
	return policyreview.Finding{Where: where, Error: true,
		Sentence: what + oneLine(err)}
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
