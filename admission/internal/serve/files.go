// SPDX-License-Identifier: Apache-2.0

// Package serve keeps the server's listeners, its certificate and its files
// of certificate authorities current, and stops without cutting an answer
// short. It never looks at what is asked.
package serve

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"time"
)

// File is a set of files of which one thing is made, and made anew whenever
// their content changes.
type File struct {
	// What the files hold, for log and metrics: certificate, ca.
	What string
	// Paths of the files. One that does not exist has no content.
	Paths []string
	// Apply makes use of the contents. If it fails, what was made before
	// stays in use.
	Apply func(contents [][]byte) error

	last   [][]byte
	unread string // why the files could not be read the last time
}

// Load reads the files and applies them if they have changed. That they cannot
// be read is an error the first time, and nothing new after that.
func (f *File) Load() (changed bool, err error) {
	contents := make([][]byte, len(f.Paths))
	for i, path := range f.Paths {
		contents[i], err = os.ReadFile(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			if f.unread == err.Error() {
				return false, nil
			}
			f.unread = err.Error()
			return false, err
		}
	}
	f.unread = ""
	if f.last != nil && equal(f.last, contents) {
		return false, nil
	}
	f.last = contents
	return true, f.Apply(contents)
}

func equal(a, b [][]byte) bool {
	for i := range a {
		if !bytes.Equal(a[i], b[i]) {
			return false
		}
	}
	return true
}

// Watch loads the files again and again until the context ends. It compares
// contents, since the files of a mounted Secret are exchanged by a link that
// is nowhere near them.
func Watch(ctx context.Context, every time.Duration, log *slog.Logger,
	reloaded func(what string, err error), files ...*File) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		for _, file := range files {
			changed, err := file.Load()
			if err != nil {
				log.Error("a changed file cannot be used; what was loaded "+
					"before stays in use", "what", file.What, "error", err)
			}
			if changed || err != nil {
				reloaded(file.What, err)
			}
			if changed && err == nil {
				log.Info("reloaded a changed file", "what", file.What)
			}
		}
	}
}
