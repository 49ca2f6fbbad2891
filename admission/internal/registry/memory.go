// SPDX-License-Identifier: Apache-2.0

package registry

import "sync"

// memory is a map that forgets everything rather than grow without bound, in
// number or in size: what is kept was chosen by servers.
type memory[K comparable, V any] struct {
	mu      sync.Mutex
	entries map[K]V
	size    int // of all that was put since everything was forgotten
}

const (
	maxMemory     = 8192
	maxMemorySize = 8 << 20
)

func (m *memory[K, V]) get(key K) (V, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	value, ok := m.entries[key]
	return value, ok
}

// put keeps a value whose texts and whose key's have so many bytes.
func (m *memory[K, V]) put(key K, value V, size int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.entries == nil || len(m.entries) >= maxMemory || m.size+size > maxMemorySize {
		m.entries, m.size = map[K]V{}, 0
	}
	m.entries[key] = value
	m.size += size
}

func (m *memory[K, V]) drop(key K) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.entries, key)
}

func (m *memory[K, V]) clear() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.entries, m.size = nil, 0
}
