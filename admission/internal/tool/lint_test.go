// SPDX-License-Identifier: Apache-2.0

package tool

import (
	"path/filepath"
	"strings"
	"testing"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/kubetest"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/policyreview"
)

// aPolicy is a policy whose one entry is written as given.
func aPolicy(entry string) string {
	return `apiVersion: portieris.cloud.ibm.com/v1
kind: ImagePolicy
metadata:
  name: p
spec:
  repositories:
  - ` + strings.ReplaceAll(strings.TrimSpace(entry), "\n", "\n    ") + "\n"
}

func linted(t *testing.T, file string) (int, []policyreview.Finding) {
	t.Helper()
	policies, findings, err := Lint(strings.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	return policies, findings
}

func TestAFileOfAPolicyThatSaysWhatItMeansIsLeftInPeace(t *testing.T) {
	policies, findings := linted(t, aPolicy("name: r:9001/*\npolicy: {}"))
	if policies != 1 || findings != nil {
		t.Errorf("%d policies, findings %v", policies, findings)
	}
}

func TestPoliciesInAListAreReadToo(t *testing.T) {
	indented := func(policy string) string {
		return "- " + strings.ReplaceAll(strings.TrimSpace(policy), "\n", "\n  ")
	}
	list := "apiVersion: v1\nkind: List\nitems:\n" +
		indented(aPolicy("name: r.io/*\npolicy: {}")) + "\n" +
		indented("apiVersion: v1\nkind: ConfigMap") + "\n" +
		indented(aPolicy("name: r.io/*\npolicy:\n  trust:\n    enabled: maybe"))
	policies, findings := linted(t, list)
	if policies != 2 || len(findings) != 1 || !strings.HasPrefix(
		findings[0].String(), "error: document 1, item 3: cannot unmarshal") {
		t.Errorf("%d policies, findings %v", policies, findings)
	}
	policies, findings = linted(t, list+"\n  kind: ImagePolicy")
	if policies != 2 || len(findings) != 2 || !strings.Contains(
		findings[1].String(), `key "kind" already set`) {
		t.Errorf("with a field twice: %d policies, findings %v",
			policies, findings)
	}
}

func TestWhatNoPolicyCanSayIsAnErrorInAFile(t *testing.T) {
	for name, row := range map[string]struct{ file, want string }{
		"a rule at the wrong level": {
			aPolicy("name: r.io/*\npolicy: {}\ntrust:\n  enabled: true"),
			`error: ImagePolicy "p": unknown field ` +
				`"spec.repositories[0].trust"; it belongs below policy`},
		"a value of another type": {
			aPolicy("name: r.io/*\npolicy:\n  trust:\n    enabled: maybe"),
			"error: document 1: cannot unmarshal string"},
		"a field twice": {
			aPolicy("name: r.io/*\npolicy: {}") + "spec: {}\n",
			`error: document 1: line 9: key "spec" already set in map`},
	} {
		t.Run(name, func(t *testing.T) {
			_, findings := linted(t, row.file)
			if len(findings) != 1 || !strings.HasPrefix(
				findings[0].String(), row.want) {
				t.Errorf("findings %v, want %q", findings, row.want)
			}
		})
	}
}

func TestEveryDocumentIsReadAndOthersArePassedOver(t *testing.T) {
	policies, findings := linted(t, strings.Join([]string{
		"# nothing", aPolicy("name: r.io/*\npolicy: {}"),
		"kind: Pod\nspec: {}",
		aPolicy("name: https://r.io/*\npolicy: {}"), "a: b: c",
	}, "\n---\n"))
	if policies != 2 || len(findings) != 2 ||
		!strings.Contains(findings[1].Sentence, "no YAML") {
		t.Errorf("%d policies, findings %v", policies, findings)
	}
}

func TestThePoliciesOfTheChartAreLeftInPeace(t *testing.T) {
	scenarios, err := filepath.Glob(filepath.Join(
		kubetest.Chart(), "ci", "*-values.yaml"))
	if err != nil || len(scenarios) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	all := 0
	for _, values := range scenarios {
		policies, findings := linted(t,
			kubetest.Rendered(t, "--values", values))
		all += policies
		if findings != nil {
			t.Errorf("%s is told %v", filepath.Base(values), findings)
		}
	}
	if all == 0 {
		t.Error("no scenario has a policy")
	}
}
