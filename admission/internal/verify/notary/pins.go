// SPDX-License-Identifier: Apache-2.0

package notary

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// Pins keeps, for all replicas of the server, the root keys that were seen
// first. Key ids are sorted. What its methods return as *reason.Denial is
// passed on as it is.
//
// A Pins that also has the method ResetCommand(server, gun string) string is
// asked for the command by which an operator accepts a changed root.
type Pins interface {
	// Get returns the ids pinned, nil when there are none yet.
	Get(ctx context.Context, server, gun string) ([]string, error)
	// Put pins ids if none are pinned, and returns what is pinned now.
	Put(ctx context.Context, server, gun string, ids []string) ([]string, error)
	// Replace puts new in the place of old, for a rotation signed by the old.
	Replace(ctx context.Context, server, gun string, old, new []string) error
}

// NewMemoryPins returns Pins that live as long as the process.
func NewMemoryPins() Pins { return &memoryPins{pins: map[[2]string][]string{}} }

type memoryPins struct {
	mu   sync.Mutex
	pins map[[2]string][]string
}

func (m *memoryPins) Get(_ context.Context, server, gun string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.pins[[2]string{server, gun}], nil
}

func (m *memoryPins) Put(_ context.Context, server, gun string, ids []string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := [2]string{server, gun}
	if m.pins[key] == nil {
		m.pins[key] = ids
	}
	return m.pins[key], nil
}

func (m *memoryPins) Replace(_ context.Context, server, gun string, old, new []string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := [2]string{server, gun}
	if !slices.Equal(m.pins[key], old) {
		return errors.New("other root keys are pinned meanwhile")
	}
	m.pins[key] = new
	return nil
}
