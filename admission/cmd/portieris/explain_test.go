// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/notarytest"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/policy"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/tool"
)

// alone is a program without a cluster, with one file of policies.
func alone(t *testing.T, server string) (file string) {
	t.Helper()
	for _, name := range []string{"KUBECONFIG", "KUBERNETES_SERVICE_HOST",
		"PORTIERIS_EXEMPT_NAMESPACES", "PORTIERIS_NAMESPACE"} {
		t.Setenv(name, "")
	}
	directory := t.TempDir()
	put(t, directory, "policies.yaml", []byte(fmt.Sprintf(`
apiVersion: portieris.cloud.ibm.com/v1
kind: ClusterImagePolicy
metadata: {name: all}
spec:
  repositories:
  - {name: docker.io/*}
  - name: registry.local:9001/*
    policy: {trust: {enabled: true, trustServer: "%s"}}
`, server)))
	return filepath.Join(directory, "policies.yaml")
}

// status is what the program ends with.
func status(err error) int {
	var mistake usageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &mistake):
		return exitUsage
	default:
		return exitFailure
	}
}

func TestAMistakeInAQuestionIsNotTakenForADenial(t *testing.T) {
	file := alone(t, "https://notary:4443")
	directory := filepath.Dir(file)
	put(t, directory, "pod.yaml", []byte("apiVersion: v1\nkind: Pod\n"))
	put(t, directory, "bad.yaml", []byte("a: b: c"))
	put(t, directory, "ca.pem", []byte("garbage"))
	for _, row := range []struct {
		args string
		want string
	}{
		{"explain", "explain needs one image"},
		{"explain a b --no-verify", `it got ["a" "b"]`},
		{"explain a", "no Kubernetes API is known"},
		{"explain a", "give files by --policies"},
		{"explain a --kubeconfig /nonexistent", `kubeconfig "/nonexistent"`},
		{"explain a --polices x", "portieris explain -h lists the flags"},
		{"explain a -o yaml", `"yaml" is none of text and json`},
		{"explain a --policies /nonexistent", "cannot read the file"},
		{"explain a --policies", "--policies needs a file"},
		{"rehearse --policies -o json", "--policies needs a file"},
		{"explain a --policies " + directory + "/pod.yaml",
			"there is no ImagePolicy and no ClusterImagePolicy in"},
		{"explain a --policies " + directory + "/bad.yaml",
			"cannot use " + directory + "/bad.yaml: document 1: "},
		{"explain a --policies " + file + " --ca-file " + directory +
			"/ca.pem", "cannot use the certificate authorities of"},
		{"explain a --policies " + file + " --ca-file /nonexistent",
			"cannot read the file"},
		{"rehearse now", `rehearse takes flags only, not "now"`},
		{"rehearse -o xml", `"xml" is none of text, json and csv`},
		{"rehearse", "no Kubernetes API is known"},
		{"rehearse --policies " + file, "rehearse needs a cluster"},
	} {
		_, err := ran(strings.Fields(row.args)...)
		if status(err) != exitUsage || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s gives %v, want a mistake that says %q",
				row.args, err, row.want)
		}
	}
}

func TestTheCommandsListTheirFlags(t *testing.T) {
	for command, want := range map[string]string{
		"explain":  "portieris explain IMAGE [FLAGS]",
		"rehearse": "portieris rehearse [FLAGS]",
	} {
		out, err := ran(command, "-h")
		if err != nil || !strings.Contains(out, want) ||
			!strings.Contains(out, "-policies files") {
			t.Errorf("%s -h prints %s, %v", command, out, err)
		}
	}
}

func TestExplainNeedsNoClusterIfFilesHoldThePolicies(t *testing.T) {
	file := alone(t, "https://notary:4443")
	for _, row := range []struct {
		args   string
		status int
		want   string
	}{
		{"nginx --policies FILE", 0, "ADMITTED"},
		{"--policies=FILE nginx", 0, "ADMITTED"},
		{"nginx --policies FILE FILE -o text", 0, "ADMITTED"},
		{"icr.io/app --policies FILE", 1, "DENIED [NO-MATCHING-POLICY]"},
		{"registry.local:9001/app --no-verify --policies FILE", 0,
			"UNVERIFIED"},
		{"registry.local:9001/app -verify=false -policies FILE", 0,
			"named by the entry, for registry.local:9001/app"},
		{"icr.io/app --policies FILE --namespace portieris", 0, "EXEMPT"},
		{"icr.io/app --policies FILE --namespace a " +
			"--exempt-namespaces a,b", 0, "EXEMPT"},
	} {
		out, err := ran(append([]string{"explain"}, strings.Fields(
			strings.ReplaceAll(row.args, "FILE", file))...)...)
		if status(err) != row.status || !strings.Contains(out, row.want) {
			t.Errorf("%s ends with %d, %v:\n%s\nwant %d and %q", row.args,
				status(err), err, out, row.status, row.want)
		}
	}
}

