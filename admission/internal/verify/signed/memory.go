// SPDX-License-Identifier: Apache-2.0

package signed

import (
	"container/list"
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"time"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/registry"
)

const (
	// longestKept is how long a found signature need not be read again. That
	// a key has signed a digest stays true; the limit lets a signature that
	// was deleted lose its effect in the end.
	longestKept = time.Hour
	// lackKept is how long a repository without the referrers API is not
	// asked for it again.
	lackKept = 10 * time.Minute
	maxKept  = 10000
)

// fact is the hash of all that something was found to be true for.
type fact [sha256.Size]byte

// factOf hashes texts so that no two lists of them are the same.
func factOf(texts ...string) fact {
	sum := sha256.New()
	var length [8]byte
	for _, text := range texts {
		binary.BigEndian.PutUint64(length[:], uint64(len(text)))
		sum.Write(length[:])
		sum.Write([]byte(text))
	}
	return fact(sum.Sum(nil))
}

// secretOf is what stands for credentials in a fact, so that what one caller
// may read is not known to another.
func secretOf(credentials []registry.Credential) string {
	var texts []string
	for _, c := range credentials {
		texts = append(texts, c.Username, c.Password, c.IdentityToken)
	}
	secret := factOf(texts...)
	return string(secret[:])
}

// memory keeps facts for a while, the most recently used ones. What was found
// wanting is never kept. The zero value is ready.
type memory struct {
	mutex sync.Mutex
	facts map[fact]*list.Element
	used  list.List // of *kept; front: used last
}

type kept struct {
	fact  fact
	until time.Time
}

// holds tells whether a fact is known at a time.
func (m *memory) holds(f fact, now time.Time) bool {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	element, ok := m.facts[f]
	if !ok {
		return false
	}
	if !now.Before(element.Value.(*kept).until) {
		m.drop(element)
		return false
	}
	m.used.MoveToFront(element)
	return true
}

// keep remembers a fact until a time.
func (m *memory) keep(f fact, until time.Time) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if element, ok := m.facts[f]; ok {
		m.drop(element)
	}
	if m.facts == nil {
		m.facts = map[fact]*list.Element{}
	}
	m.facts[f] = m.used.PushFront(&kept{f, until})
	if len(m.facts) > maxKept {
		m.drop(m.used.Back())
	}
}

func (m *memory) drop(element *list.Element) {
	delete(m.facts, element.Value.(*kept).fact)
	m.used.Remove(element)
}
