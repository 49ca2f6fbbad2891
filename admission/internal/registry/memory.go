// SPDX-License-Identifier: Apache-2.0

package registry

import "sync"

// memory is a map that forgets everything rather than grow without bound.
type memory[K comparable, V any] struct {
	mu      sync.Mutex
	entries map[K]V
}

const maxMemory = 8192

func (m *memory[K, V]) get(key K) (V, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	value, ok := m.entries[key]
	return value, ok
}

func (m *memory[K, V]) put(key K, value V) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.entries == nil || len(m.entries) >= maxMemory {
		m.entries = map[K]V{}
	}
	m.entries[key] = value
}

func (m *memory[K, V]) drop(key K) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.entries, key)
}

func (m *memory[K, V]) clear() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.entries = nil
}
