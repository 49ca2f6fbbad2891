// SPDX-License-Identifier: Apache-2.0

// Package flight lets callers that ask the same question at the same time
// share one answer. It decides only who does the work; it never keeps an
// answer once it was given.
package flight

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Group holds the questions being answered. The zero value is ready.
type Group[T any] struct {
	mu    sync.Mutex
	calls map[string]*call[T]
}

type call[T any] struct {
	done    chan struct{}
	cancel  context.CancelFunc
	waiters int
	value   T
	err     error
}

// Do returns what fn returns, for every caller with the same key that comes
// while it runs. fn runs apart from each caller's deadline, for at most limit,
// and is cancelled when no caller waits any more. A panic in fn is its error.
func (g *Group[T]) Do(ctx context.Context, key string, limit time.Duration,
	fn func(context.Context) (T, error)) (T, error) {
	c := g.join(ctx, key, limit, fn)
	select {
	case <-c.done:
		return c.value, c.err
	case <-ctx.Done():
		g.leave(key, c)
		var none T
		return none, ctx.Err()
	}
}

func (g *Group[T]) join(ctx context.Context, key string, limit time.Duration,
	fn func(context.Context) (T, error)) *call[T] {
	g.mu.Lock()
	defer g.mu.Unlock()
	if c, running := g.calls[key]; running {
		c.waiters++
		return c
	}
	own, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	c := &call[T]{done: make(chan struct{}), cancel: cancel, waiters: 1}
	if g.calls == nil {
		g.calls = map[string]*call[T]{}
	}
	g.calls[key] = c
	go func() {
		defer cancel()
		c.value, c.err = Guard(func() (T, error) { return fn(own) })
		g.forget(key, c)
		close(c.done)
	}()
	return c
}

func (g *Group[T]) leave(key string, c *call[T]) {
	g.mu.Lock()
	c.waiters--
	last := c.waiters == 0
	if last && g.calls[key] == c {
		delete(g.calls, key)
	}
	g.mu.Unlock()
	if last {
		c.cancel()
	}
}

func (g *Group[T]) forget(key string, c *call[T]) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.calls[key] == c {
		delete(g.calls, key)
	}
}

// Guard returns what fn returns; a panic in it is its error. Whatever reads
// what strangers send in a goroutine of its own is called by it, since a panic
// there would end the process, and with it all protection.
func Guard[T any](fn func() (T, error)) (value T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("stopped by a panic: %v", p)
		}
	}()
	return fn()
}
