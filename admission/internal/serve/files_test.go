// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func quiet() *slog.Logger {
	return slog.New(slog.NewTextHandler(io.Discard, nil))
}

func put(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// applied is a File that remembers what it was told to apply.
func applied(path string, fail error) (*File, *[]string) {
	var seen []string
	return &File{What: "ca", Paths: []string{path},
		Apply: func(contents [][]byte) error {
			seen = append(seen, string(contents[0]))
			return fail
		}}, &seen
}

func TestAFileIsAppliedOnceForEachContent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ca.pem")
	file, seen := applied(path, nil)
	for _, content := range []string{"", "a", "a", "b", "a"} {
		if content != "" {
			put(t, path, content)
		}
		if _, err := file.Load(); err != nil {
			t.Fatal(err)
		}
	}
	if got := *seen; len(got) != 4 || got[0] != "" || got[1] != "a" ||
		got[2] != "b" || got[3] != "a" {
		t.Errorf("applied %q", got)
	}
}

// The kubelet exchanges the files of a Secret by a link to their directory.
func TestAFileBehindALinkIsSeenToChange(t *testing.T) {
	directory := t.TempDir()
	for _, version := range []string{"1", "2"} {
		if err := os.Mkdir(filepath.Join(directory, version), 0o700); err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Join(directory, version, "ca.pem"), version)
	}
	link := filepath.Join(directory, "..data")
	file, seen := applied(filepath.Join(link, "ca.pem"), nil)
	for _, version := range []string{"1", "2"} {
		next := filepath.Join(directory, "next")
		if err := errors.Join(os.Symlink(version, next),
			os.Rename(next, link)); err != nil {
			t.Fatal(err)
		}
		if _, err := file.Load(); err != nil {
			t.Fatal(err)
		}
	}
	if got := *seen; len(got) != 2 || got[1] != "2" {
		t.Errorf("applied %q", got)
	}
}

func TestAContentThatFailsIsReportedOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ca.pem")
	put(t, path, "garbage")
	file, seen := applied(path, errors.New("no PEM"))
	if changed, err := file.Load(); !changed || err == nil {
		t.Errorf("the first load: changed %v, error %v", changed, err)
	}
	if changed, err := file.Load(); changed || err != nil {
		t.Errorf("the second load: changed %v, error %v", changed, err)
	}
	if len(*seen) != 1 {
		t.Errorf("applied %d times", len(*seen))
	}
}

// A directory cannot be read as a file, not even by root.
func TestAFileThatCannotBeReadIsReportedOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ca.pem")
	file, seen := applied(path, nil)
	unreadable := func() {
		t.Helper()
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		for attempt := 1; attempt <= 3; attempt++ {
			_, err := file.Load()
			if reported := err != nil; reported != (attempt == 1) {
				t.Errorf("attempt %d: %v", attempt, err)
			}
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	unreadable()
	put(t, path, "a")
	if changed, err := file.Load(); !changed || err != nil {
		t.Errorf("readable again: changed %v, error %v", changed, err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	unreadable()
	if len(*seen) != 1 {
		t.Errorf("applied %d times", len(*seen))
	}
}

func TestWatchReloadsUntilItsContextEnds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ca.pem")
	file, _ := applied(path, nil)
	ctx, cancel := context.WithCancel(context.Background())
	reloads := make(chan string, 100)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		Watch(ctx, time.Millisecond, quiet(), func(what string, err error) {
			if err != nil {
				what = err.Error()
			}
			reloads <- what
		}, file)
	}()
	for _, content := range []string{"", "a"} {
		if content != "" {
			put(t, path, content)
		}
		select {
		case what := <-reloads:
			if what != "ca" {
				t.Errorf("reloaded %q", what)
			}
		case <-time.After(time.Minute):
			t.Fatalf("the content %q is not seen", content)
		}
	}
	cancel()
	<-ended
}
