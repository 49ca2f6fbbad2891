// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/certtest"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/reason"
)

// ran is the output of the program and its error.
func ran(args ...string) (string, error) {
	var out bytes.Buffer
	err := run(args, &out)
	return out.String(), err
}

func TestAMistakeInTheArgumentsGetsASentence(t *testing.T) {
	for _, row := range []struct {
		args []string
		want string
	}{
		{[]string{"sevre"}, `there is no command "sevre"`},
		{[]string{"serve", "now"}, `serve takes flags only, not "now"`},
		{[]string{"--lissen", ":1"}, "flag provided but not defined"},
		{[]string{"--trust-freshness", "2m"}, "not between 0s and 1m0s"},
		{[]string{"--trust-freshness", "-1s"}, "not between 0s and 1m0s"},
		{[]string{"--trust-staleness", "25h"}, "not between 0s and 24h0m0s"},
		{[]string{"--trust-staleness", "-1s"}, "not between 0s and 24h0m0s"},
		{[]string{"--log-level", "loud"}, `log level "loud"`},
		{[]string{"--cert-dir", "/nonexistent"},
			"cannot read /nonexistent/tls.crt: no such file or directory"},
		{[]string{"reasons", "-o", "xml"}, "none of text, json and rst"},
		{[]string{"lint"}, "lint needs files"},
		{[]string{"lint", "-x"}, "portieris lint -h lists the flags"},
		{[]string{"reasons", "-x"}, "portieris reasons -h lists the flags"},
		{[]string{"doctor", "-x"}, "portieris doctor -h lists the flags"},
		{[]string{"explain", "-x"}, "portieris explain -h lists the flags"},
		{[]string{"lint", "-o", "xml", "-"}, "none of text and json"},
	} {
		out, err := ran(row.args...)
		if out != "" || status(err) != exitUsage ||
			!strings.Contains(err.Error(), row.want) {
			t.Errorf("%q prints %q and gives %v, want a mistake that says %q",
				row.args, out, err, row.want)
		}
	}
}

func TestIBMsArgumentsAreAccepted(t *testing.T) {
	for _, args := range [][]string{
		{"-logtostderr"},
		{"--alsologtostderr", "-v=4", "2>&1"},
		{"-stderrthreshold", "INFO", "-vmodule=a=1", "-log_dir=/tmp"},
	} {
		if _, err := parseSettings(args, io.Discard); err != nil {
			t.Errorf("%q gives %v", args, err)
		}
	}
}

func TestSettingsComeFromTheEnvironmentUnlessAFlagSaysOtherwise(
	t *testing.T) {
	t.Setenv("PORTIERIS_NAMESPACE", "own")
	t.Setenv("PORTIERIS_EXEMPT_NAMESPACES", "a, b,")
	t.Setenv("PORTIERIS_TRUST_FRESHNESS", "3s")
	t.Setenv("PORTIERIS_TRUST_STALENESS", "2h")
	t.Setenv("PORTIERIS_LOG_LEVEL", "debug")
	got, err := parseSettings([]string{"--log-level", "warn"}, io.Discard)
	if err != nil || got.namespace != "own" || got.logLevel != "warn" ||
		got.freshness != 3*time.Second || got.staleness != 2*time.Hour {
		t.Errorf("settings %+v, %v", got, err)
	}
	exempt := got.exempts()
	for namespace, want := range map[string]bool{
		"a": true, "b": true, "own": true, "": false, "c": false,
	} {
		if exempt(namespace) != want {
			t.Errorf("%q is exempt: %v", namespace, !want)
		}
	}
	t.Setenv("PORTIERIS_TRUST_FRESHNESS", "soon")
	if _, err := parseSettings(nil, io.Discard); err == nil ||
		!strings.Contains(err.Error(), `"soon"`) {
		t.Errorf("the duration \"soon\" gives %v", err)
	}
	t.Setenv("PORTIERIS_TRUST_FRESHNESS", "")
	t.Setenv("PORTIERIS_TRUST_STALENESS", "")
	if got, err := parseSettings(nil, io.Discard); err != nil || got.staleness != 0 {
		t.Errorf("without a limit the staleness is %s, %v", got.staleness, err)
	}
}

func TestHelpAndVersionGoToTheOutput(t *testing.T) {
	for _, row := range [][2]string{
		{"help", "serve"}, {"-h", "lint"}, {"--help", "reasons"},
		{"version", "portieris development"},
		{"--version", "portieris development"},
		{"serve -h", "-trust-freshness"}, {"lint -h", "portieris lint"},
		{"reasons -h", "rst"},
	} {
		out, err := ran(strings.Fields(row[0])...)
		if err != nil || !strings.Contains(out, row[1]) {
			t.Errorf("%s prints %q, %v; want %q", row[0], out, err, row[1])
		}
	}
}

func TestReasonsPrintsEveryCode(t *testing.T) {
	for _, format := range []string{"text", "rst", "json"} {
		out, err := ran("reasons", "-o", format)
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range reason.Table() {
			if !strings.Contains(out, string(entry.Code)) {
				t.Errorf("%s lacks %s", format, entry.Code)
			}
		}
		if format == "json" {
			var table []reason.Entry
			if err := json.Unmarshal([]byte(out), &table); err != nil ||
				len(table) != len(reason.Table()) {
				t.Errorf("%d entries, %v", len(table), err)
			}
		}
	}
}

