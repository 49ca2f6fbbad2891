// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/policyreview"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/tool"
)

// linted is what was found in one file.
type linted struct {
	File     string                 `json:"file"`
	Policies int                    `json:"policies"`
	Findings []policyreview.Finding `json:"findings"`
}

// lintCommand prints what is wrong with files of policies, and fails if
// something can never work. A file that cannot be read is a mistake.
func lintCommand(args []string, out io.Writer) error {
	flags := newFlags("lint")
	format := flags.String("o", "text", "`format`: text or json")
	if err := parse(flags, args, out); err != nil {
		return err
	}
	if *format != "text" && *format != "json" {
		return usage("the format %q is none of text and json", *format)
	}
	if flags.NArg() == 0 {
		return usage("lint needs files of policies; - is the standard input")
	}
	var files []linted
	for _, path := range flags.Args() {
		file, err := lintFile(path)
		if err != nil {
			return usageError{err}
		}
		files = append(files, file)
	}
	if err := writeLinted(out, *format, files); err != nil {
		return err
	}
	return verdict(files)
}

func lintFile(path string) (found linted, err error) {
	file := os.Stdin
	if path != "-" {
		if file, err = os.Open(path); err != nil {
			return found, fmt.Errorf("cannot read the file: %w", err)
		}
		defer func() { err = errors.Join(err, file.Close()) }()
	}
	policies, findings, err := tool.Lint(file)
	if err != nil {
		return found, fmt.Errorf("cannot read %s: %w", path, err)
	}
	if policies == 0 && len(findings) == 0 {
		return found, fmt.Errorf("%s holds no ImagePolicy and no "+
			"ClusterImagePolicy", path)
	}
	// An empty list is [] in JSON, not null.
	return linted{path, policies,
		append([]policyreview.Finding{}, findings...)}, nil
}

func writeLinted(out io.Writer, format string, files []linted) error {
	if format == "json" {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		return encoder.Encode(files)
	}
	text := ""
	for _, file := range files {
		for _, finding := range file.Findings {
			text += file.File + ": " + finding.String() + "\n"
		}
		if len(file.Findings) == 0 {
			text += fmt.Sprintf("%s: %s, nothing to say\n",
				file.File, tool.Counted(file.Policies, "policy"))
		}
	}
	return write(out, text)
}

// verdict is an error if something can never work.
func verdict(files []linted) error {
	failures := 0
	for _, file := range files {
		for _, finding := range file.Findings {
			if finding.Error {
				failures++
			}
		}
	}
	if failures > 0 {
		return fmt.Errorf("%s found", tool.Counted(failures, "error"))
	}
	return nil
}
