// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/kubetest"
)

// reviewPolicies makes the API server ask the server about policies, by the
// chart's own configuration but for where the server is.
func (s *site) reviewPolicies(t *testing.T) {
	t.Helper()
	chain, err := os.ReadFile(filepath.Join(s.directory, "tls.crt"))
	if err != nil {
		t.Fatal(err)
	}
	configuration := kubetest.Rendered(t,
		"--show-only", "templates/portieris-policies.yaml")
	const service = `      service:
        name: portieris
        namespace: portieris
        path: /validate-policies
`
	here := fmt.Sprintf("      url: https://%s/validate-policies\n"+
		"      caBundle: %s\n", s.log.address("admission"),
		base64.StdEncoding.EncodeToString(chain))
	if !strings.Contains(configuration, service) {
		t.Fatalf("the chart calls another service: %s", configuration)
	}
	s.kube.Create(t, strings.Replace(configuration, service, here, 1))
	kubetest.Eventually(t, "policies are reviewed", func() bool {
		_, err := s.kube.Warned(imagePolicy("probe", "policy: {}"),
			"dryRun", "All")
		return err != nil
	}, nil)
}

// imagePolicy is a policy in the namespace of the tests, with one entry.
func imagePolicy(name, entry string) string {
	return fmt.Sprintf(`apiVersion: portieris.cloud.ibm.com/v1
kind: ImagePolicy
metadata: {name: %s, namespace: team}
spec:
  repositories:
  - %s
`, name, strings.ReplaceAll(entry, "\n", "\n    "))
}

const policiesPath = "/apis/portieris.cloud.ibm.com/v1/namespaces/team/" +
	"imagepolicies"

func TestPoliciesAreReviewedAsTheyAreApplied(t *testing.T) {
	s := build(t)
	s.kube.Create(t, imagePolicy("early", "policy: {}"))
	s.reviewPolicies(t)
	warned := func(t *testing.T, object string, query ...string) string {
		t.Helper()
		warnings, err := s.kube.Warned(object,
			append(query, "dryRun", "All")...)
		if err != nil {
			t.Errorf("it is refused: %v", err)
		}
		return strings.Join(warnings, "\n")
	}

	t.Run("a sound one is taken in silence", func(t *testing.T) {
		if text := warned(t, imagePolicy("p", "name: r.io/*\npolicy: {}")); text != "" {
			t.Errorf("it is told %s", text)
		}
	})
	t.Run("one that surprises is taken with a warning", func(t *testing.T) {
		text := warned(t, imagePolicy("p", "name: r.io/app*\npolicy: {}"))
		want := `ImagePolicy "p", spec.repositories[0]: its name "r.io/app*" ` +
			`matches "r.io/app-other" too`
		if !strings.HasPrefix(text, want) {
			t.Errorf("it is told %s; want %s", text, want)
		}
	})
	t.Run("a Secret that is missing is named", func(t *testing.T) {
		text := warned(t, imagePolicy("p", "name: r.io/*\npolicy:\n"+
			"  trust: {enabled: true, trustServer: 'https://n', "+
			"signerSecrets: [{name: alice}]}"))
		if !strings.Contains(text, `the signer Secret "alice" in the `+
			`namespace "team" does not exist`) {
			t.Errorf("it is told %s", text)
		}
	})
	t.Run("one that can never work is refused with a sentence",
		func(t *testing.T) {
			_, err := s.kube.Warned(imagePolicy("p",
				"name: https://r.io/*\npolicy: {}"))
			want := `admission webhook "policies.portieris.cloud.ibm.com" ` +
				`denied the request: ImagePolicy "p", spec.repositories[0]: ` +
				`its name "https://r.io/*" begins with a scheme`
			if err == nil || !strings.Contains(err.Error(), want) ||
				!strings.HasSuffix(err.Error(), "[POLICY-INVALID]") {
				t.Errorf("the answer is %v; want %s", err, want)
			}
		})
	t.Run("an unknown type is refused by the API server itself",
		func(t *testing.T) {
			_, err := s.kube.Warned(imagePolicy("p", "name: r.io/*\n"+
				"policy: {simple: {requirements: [{type: magic}]}}"))
			if err == nil || !strings.Contains(err.Error(),
				`Unsupported value: "magic"`) {
				t.Errorf("the answer is %v", err)
			}
		})
	t.Run("a field that no policy has is dropped before the review",
		func(t *testing.T) {
			wrong := imagePolicy("p", "name: r.io/*\ntrust: {enabled: true}")
			const none, unknown = "it has no policy, so images that match " +
				"are admitted unseen", `"spec.repositories[0].trust"`
			text := warned(t, wrong, "fieldValidation", "Ignore")
			if !strings.Contains(text, none) ||
				strings.Contains(text, unknown) {
				t.Errorf("it is told %s", text)
			}
			// Whoever asks for nothing in particular is told by the API server.
			text = warned(t, wrong)
			if !strings.Contains(text, none) ||
				!strings.Contains(text, "unknown field "+unknown) {
				t.Errorf("it is told %s", text)
			}
		})
	t.Run("it is seen in what kubectl apply was given", func(t *testing.T) {
		written, err := json.Marshal(`{"spec": {"repositories": ` +
			`[{"name": "r.io/*", "policy": {"va": {}}}]}}`)
		if err != nil {
			t.Fatal(err)
		}
		text := warned(t, strings.Replace(
			imagePolicy("p", "name: r.io/*\npolicy: {va: {}}"),
			"namespace: team", "namespace: team, annotations: "+
				"{kubectl.kubernetes.io/last-applied-configuration: "+
				string(written)+"}", 1), "fieldValidation", "Ignore")
		if !strings.Contains(text, `Kubernetes has dropped the unknown `+
			`field "spec.repositories[0].policy.va"`) {
			t.Errorf("it is told %s", text)
		}
	})
	t.Run("what was wrong before can be labelled and deleted",
		func(t *testing.T) {
			_, err := s.kube.Do(http.MethodPatch, policiesPath+"/early",
				"application/merge-patch+json", map[string]any{
					"metadata": map[string]any{
						"labels":     map[string]string{"a": "b"},
						"finalizers": []string{"example.com/wait"},
					}})
			if err != nil {
				t.Errorf("it cannot be labelled: %v", err)
			}
			_, err = s.kube.Do(http.MethodDelete, policiesPath+"/early",
				"", nil)
			if err != nil {
				t.Errorf("it cannot be deleted: %v", err)
			}
			_, err = s.kube.Do(http.MethodPatch, policiesPath+"/early",
				"application/merge-patch+json", map[string]any{
					"metadata": map[string]any{"finalizers": nil}})
			if err != nil {
				t.Errorf("its finalizer cannot be taken away: %v", err)
			}
		})
	t.Run("the first of a namespace is told what it ends",
		func(t *testing.T) {
			s.policy(t, "", "")
			// The server learns of a policy a moment after it was made.
			kubetest.Eventually(t, "it is told", func() bool {
				return strings.Contains(
					warned(t, imagePolicy("p", "name: r.io/*\npolicy: {}")),
					"ClusterImagePolicies (1) no longer count there")
			}, s.log.String)
		})
	t.Run("without the server every policy is taken", func(t *testing.T) {
		s.stop()
		if err := <-s.ended; err != nil {
			t.Errorf("the server ended with %v", err)
		}
		if text := warned(t, imagePolicy("p", "policy: {}")); text != "" {
			t.Errorf("it is told %s", text)
		}
	})
}
