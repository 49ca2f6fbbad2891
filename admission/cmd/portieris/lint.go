// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/tool"
)

// lintCommand prints what is wrong with files of policies, and fails if
// something can never work.
func lintCommand(args []string, out io.Writer) error {
	flags := newFlags("lint", out)
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return usageError{err}
	}
	if flags.NArg() == 0 {
		return usage("lint needs files of policies; - is the standard input")
	}
	failures := 0
	for _, path := range flags.Args() {
		found, err := lintFile(path, out)
		if err != nil {
			return err
		}
		failures += found
	}
	if failures > 0 {
		return fmt.Errorf("%d errors found", failures)
	}
	return nil
}

func lintFile(path string, out io.Writer) (failures int, err error) {
	file := os.Stdin
	if path != "-" {
		if file, err = os.Open(path); err != nil {
			return 0, fmt.Errorf("cannot read the file: %w", err)
		}
		defer func() { err = errors.Join(err, file.Close()) }()
	}
	policies, findings, err := tool.Lint(file)
	if err != nil {
		return 0, fmt.Errorf("cannot read %s: %w", path, err)
	}
	for _, finding := range findings {
		if finding.Error {
			failures++
		}
		if err := write(out, path+": "+finding.String()+"\n"); err != nil {
			return failures, err
		}
	}
	if policies == 0 && failures == 0 {
		return 0, fmt.Errorf("%s holds no ImagePolicy and no "+
			"ClusterImagePolicy", path)
	}
	if len(findings) == 0 {
		return 0, write(out, fmt.Sprintf("%s: %d policies, nothing to say\n",
			path, policies))
	}
	return failures, nil
}
