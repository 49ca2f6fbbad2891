// SPDX-License-Identifier: Apache-2.0

package statedir

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestDirectoriesThatTheLabHidesAreRefused(t *testing.T) {
	for _, path := range []string{"/", "/run", "/run/x", "/var/lib/x", "/var/log/x/y",
		"/" + strings.Repeat("x", 81)} {
		if _, err := At(path); err == nil {
			t.Errorf("%.20s was taken", path)
		} else if !strings.Contains(err.Error(), "set PORTIERIS_LAB_DIR to") {
			t.Errorf("%.20s: the error has no cure: %v", path, err)
		}
	}
	if d, err := At("/var/tmp/x/"); err != nil || d != "/var/tmp/x" {
		t.Errorf("got %q, %v", d, err)
	}
}

func TestDirectoryWithASeparatorInItsNameIsRefused(t *testing.T) {
	for _, name := range []string{"a:b", "a,b", `a"b`, `a\b`, "a\nb"} {
		_, err := At("/var/tmp/" + name)
		if err == nil || !strings.Contains(err.Error(), "set PORTIERIS_LAB_DIR to one") {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"a b", "a'b", "a#b", "läb"} {
		if _, err := At("/var/tmp/" + name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestForeignFilesAreNeitherTakenNorRemoved(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "letter")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, do := range map[string]func() error{
		"Create": Dir(dir).Create, "Remove": Dir(dir).Remove} {
		if err := do(); err == nil || !strings.Contains(err.Error(), "no lab made") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := os.Stat(file); err != nil {
		t.Error(err)
	}
}

func TestDirectoryMadeAnewByALabIsRemovedAndAForeignOneIsNot(t *testing.T) {
	ours, foreign := t.TempDir(), t.TempDir()
	for _, dir := range []string{ours, foreign} {
		if err := os.MkdirAll(filepath.Join(dir, "run", "kubelet"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(foreign, "letter"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{ours, foreign} {
		if err := Dir(dir).Reclaim(); err != nil {
			t.Fatal(err)
		}
	}
	if err := Dir(ours).Remove(); err != nil {
		t.Error(err)
	}
	if err := Dir(foreign).Remove(); err == nil {
		t.Error("a directory with a letter in it was removed")
	}
}

func TestCreatedDirectoryIsPrivateAndRemovedWhole(t *testing.T) {
	d := Dir(filepath.Join(t.TempDir(), "lab"))
	if err := d.Create(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(string(d))
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Fatalf("%v, %v", info, err)
	}
	if err := d.Remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(string(d)); err == nil {
		t.Fatal("it is still there")
	}
	if err := d.Remove(); err != nil {
		t.Fatalf("removing nothing: %v", err)
	}
}

func TestMarkerGoesLastSoThatARemovalCanBeCutOff(t *testing.T) {
	d := Dir(filepath.Join(t.TempDir(), "lab"))
	if err := d.Create(); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(string(d))
	if err != nil || entries[0].Name() != marker {
		t.Fatalf("the marker is not the first by name: %v, %v", entries, err)
	}
	for _, e := range markerLast(entries)[:len(entries)-1] {
		if err := os.RemoveAll(d.path(e.Name())); err != nil {
			t.Fatal(err)
		}
		if err := d.check(); err != nil {
			t.Fatalf("cut off after %s: %v", e.Name(), err)
		}
	}
	if err := d.Remove(); err != nil {
		t.Fatal(err)
	}
}

func TestMountInADirectoryWithABlankIsSeen(t *testing.T) {
	mounts := "tmpfs /var/tmp/a\\040lab/run tmpfs rw 0 0\n"
	if at := Dir("/var/tmp/a lab").mountedBelow(mounts); at != "/var/tmp/a lab/run" {
		t.Errorf("found %q", at)
	}
	if at := Dir("/var/tmp/a").mountedBelow(mounts); at != "" {
		t.Errorf("found %q, which is another lab's", at)
	}
}

func TestStateOfAnotherUserHasACure(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("nothing is kept from root")
	}
	d := Dir(t.TempDir())
	if err := d.SaveState(State{}); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(d.path("state.json"), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := d.LoadState(); err == nil || !strings.Contains(err.Error(), "run this as root") {
		t.Fatal(err)
	}
}

func TestDirectoryWithTheApplicationRecordsOnlyIsTaken(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "sysinv"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Dir(dir).Create(); err != nil {
		t.Fatal(err)
	}
}

func TestStateOfNoLabIsEmptyAndDamageIsNamed(t *testing.T) {
	d := Dir(t.TempDir())
	if s, err := d.LoadState(); err != nil || s != (State{}) {
		t.Fatalf("%+v, %v", s, err)
	}
	if err := d.SaveState(State{Cgroup: "x"}); err != nil {
		t.Fatal(err)
	}
	if s, err := d.LoadState(); err != nil || s.Cgroup != "x" {
		t.Fatalf("%+v, %v", s, err)
	}
	if err := os.WriteFile(d.path("state.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := d.LoadState(); err == nil || !strings.Contains(err.Error(), "is damaged") {
		t.Fatal(err)
	}
}

func TestLockHasOneOwnerAtATime(t *testing.T) {
	d := Dir(t.TempDir())
	unlock, err := d.Lock(time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Lock(0); err == nil || !strings.Contains(err.Error(), "another 'lab up'") {
		t.Fatal(err)
	}
	unlock()
	unlock, err = d.Lock(time.Second)
	if err != nil {
		t.Fatal(err)
	}
	unlock()
}
