// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/reason"
)

func reasonsCommand(args []string, out io.Writer) error {
	flags := newFlags("reasons")
	format := flags.String("o", "text", "`format`: text, json or rst")
	if err := parse(flags, args, out); err != nil {
		return err
	}
	table := reason.Table()
	switch *format {
	case "text":
		return write(out, text(table))
	case "rst":
		return write(out, rst(table))
	case "json":
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(table)
	default:
		return usage("the format %q is none of text, json and rst", *format)
	}
}

func write(out io.Writer, text string) error {
	_, err := io.WriteString(out, text)
	return err
}

func text(table []reason.Entry) string {
	var b strings.Builder
	for _, entry := range table {
		fmt.Fprintf(&b, "%s\n  %s\n  %s\n\n",
			entry.Code, entry.Meaning, entry.Cure)
	}
	return b.String()
}

// rst is the page of the documentation.
func rst(table []reason.Entry) string {
	var b strings.Builder
	for _, entry := range table {
		fmt.Fprintf(&b, ".. _%s:\n\n%s\n%s\n\n%s\n\n**Cure:** %s\n\n",
			strings.ToLower(string(entry.Code)), entry.Code,
			strings.Repeat("-", len(entry.Code)),
			escapeRST(entry.Meaning), escapeRST(entry.Cure))
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// escapeRST keeps stars and the like from meaning anything.
func escapeRST(text string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "`", "\\`", "_", `\_`,
		"|", `\|`).Replace(text)
}
