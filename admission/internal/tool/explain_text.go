// SPDX-License-Identifier: Apache-2.0

package tool

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/policy"
)

// Text writes the explanation for people.
func (e Explanation) Text(out io.Writer) error {
	var b strings.Builder
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-14s%s\n", name, fmt.Sprintf(format, args...))
	}
	verdict := strings.ToUpper(string(e.Result))
	if e.Reason != nil {
		verdict += " [" + string(e.Reason.Code) + "]"
	}
	row("Verdict", "%s", verdict)
	row("Image", "%s", plain(e.Image))
	if e.Name != "" && !strings.HasPrefix(e.Image, e.Name) {
		row("Full name", "%s", e.Name)
	}
	row("For", "ServiceAccount %q in the namespace %q",
		e.ServiceAccount, e.Namespace)
	e.judgement(row)
	e.questions(row)
	switch {
	case e.Replacement != "":
		row("Replaced by", "%s", e.Replacement)
	case e.Result != Denied:
		row("Replaced by", "nothing: the image stays as it is written")
	}
	if e.Reason != nil {
		row("Reason", "%s", e.Reason.Sentence)
		row("Cure", "%s", e.Reason.Cure)
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// judgement tells which entry judged the image, and of the others.
func (e Explanation) judgement(row func(string, string, ...any)) {
	if e.Result == Exempt {
		row("Judged by", "nobody: everything is admitted in this namespace")
		return
	}
	unmatched := 0
	for _, one := range e.Candidates {
		switch one.Standing {
		case policy.Chosen:
			row("Judged by", "%s, entry %q: %s", one.Policy, one.Entry, one.Why)
		case policy.Unmatched:
			unmatched++
		}
	}
	if e.Policy == "" {
		row("Judged by", "no entry")
	}
	if e.Mode != "" {
		row("Mode", "%s", e.Mode)
	}
	for _, want := range e.Asks {
		row("It asks for", "%s", want)
	}
	if e.Policy != "" && len(e.Asks) == 0 {
		row("It asks for", "nothing")
	}
	e.losers(row)
	if unmatched > 0 {
		row("No match", "%d of %d entries; -o json lists them",
			unmatched, len(e.Candidates))
	}
}

// losers tells of entries that might be taken for the chosen one, but not of
// hundreds of them.
func (e Explanation) losers(row func(string, string, ...any)) {
	const most = 5
	lost := 0
	for _, one := range e.Candidates {
		if one.Standing != policy.Outranked &&
			one.Standing != policy.Overruled {
			continue
		}
		if lost++; lost <= most {
			row("Not judged by", "%s, entry %q: %s",
				one.Policy, one.Entry, one.Why)
		}
	}
	if lost > most {
		row("Not judged by", "%d more; -o json lists them", lost-most)
	}
}

// questions tells what was asked, or would have been.
func (e Explanation) questions(row func(string, string, ...any)) {
	name := "Asked"
	if e.Result == Unverified {
		name = "Not asked"
	}
	for _, one := range e.Asked {
		what := fmt.Sprintf("%s %s, named by %s, for %s",
			one.What, one.Address, one.NamedBy, one.About)
		if len(one.Signers) > 0 {
			what += ", signed by " + strings.Join(one.Signers, " and ")
		}
		if one.Store != "" {
			what += ", signatures in " + one.Store
		}
		row(name, "%s", what)
		if len(one.Credentials) == 0 {
			row("Credentials", "none")
		} else {
			row("Credentials", "%s", strings.Join(one.Credentials, ", "))
		}
		if one.Digest != "" {
			row("Answer", "%s", one.Digest)
		}
	}
}

// plain is a text as it is, or in quotes if it would do something else to a
// terminal than stand there.
func plain(text string) string {
	quoted := strconv.Quote(text)
	if quoted == `"`+text+`"` {
		return text
	}
	return quoted
}
