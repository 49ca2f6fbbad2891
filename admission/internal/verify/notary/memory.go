// SPDX-License-Identifier: Apache-2.0

package notary

import (
	"container/list"
	"crypto/sha256"
	"slices"
	"sync"
	"time"

	"github.com/theupdateframework/notary/tuf/data"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/reason"
)

const (
	maxWeight = 24 << 20 // bytes of views kept, about
	maxFloors = 1 << 16
	maxAskers = 64 // questions remembered as fresh for one repository

	// maxDelegations is of how many delegations of a repository a version is
	// kept, and as many again whose files are missing: who has a trust server
	// can make any number.
	maxDelegations = 16
)

// memory keeps the newest view of each repository, the most recently used
// ones. Of those it drops it keeps which versions were seen, so that nobody
// gets older trust data accepted by waiting.
type memory struct {
	mu     sync.Mutex
	views  map[[2]string]*list.Element // of *remembered
	used   *list.List                  // front: used last
	weight int
	limit  int // of weight
	floors map[[2]string]floor
}

type remembered struct {
	repository [2]string
	view       *view
	asked      map[question]time.Time // when the server last said that it is the newest
}

type floor struct {
	rootIDs     []string
	versions    [4]int // of data.BaseRoles, in that order
	delegations map[data.RoleName]delegation
}

// delegation is what was seen of one: a role made anew by that name has other
// keys and begins with the first version again.
type delegation struct {
	keys    [sha256.Size]byte
	version int
}

func newMemory() *memory {
	return &memory{
		views:  map[[2]string]*list.Element{},
		used:   list.New(),
		floors: map[[2]string]floor{},
		limit:  maxWeight,
	}
}

// last returns the view of a repository, nil if there is none.
func (m *memory) last(repository [2]string) *view {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e, ok := m.views[repository]; ok {
		m.used.MoveToFront(e)
		return e.Value.(*remembered).view
	}
	return nil
}

// fresh returns the view if the same question was answered less than window
// ago and nothing in it is out of date since.
func (m *memory) fresh(q question, now time.Time, window time.Duration) *view {
	if window <= 0 {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	e, ok := m.views[q.repository]
	if !ok {
		return nil
	}
	known := e.Value.(*remembered)
	at, asked := known.asked[q]
	if age := now.Sub(at); !asked || age < 0 || age >= window {
		return nil
	}
	if _, _, expired := known.view.expired(now); expired {
		return nil
	}
	m.used.MoveToFront(e)
	return known.view
}

// keep makes next the view of the repository unless a newer one came first,
// and remembers when it was asked for.
func (m *memory) keep(q question, next *view, at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, ok := m.views[q.repository]
	if !ok {
		e = m.used.PushFront(&remembered{repository: q.repository})
		m.views[q.repository] = e
	}
	known := e.Value.(*remembered)
	if known.view != next {
		if known.view != nil {
			if slices.Equal(known.view.rootIDs, next.rootIDs) &&
				known.view.age() > next.age() {
				return
			}
			m.weight -= known.view.weight()
		}
		known.view, known.asked = next, map[question]time.Time{}
		m.weight += next.weight()
		m.raise(q.repository, next)
	}
	if len(known.asked) >= maxAskers {
		clear(known.asked)
	}
	known.asked[q] = at
	m.used.MoveToFront(e)
	for m.weight > m.limit && m.used.Len() > 1 {
		m.remove(m.used.Back())
	}
}

// doubt makes the question be asked again, or all of its repository: since
// it was last answered, the server said something else.
func (m *memory) doubt(q question, all bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, ok := m.views[q.repository]
	if !ok {
		return
	}
	known := e.Value.(*remembered)
	if all {
		clear(known.asked)
	}
	delete(known.asked, q)
}

// forget drops the view of a repository; the versions seen stay.
func (m *memory) forget(repository [2]string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e, ok := m.views[repository]; ok {
		m.remove(e)
	}
}

func (m *memory) remove(e *list.Element) {
	known := m.used.Remove(e).(*remembered)
	delete(m.views, known.repository)
	m.weight -= known.view.weight()
}

func (m *memory) raise(repository [2]string, v *view) {
	if _, known := m.floors[repository]; !known && len(m.floors) >= maxFloors {
		for other := range m.floors { // any one
			delete(m.floors, other)
			break
		}
	}
	next := floor{rootIDs: v.rootIDs, delegations: v.delegations()}
	for i, file := range v.base {
		next.versions[i] = file.version
	}
	// Who can leave a role's file out for a while must not gain by it.
	for name, seen := range m.floors[repository].delegations {
		if v.lacks(name) && (name == releasing[1] || len(next.delegations) < 2*maxDelegations) {
			next.delegations[name] = seen
		}
	}
	m.floors[repository] = next
}

// notOlder denies trust data of which a role is older than was seen before
// under the same root.
func (m *memory) notOlder(repository [2]string, v *view) error {
	m.mu.Lock()
	seen, known := m.floors[repository]
	m.mu.Unlock()
	if !known || !slices.Equal(seen.rootIDs, v.rootIDs) {
		return nil
	}
	older := func(name data.RoleName, offered, before int) error {
		return reason.New(reason.TrustDataRolledBack,
			content+"%s offers version %d of the role %s of %s, version %d was seen before",
			host(repository[0]), offered, name, repository[1], before)
	}
	for i, file := range v.base {
		if file.version < seen.versions[i] {
			return older(data.BaseRoles[i], file.version, seen.versions[i])
		}
	}
	for name, now := range v.delegations() {
		before := seen.delegations[name]
		if now.keys == before.keys && now.version < before.version {
			return older(name, now.version, before.version)
		}
	}
	return nil
}