func TestTheReasonsPageHasAnAnchorForEachCode(t *testing.T) {
	out, err := ran("reasons", "-o", "rst")
	if err != nil || !strings.Contains(out,
		".. _not-signed:\n\nNOT-SIGNED\n----------\n\n") {
		t.Errorf("the page is %q, %v", out, err)
	}
}

func TestLintFailsIfAPolicyCanNeverWork(t *testing.T) {
	directory := t.TempDir()
	good := `{"apiVersion": "portieris.cloud.ibm.com/v1",
		"kind": "ClusterImagePolicy", "metadata": {"name": "a"},
		"spec": {"repositories": [{"name": "*", "policy": {}}]}}`
	put(t, directory, "good.yaml", []byte(good))
	put(t, directory, "odd.yaml",
		[]byte(strings.Replace(good, `"*"`, `"*odd*"`, 1)))
	put(t, directory, "bad.yaml",
		[]byte(strings.Replace(good, `"*"`, `"*", "trust": {}`, 1)))
	put(t, directory, "pod.yaml", []byte("kind: Pod\n"))
	for _, row := range []struct {
		file string
		out  string
		err  string
	}{
		{"good.yaml", "1 policy, nothing to say", ""},
		{"odd.yaml", "warning: ClusterImagePolicy", ""},
		{"bad.yaml", `unknown field "spec.repositories[0].trust"`,
			"1 error found"},
	} {
		out, err := ran("lint", filepath.Join(directory, row.file))
		if status(err) > exitFailure {
			t.Errorf("%s ends with status %d", row.file, status(err))
		}
		text := ""
		if err != nil {
			text = err.Error()
		}
		if !strings.Contains(out, row.out) ||
			!strings.Contains(text, row.err) || (row.err == "" && err != nil) {
			t.Errorf("%s prints %q, %v; want %q, %q",
				row.file, out, err, row.out, row.err)
		}
	}
}

func TestAFileThatLintCannotJudgeIsNoVerdict(t *testing.T) {
	directory := t.TempDir()
	put(t, directory, "pod.yaml", []byte("kind: Pod\n"))
	for file, want := range map[string]string{
		"pod.yaml":    "holds no ImagePolicy",
		"absent.yaml": "no such file",
	} {
		out, err := ran("lint", filepath.Join(directory, file))
		if out != "" || status(err) != exitUsage ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("%s prints %q, %v", file, out, err)
		}
	}
}

func TestLintPrintsItsFindingsForPrograms(t *testing.T) {
	directory := t.TempDir()
	put(t, directory, "p.yaml", []byte("{kind: ImagePolicy, metadata: "+
		"{name: p}, apiVersion: portieris.cloud.ibm.com/v1, spec: "+
		"{repositories: [{name: r.io/, policy: {}}]}}"))
	put(t, directory, "q.yaml", []byte("{kind: ImagePolicy, metadata: "+
		"{name: q}, apiVersion: portieris.cloud.ibm.com/v1, spec: "+
		"{repositories: [{name: r.io/*, policy: {}}]}}"))
	out, err := ran("lint", "-o", "json", filepath.Join(directory, "p.yaml"),
		filepath.Join(directory, "q.yaml"))
	var files []struct {
		File     string
		Policies int
		Findings []map[string]string
	}
	if problem := json.Unmarshal([]byte(out), &files); problem != nil {
		t.Fatalf("it prints %s: %v", out, problem)
	}
	if err == nil || len(files) != 2 || files[0].Policies != 1 ||
		len(files[0].Findings) != 1 || files[1].Findings == nil ||
		len(files[1].Findings) != 0 ||
		files[0].Findings[0]["severity"] != "error" ||
		files[0].Findings[0]["where"] !=
			`ImagePolicy "p", spec.repositories[0]` {
		t.Errorf("it prints %s, %v", out, err)
	}
}

func TestAPortThatIsTakenGetsASentence(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	address := taken.Addr().String()
	for _, s := range []settings{
		{listen: address, metricsListen: "127.0.0.1:0"},
		{listen: "127.0.0.1:0", metricsListen: address},
	} {
		_, _, err := listenBoth(s)
		if err == nil || err.Error() != "cannot listen on "+address+
			": another process listens there already" {
			t.Errorf("the error is %v", err)
		}
	}
}

func TestACertificateThatCannotBeUsedGetsASentence(t *testing.T) {
	directory := t.TempDir()
	put(t, directory, "tls.crt", []byte("garbage"))
	put(t, directory, "tls.key", []byte("garbage"))
	err := serveUntil(t.Context(), settings{certificateDir: directory},
		slog.New(slog.DiscardHandler))
	var mistake usageError
	if !errors.As(err, &mistake) ||
		!strings.Contains(err.Error(), "cannot use "+directory) {
		t.Errorf("the error is %v", err)
	}
}

func TestAKubeconfigThatCannotBeUsedGetsASentence(t *testing.T) {
	t.Setenv("KUBECONFIG", "/nonexistent/kubeconfig")
	directory := t.TempDir()
	chain, key := certtest.Pair(t, "first")
	put(t, directory, "tls.crt", chain)
	put(t, directory, "tls.key", key)
	err := serveUntil(t.Context(), settings{certificateDir: directory},
		slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(),
		`cannot use the kubeconfig "/nonexistent/kubeconfig"`) {
		t.Errorf("the error is %v", err)
	}
}
