// SPDX-License-Identifier: Apache-2.0

package tool

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// Text writes the report for people: what is denied or warned of with its
// cure, and the sums.
func (r Rehearsal) Text(out io.Writer) error {
	var b strings.Builder
	for _, row := range r.Rows {
		if row.Reason == nil {
			continue
		}
		fmt.Fprintf(&b, "%s %s [%s]\n  in %s of %s\n",
			strings.ToUpper(string(row.Result)), plain(row.Image), row.code(),
			Counted(row.Pods, "pod"), few(row.Namespaces))
		if row.Policy != "" {
			fmt.Fprintf(&b, "  by %s, entry %q\n", row.Policy, row.Entry)
		}
		fmt.Fprintf(&b, "  %s\n  %s\n\n", row.Reason.Sentence, row.Reason.Cure)
	}
	fmt.Fprintf(&b, "%s, %s: %d admitted, %d admitted with a warning, "+
		"%d denied\n", Counted(r.Pods, "pod"), Counted(r.Images, "image"),
		r.Admitted, r.Warned, r.Denied)
	if r.ExemptPods > 0 {
		fmt.Fprintf(&b, "not judged: %s in exempt namespaces\n",
			Counted(r.ExemptPods, "pod"))
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// CSV writes one line for each image and reason, those that are admitted
// included.
func (r Rehearsal) CSV(out io.Writer) error {
	writer := csv.NewWriter(out)
	lines := [][]string{{"image", "result", "reason", "pods", "namespaces",
		"policy", "entry", "sentence", "cure"}}
	for _, row := range r.Rows {
		line := []string{noFormula(plain(row.Image)), string(row.Result), row.code(),
			strconv.Itoa(row.Pods), strings.Join(row.Namespaces, " "),
			row.Policy, row.Entry, "", ""}
		if row.Reason != nil {
			line[7], line[8] = row.Reason.Sentence, row.Reason.Cure
		}
		lines = append(lines, line)
	}
	return writer.WriteAll(lines)
}

// noFormula keeps a spreadsheet from reckoning with what the author of a pod
// wrote: no image's name begins so.
func noFormula(text string) string {
	if strings.IndexAny(text, "=+-@") == 0 {
		return "'" + text
	}
	return text
}

// Counted is a number of things, in the singular if it is one.
func Counted(number int, noun string) string {
	if number != 1 {
		stem, ies := strings.CutSuffix(noun, "y")
		if noun += "s"; ies {
			noun = stem + "ies"
		}
	}
	return fmt.Sprintf("%d %s", number, noun)
}

// few names the namespaces, but not hundreds of them.
func few(namespaces []string) string {
	const most = 5
	text := Counted(len(namespaces), "namespace")
	if len(namespaces) > most {
		return text + ": " + strings.Join(namespaces[:most], ", ") + ", ..."
	}
	return text + ": " + strings.Join(namespaces, ", ")
}

// Progress shows how far a long work is: a bar that is drawn anew on a
// terminal, else a line at every tenth. A check is one image with everything
// that counts for it: namespace and credentials.
type Progress struct {
	Out      io.Writer
	Terminal bool
	shown    int
	drawn    time.Time
}

// At tells that done of total are done.
func (p *Progress) At(done, total int) {
	if !p.Terminal {
		if tenth := done * 10 / total; tenth > p.shown || done == total {
			p.shown = tenth
			_, _ = fmt.Fprintf(p.Out, "%d of %d checks done\n", done, total)
		}
		return
	}
	const width = 40
	const pause = 50 * time.Millisecond
	now := time.Now()
	if done < total && now.Sub(p.drawn) < pause {
		return
	}
	p.drawn = now
	full := done * width / total
	_, _ = fmt.Fprintf(p.Out, "\r[%s%s] %d of %d checks",
		strings.Repeat("#", full), strings.Repeat(".", width-full),
		done, total)
	if done == total {
		_, _ = fmt.Fprintln(p.Out)
	}
}
