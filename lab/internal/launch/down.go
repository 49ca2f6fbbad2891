// SPDX-License-Identifier: Apache-2.0

package launch

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"opendev.org/starlingx/portieris-armada-app/lab/internal/cgroups"
	"opendev.org/starlingx/portieris-armada-app/lab/internal/proc"
	"opendev.org/starlingx/portieris-armada-app/lab/internal/statedir"
)

// Down ends a lab and removes all of it. Without a lab it has nothing to do.
func Down(d statedir.Dir) error {
	if os.Geteuid() != 0 {
		return errors.New("the lab is root's: run 'lab down' as root")
	}
	unlock, err := d.Lock(lockPatience)
	if err != nil {
		return err
	}
	defer unlock()
	_, err = os.Stat(string(d))
	wasDown := err != nil && len(proc.FindInit(initArgs(d)...)) == 0
	if err := clean(d); err != nil {
		return err
	}
	if wasDown {
		fmt.Fprintf(os.Stderr, "lab: is not up, in %s\n", d)
		return nil
	}
	fmt.Fprintln(os.Stderr, "lab: down, nothing left")
	return nil
}

// clean ends what runs and removes what is left of a lab, whole or in parts,
// whatever killed it. It must bear being killed itself at any point.
func clean(d statedir.Dir) error {
	// Without a readable state the lab is known by its arguments.
	s, _ := d.LoadState()
	running := proc.FindInit(initArgs(d)...)
	for _, id := range append(running, s.Init) {
		if err := end(id); err != nil {
			return err
		}
	}
	if len(running) > 0 {
		if err := d.Reclaim(); err != nil {
			return err
		}
	}
	if err := cgroups.Remove(cgroupName(d), endPatience); err != nil {
		return err
	}
	return d.Remove()
}

func end(id proc.Identity) error {
	h, err := proc.Open(id)
	if err != nil {
		return nil // it has ended
	}
	defer h.Close()
	return h.End(endPatience)
}

const tail = 15

// fail keeps the logs of a failed start, ends what runs of it, and returns
// the error with the end of the log that matters.
func fail(d statedir.Dir, cause error, keepLogs string) error {
	text := cause.Error()
	var failed *serviceError
	if errors.As(cause, &failed) {
		text += lastLines(d.Log(failed.service), failed.service)
	}
	if keepLogs != "" {
		if err := keep(d, keepLogs); err == nil {
			text += "\nall logs of this start: " + keepLogs
		}
	}
	if err := clean(d); err != nil {
		text += "\nwhat was started could not be removed whole: " + err.Error() +
			"; run 'portieris-app lab down'"
	}
	return errors.New("the lab did not come up: " + text)
}

func lastLines(file, name string) string {
	b, err := os.ReadFile(file)
	if err != nil || len(b) == 0 {
		return ""
	}
	lines := strings.Split(strings.TrimRight(string(b), "\n"), "\n")
	lines = lines[max(0, len(lines)-tail):]
	return fmt.Sprintf("\nlast lines of the log of %s:\n  %s", name,
		strings.Join(lines, "\n  "))
}

func keep(d statedir.Dir, to string) error {
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.CopyFS(to, os.DirFS(d.Logs()))
}
