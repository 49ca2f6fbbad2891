// SPDX-License-Identifier: Apache-2.0

package notary

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/theupdateframework/notary/tuf/data"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/reason"
)

var tomorrow = time.Now().Add(24 * time.Hour)

// aged returns a view whose timestamp has the version.
func aged(version int, rootIDs ...string) *view {
	v := &view{rootIDs: rootIDs}
	for i := range v.base {
		v.base[i] = signedFile{1, tomorrow}
	}
	v.base[len(v.base)-1].version = version
	return v
}

func about(gun string) question { return question{repository: [2]string{"https://trust", gun}} }

func TestTheLeastUsedViewsGoFirstAndTheirVersionsStay(t *testing.T) {
	m := newMemory()
	m.limit = 3 * aged(5, "a").weight()
	now := time.Now()
	for _, gun := range []string{"1", "2", "3"} {
		m.keep(about(gun), aged(5, "a"), now)
	}
	m.last(about("1").repository)
	m.keep(about("4"), aged(5, "a"), now)
	for gun, stays := range map[string]bool{"1": true, "2": false, "3": true, "4": true} {
		if got := m.last(about(gun).repository) != nil; got != stays {
			t.Errorf("view %s is kept: %t", gun, got)
		}
	}
	for _, gun := range []string{"1", "2"} {
		err := m.notOlder(about(gun).repository, aged(4, "a"))
		if err == nil || reason.From(err).Code != reason.TrustDataRolledBack {
			t.Errorf("older data of %s: %v", gun, err)
		}
		if err := m.notOlder(about(gun).repository, aged(5, "a")); err != nil {
			t.Errorf("the same data of %s: %v", gun, err)
		}
		if err := m.notOlder(about(gun).repository, aged(1, "b")); err != nil {
			t.Errorf("data of %s under a root accepted since: %v", gun, err)
		}
	}
}

func TestAnAnswerThatComesLateDoesNotReplaceANewerOne(t *testing.T) {
	m := newMemory()
	newer := aged(7, "a")
	m.keep(about("1"), newer, time.Now())
	m.keep(about("1"), aged(6, "a"), time.Now())
	if got := m.last(about("1").repository); got != newer {
		t.Errorf("version %d is kept", got.age())
	}
}

func TestAViewIsFreshForItsQuestionInItsWindowBeforeItExpires(t *testing.T) {
	m := newMemory()
	now := time.Now()
	m.keep(about("1"), aged(1, "a"), now)
	other := about("1")
	other.generation = 1
	for name, test := range map[string]struct {
		q      question
		at     time.Time
		window time.Duration
		fresh  bool
	}{
		"in the window":        {about("1"), now.Add(9 * time.Second), 10 * time.Second, true},
		"at its end":           {about("1"), now.Add(10 * time.Second), 10 * time.Second, false},
		"before it was asked":  {about("1"), now.Add(-time.Second), 10 * time.Second, false},
		"without a window":     {about("1"), now, 0, false},
		"with another CA":      {other, now, 10 * time.Second, false},
		"of another":           {about("2"), now, 10 * time.Second, false},
		"after it has expired": {about("1"), tomorrow, 48 * time.Hour, false},
	} {
		if got := m.fresh(test.q, test.at, test.window) != nil; got != test.fresh {
			t.Errorf("%s: fresh is %t", name, got)
		}
	}
}

func TestManyAskersOfOneRepositoryDoNotFillTheMemory(t *testing.T) {
	m := newMemory()
	v := aged(1, "a")
	for i := range 10 * maxAskers {
		q := about("1")
		q.generation = uint64(i)
		m.keep(q, v, time.Now())
	}
	if got := len(m.views[about("1").repository].Value.(*remembered).asked); got > maxAskers {
		t.Errorf("%d askers are remembered", got)
	}
}

func TestOfManyDelegationsTheOneThatReleasesIsKept(t *testing.T) {
	v := aged(1, "a")
	for i := range 100 {
		v.roles = append(v.roles, &role{name: data.RoleName(fmt.Sprint("targets/", i))})
	}
	v.roles = append(v.roles, &role{name: releasing[1], version: 7})
	got := v.delegations()
	if len(got) != maxDelegations || got[releasing[1]].version != 7 {
		t.Errorf("kept %v", got)
	}
	before := v.weight()
	v.absent = []data.RoleName{data.RoleName("targets/" + strings.Repeat("x", 1<<20))}
	if v.weight() < before+1<<20 {
		t.Error("the names of delegations without files weigh nothing")
	}
}
