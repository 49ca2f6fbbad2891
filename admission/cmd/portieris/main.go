// SPDX-License-Identifier: Apache-2.0

// Command portieris is the admission server: it admits the images that the
// policies of a cluster trust. Without a command it serves; the other commands
// help whoever writes the policies.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	// The image holds the server and nothing else, so the public certificate
	// authorities come with the server. Those of a system count before them.
	_ "golang.org/x/crypto/x509roots/fallback"
)

// version is set by the linker.
var version = "development"

// Exit statuses.
const (
	exitFailure = 1
	exitUsage   = 2
)

// usageError is a mistake in how the program was called or set up.
type usageError struct{ error }

func usage(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

// command is one thing the program can do.
type command struct {
	name string
	does string
	run  func(args []string, out io.Writer) error
}

func commands() []command {
	return []command{
		{"serve", "answer the API server's admission reviews (the default)",
			serveCommand},
		{"explain", "say what admission does with an image, and why",
			explainCommand},
		{"rehearse", "judge every running pod before policies are enforced",
			rehearseCommand},
		{"lint", "say what is wrong with files of policies", lintCommand},
		{"doctor", "say whether the server is served, trusted and asked",
			doctorCommand},
		{"reasons", "print every reason for a denial and its cure",
			reasonsCommand},
		{"version", "print the version", versionCommand},
	}
}

func main() {
	err := run(os.Args[1:], os.Stdout)
	if err == nil {
		return
	}
	fmt.Fprintf(os.Stderr, "portieris: %v\n", err)
	var mistake usageError
	if errors.As(err, &mistake) {
		os.Exit(exitUsage)
	}
	os.Exit(exitFailure)
}

// run does what the arguments ask for.
func run(args []string, out io.Writer) error {
	err := dispatch(args, out)
	if errors.Is(err, flag.ErrHelp) {
		return nil // it was printed
	}
	return err
}

// dispatch finds the command. None, and arguments that begin with a flag, mean
// to serve, as they do for IBM's image.
func dispatch(args []string, out io.Writer) error {
	if len(args) == 0 || strings.HasPrefix(args[0], "-") {
		switch strings.TrimLeft(strings.Join(args, " "), "-") {
		case "help", "h":
			return help(out)
		case "version":
			return versionCommand(nil, out)
		}
		return serveCommand(args, out)
	}
	if args[0] == "help" {
		return help(out)
	}
	for _, command := range commands() {
		if command.name == args[0] {
			return command.run(args[1:], out)
		}
	}
	return usage("there is no command %q; portieris help lists them", args[0])
}

func help(out io.Writer) error {
	text := "portieris [COMMAND] [FLAGS]; " +
		"portieris COMMAND -h lists the flags of a command\n\n"
	for _, command := range commands() {
		text += fmt.Sprintf("  %-10s%s\n", command.name, command.does)
	}
	_, err := io.WriteString(out, text)
	return err
}

func versionCommand(_ []string, out io.Writer) error {
	_, err := fmt.Fprintln(out, "portieris", version)
	return err
}
