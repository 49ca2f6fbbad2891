// SPDX-License-Identifier: Apache-2.0

package proc

import (
	"errors"
	"os"
	"os/exec"
	"testing"
	"time"
)

func TestProcessIsAliveUntilItsEnd(t *testing.T) {
	id := sleeper(t)
	if !Alive(id) {
		t.Fatal("a running process is not alive")
	}
	h, err := Open(id)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	// Its parent has not waited for it yet: it is gone all the same.
	if err := h.End(10 * time.Second); err != nil {
		t.Fatal(err)
	}
	if Alive(id) {
		t.Fatal("an ended process is alive")
	}
}

func TestAnotherProcessWithTheSameIDIsNotTouched(t *testing.T) {
	id := sleeper(t)
	for name, change := range map[string]func(*Identity){
		"start":         func(i *Identity) { i.Start++ },
		"boot":          func(i *Identity) { i.Boot = "earlier" },
		"pid namespace": func(i *Identity) { i.PidNS = "pid:[1]" },
	} {
		other := id
		change(&other)
		if _, err := Open(other); !errors.Is(err, ErrGone) {
			t.Errorf("opened in spite of another %s: %v", name, err)
		}
	}
	if _, err := Open(Identity{}); !errors.Is(err, ErrGone) {
		t.Errorf("opened nothing: %v", err)
	}
}

func TestIdentityIsReadOfNamesWithBlanksAndBrackets(t *testing.T) {
	program := t.TempDir() + "/a) b (c"
	if err := os.Symlink("/bin/sleep", program); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	id, err := Of(cmd.Process.Pid)
	if err != nil || id.Start == 0 {
		t.Fatalf("%+v, %v", id, err)
	}
}

func TestOnlyTheFirstOfANamespaceIsFoundByItsArguments(t *testing.T) {
	sleeper(t)
	if found := FindInit("60.125"); len(found) != 0 {
		t.Fatalf("a plain process was found: %+v", found)
	}
}

func sleeper(t *testing.T) Identity {
	t.Helper()
	cmd := exec.Command("sleep", "60.125")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	id, err := Of(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	return id
}
