// SPDX-License-Identifier: Apache-2.0

package tool

import (
	"strings"
	"testing"
)

// policy is a policy whose one entry is written as given.
func policy(entry string) string {
	return `apiVersion: portieris.cloud.ibm.com/v1
kind: ImagePolicy
metadata:
  name: p
spec:
  repositories:
  - ` + strings.ReplaceAll(strings.TrimSpace(entry), "\n", "\n    ") + "\n"
}

func linted(t *testing.T, file string) (int, []Finding) {
	t.Helper()
	policies, findings, err := Lint(strings.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	return policies, findings
}

func TestAPolicyThatSaysWhatItMeansIsLeftInPeace(t *testing.T) {
	for name, entry := range map[string]string{
		"trust": `name: r:9001/team/*
policy:
  trust:
    enabled: true
    trustServer: https://notary:4443/
    signerSecrets:
    - name: alice
  mutateImage: false
mode: warn`,
		"everything":       `name: "*"`,
		"any registry":     `name: "*/team/app"`,
		"an absent policy": "name: r/*\npolicy:",
		"reject": `name: r/*
policy:
  simple:
    requirements:
    - type: reject`,
	} {
		t.Run(name, func(t *testing.T) {
			policies, findings := linted(t, policy(entry))
			if policies != 1 || findings != nil {
				t.Errorf("%d policies, findings %v", policies, findings)
			}
		})
	}
}

func TestAMistakeInAnEntryIsNamed(t *testing.T) {
	for name, row := range map[string]struct {
		entry   string
		isError bool
		want    string
	}{
		"a rule at the wrong level": {
			"name: r/*\ntrust:\n  enabled: true", true,
			`unknown field "spec.repositories[0].trust"`},
		"an old rule": {
			"name: r/*\npolicy:\n  va:\n    enabled: true", true,
			`unknown field "spec.repositories[0].policy.va"`},
		"a value of another type": {
			"name: r/*\npolicy:\n  trust:\n    enabled: maybe", true,
			"cannot unmarshal string"},
		"no name":                {"policy: {}", true, "has no name"},
		"a blank":                {`name: "r/a b"`, true, "has a blank"},
		"a scheme":               {"name: https://r/*", true, "begins with a scheme"},
		"a slash at the end":     {"name: r/", true, "ends with a slash"},
		"a star without a slash": {`name: "*trusted*"`, false, "no slash"},
		"a star in the host":     {`name: "r*/app"`, false, "strangers"},
		"an unknown mode":        {"name: r/*\nmode: ask", true, `"ask"`},
		"trust not enabled": {
			"name: r/*\npolicy:\n  trust:\n    trustServer: https://n",
			false, "not enabled"},
		"a trust server without a scheme": {
			"name: r/*\npolicy:\n  trust:\n    enabled: true\n" +
				"    trustServer: notary:4443", true, "https://host"},
		"a signer without a name": {
			"name: r/*\npolicy:\n  trust:\n    enabled: true\n" +
				"    signerSecrets:\n    - {}", true,
			"signerSecrets[0] has no name"},
		"a requirement nobody knows": {
			"name: r/*\npolicy:\n  simple:\n    requirements:\n" +
				"    - type: magic", true, `"magic"`},
		"a vulnerability verdict": {
			"name: r/*\npolicy:\n  vulnerability:\n    ICCRVA:\n" +
				"      enabled: true", false, "ICCRVA"},
	} {
		t.Run(name, func(t *testing.T) {
			_, findings := linted(t, policy(row.entry))
			if len(findings) != 1 || findings[0].Error != row.isError ||
				!strings.Contains(findings[0].Sentence, row.want) {
				t.Errorf("findings %v, want one, error %v, that says %q",
					findings, row.isError, row.want)
			}
		})
	}
}

func TestAMistakeInAPolicyIsNamed(t *testing.T) {
	for name, row := range map[string]struct {
		file string
		want string
	}{
		"no repositories": {"spec: {}", "error: ImagePolicy \"p\": it has " +
			"no spec.repositories, so it denies every image"},
		"no spec": {"", "no spec.repositories"},
		"an empty list": {"spec:\n  repositories: []",
			"warning: ImagePolicy \"p\": its spec.repositories is empty"},
		"a name twice": {"spec:\n  repositories:\n  - name: r/*\n" +
			"  - name: r/*", "repositories[1]: its name \"r/*\" stands above"},
		"a field twice": {"spec:\n  repositories: []\nspec: {}",
			`"spec" already set`},
	} {
		t.Run(name, func(t *testing.T) {
			_, findings := linted(t, `apiVersion: portieris.cloud.ibm.com/v1
kind: ImagePolicy
metadata:
  name: p
`+row.file+"\n")
			if len(findings) != 1 ||
				!strings.Contains(findings[0].String(), row.want) {
				t.Errorf("findings %v, want one that says %q",
					findings, row.want)
			}
		})
	}
}

func TestAPolicyOfAnotherVersionOrWithoutANameIsNamed(t *testing.T) {
	_, findings := linted(t, `
apiVersion: securityenforcement.admission.cloud.ibm.com/v1beta1
kind: ClusterImagePolicy
spec:
  repositories:
  - name: "*"
`)
	if len(findings) != 2 || !findings[0].Error || !findings[1].Error {
		t.Errorf("findings %v, want the apiVersion and the name", findings)
	}
}

func TestEveryDocumentIsReadAndOthersArePassedOver(t *testing.T) {
	policies, findings := linted(t, strings.Join([]string{
		"# nothing", policy("name: r/*"), "kind: Pod\nspec: {}",
		policy("name: https://r/*"), "a: b: c",
	}, "\n---\n"))
	if policies != 2 || len(findings) != 2 ||
		!strings.Contains(findings[1].Sentence, "no YAML") {
		t.Errorf("%d policies, findings %v", policies, findings)
	}
}