func TestExplainReadsPoliciesFromTheStandardInput(t *testing.T) {
	file, err := os.Open(alone(t, "https://notary:4443"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	before := os.Stdin
	os.Stdin = file
	defer func() { os.Stdin = before }()
	out, err := ran("explain", "nginx", "--policies", "-")
	if err != nil || !strings.Contains(out, "ADMITTED") {
		t.Errorf("it prints %s, %v", out, err)
	}
}

func TestExplainVerifiesWithoutAClusterToo(t *testing.T) {
	notary := notarytest.StartOpen(t, notarytest.NewAuthority(t))
	notary.Signer(t, gun).Init().Sign("v1", digest)
	file := alone(t, notary.URL)
	put(t, filepath.Dir(file), "ca.pem", notary.PEM)
	ask := func(image string) (tool.Explanation, error) {
		out, err := ran("explain", image, "--policies", file,
			"--ca-file", filepath.Join(filepath.Dir(file), "ca.pem"),
			"-o", "json")
		var told tool.Explanation
		if err := json.Unmarshal([]byte(out), &told); err != nil {
			t.Fatalf("%v in %s", err, out)
		}
		return told, err
	}
	got, err := ask(gun + ":v1")
	if err != nil || got.Result != tool.Admitted || got.Digest != digest {
		t.Errorf("the signed image is %+v, %v", got, err)
	}
	got, err = ask(gun + ":v2")
	if status(err) != exitFailure || got.Result != tool.Denied ||
		got.Reason.Code != "NOT-SIGNED" {
		t.Errorf("the unsigned image is %+v, %v", got, err)
	}
}

// asks runs a command with the rights of the admission server.
func (s *site) asks(t *testing.T, out any, args ...string) error {
	t.Helper()
	printed, err := ran(append(args, "-o", "json", "--kubeconfig",
		filepath.Join(s.directory, "kubeconfig"), "--ca-file",
		filepath.Join(s.directory, "ca.pem"))...)
	if jsonErr := json.Unmarshal([]byte(printed), out); jsonErr != nil {
		t.Fatalf("%v: %v in %s", args, jsonErr, printed)
	}
	return err
}

func (s *site) explains(t *testing.T, image string, args ...string) (
	tool.Explanation, error) {
	t.Helper()
	var told tool.Explanation
	err := s.asks(t, &told, append([]string{"explain", image}, args...)...)
	return told, err
}

// What the commands say is what the admission server beside them does, with
// no more rights than it has.
func TestTheCommandsSayWhatAdmissionDoes(t *testing.T) {
	t.Setenv("PORTIERIS_NAMESPACE", "portieris")
	t.Setenv("PORTIERIS_EXEMPT_NAMESPACES", "kube-system")
	s := build(t)
	// The server itself knows nothing of the label, the webhook does.
	s.kube.Create(t, `apiVersion: v1
kind: Namespace
metadata:
  name: skipped
  labels: {securityenforcement.admission.cloud.ibm.com/namespace: skip}
---
apiVersion: portieris.cloud.ibm.com/v1
kind: ImagePolicy
metadata: {name: open, namespace: skipped}
spec: {repositories: [{name: "*"}]}
`)
	s.becomes(t, pod("skipped", "kube/thing"), "kube/thing")
	for _, namespace := range []string{"kube-system", "skipped"} {
		s.kube.Create(t, named(pod(namespace, "kube/thing"), "exempt"))
	}
	s.notary.Signer(t, gun).Init().Sign("v1", digest)
	s.policy(t, "", "")
	s.becomes(t, pod("team", gun+":v1"), gun+"@"+digest)

	t.Run("explain and admission agree", func(t *testing.T) {
		for _, image := range []string{gun + ":v1", gun + ":v2",
			gun + "@" + digest, "nginx", gun + "/none:v1"} {
			admitted, denial := s.admitted(pod("team", image), "dryRun", "All")
			told, err := s.explains(t, image, "--namespace", "team",
				"--pull-secret", "pull")
			if denial == nil {
				if told.Replacement == "" {
					told.Replacement = image
				}
				if err != nil || told.Replacement != admitted {
					t.Errorf("%s is admitted as %s, and explained %+v, %v",
						image, admitted, told, err)
				}
				continue
			}
			if status(err) != exitFailure || told.Result != tool.Denied ||
				!strings.Contains(denial.Error(), told.Reason.Sentence) ||
				!strings.HasSuffix(denial.Error(),
					"["+string(told.Reason.Code)+"]") {
				t.Errorf("%s is denied by %v, and explained %+v, %v",
					image, denial, told, err)
			}
		}
	})
	t.Run("credentials are named, not shown", func(t *testing.T) {
		told, _ := s.explains(t, gun+":v1", "--namespace", "team",
			"--pull-secret", "pull")
		if len(told.Asked) != 1 || len(told.Asked[0].Credentials) != 1 ||
			told.Asked[0].Credentials[0] != "secret team/pull" {
			t.Errorf("asked %+v", told.Asked)
		}
		encoded, err := json.Marshal(told)
		if err != nil || bytes.Contains(encoded,
			[]byte(notarytest.Password)) {
			t.Errorf("the password stands in %s, %v", encoded, err)
		}
	})
	t.Run("an exempt namespace is named as such", func(t *testing.T) {
		for _, namespace := range []string{"kube-system", "skipped"} {
			told, err := s.explains(t, gun+":v2", "--namespace", namespace)
			if err != nil || told.Result != tool.Exempt {
				t.Errorf("%s: %+v, %v", namespace, told, err)
			}
		}
	})
	t.Run("an overruled policy of the cluster is named", func(t *testing.T) {
		s.kube.Create(t, `apiVersion: v1
kind: Namespace
metadata: {name: own}
---
apiVersion: portieris.cloud.ibm.com/v1
kind: ImagePolicy
metadata: {name: own, namespace: own}
spec: {repositories: [{name: "*"}]}
`)
		// explain reads the policies anew, the server learns of them.
		s.becomes(t, pod("own", gun+":v2"), gun+":v2")
		told, err := s.explains(t, gun+":v2", "--namespace", "own")
		if err != nil || told.Result != tool.Admitted ||
			len(told.Candidates) != 2 ||
			told.Candidates[1].Standing != policy.Overruled {
			t.Errorf("explained %+v, %v", told, err)
		}
	})
	s.rehearsals(t)
	t.Run("nothing of it was written", func(t *testing.T) {
		if pins := s.pins(t); strings.Contains(pins, "rootKeyIDs") {
			t.Errorf("the pins are %s", pins)
		}
	})
}

func named(pod, name string) string {
	return strings.Replace(pod, "generateName: p-", "name: "+name, 1)
}

func (s *site) rehearsals(t *testing.T) {
	rehearse := func(args ...string) (tool.Rehearsal, error) {
		var report tool.Rehearsal
		err := s.asks(t, &report, append([]string{"rehearse"}, args...)...)
		return report, err
	}
	s.kube.Create(t, named(pod("own", gun+":v2"), "unsigned"))
	s.kube.Create(t, named(pod("own", gun+"@"+digest), "signed"))
	s.kube.Create(t, named(pod("own", gun+":v9"), "ended"))
	if _, err := s.kube.Do("PATCH",
		"/api/v1/namespaces/own/pods/ended/status",
		"application/merge-patch+json", map[string]any{
			"status": map[string]string{"phase": "Succeeded"}}); err != nil {
		t.Fatal(err)
	}
	t.Run("nothing is denied of what runs by the live policies",
		func(t *testing.T) {
			report, err := rehearse()
			if err != nil || report.Pods != 2 || report.ExemptPods != 2 ||
				report.Admitted != 2 || report.Denied != 0 {
				t.Errorf("rehearsed %+v, %v", report, err)
			}
		})
	t.Run("a file shows what it would deny before it is applied",
		func(t *testing.T) {
			put(t, s.directory, "new.yaml", []byte(fmt.Sprintf(`
apiVersion: portieris.cloud.ibm.com/v1
kind: ImagePolicy
metadata: {name: own}
spec:
  repositories:
  - name: registry.local:9001/*
    policy: {trust: {enabled: true, trustServer: "%s"}}
`, s.notary.URL)))
			s.kube.Create(t, strings.ReplaceAll(pullSecret(notarytest.Password), "team", "own"))
			report, err := rehearse("--namespace", "own", "--policies",
				filepath.Join(s.directory, "new.yaml"))
			if status(err) != exitFailure || report.Denied != 1 ||
				report.Admitted != 1 || len(report.Rows) != 2 ||
				report.Rows[0].Image != gun+":v2" ||
				report.Rows[0].Reason.Code != "NOT-SIGNED" {
				t.Errorf("rehearsed %+v, %v", report, err)
			}
		})
}
