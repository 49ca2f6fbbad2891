// SPDX-License-Identifier: Apache-2.0

package flight

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestCallersWithTheSameKeyShareOneAnswer(t *testing.T) {
	var g Group[int]
	var runs atomic.Int64
	release := make(chan struct{})
	results := make(chan int)
	for range 10 {
		go func() {
			got, _ := g.Do(t.Context(), "key", time.Minute, func(context.Context) (int, error) {
				runs.Add(1)
				<-release
				return 42, nil
			})
			results <- got
		}()
	}
	waitFor(t, func() bool { return g.waiting("key") == 10 })
	close(release)
	for range 10 {
		if got := <-results; got != 42 {
			t.Errorf("got %d", got)
		}
	}
	if runs.Load() != 1 {
		t.Errorf("%d runs", runs.Load())
	}
	if got, _ := g.Do(t.Context(), "key", time.Minute, func(context.Context) (int, error) { return 43, nil }); got != 43 {
		t.Errorf("an answer was kept: %d", got)
	}
}

func TestACallerThatLeavesDoesNotEndItForOthers(t *testing.T) {
	var g Group[int]
	release := make(chan struct{})
	run := func(ctx context.Context) (int, error) {
		select {
		case <-release:
			return 1, nil
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	impatient, leave := context.WithCancel(t.Context())
	left, stayed := make(chan error), make(chan error)
	go func() { _, err := g.Do(impatient, "key", time.Minute, run); left <- err }()
	waitFor(t, func() bool { return g.waiting("key") == 1 })
	go func() { _, err := g.Do(t.Context(), "key", time.Minute, run); stayed <- err }()
	waitFor(t, func() bool { return g.waiting("key") == 2 })
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("who left got %v", err)
	}
	close(release)
	if err := <-stayed; err != nil {
		t.Errorf("who stayed got %v", err)
	}
}

func TestWorkNobodyWaitsForIsCancelled(t *testing.T) {
	var g Group[int]
	ctx, leave := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		waitFor(t, func() bool { return g.waiting("key") == 1 })
		leave()
	}()
	_, err := g.Do(ctx, "key", time.Minute, func(ctx context.Context) (int, error) {
		<-ctx.Done()
		ended <- ctx.Err()
		return 0, ctx.Err()
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the work was not cancelled, but ended with %v", err)
	}
	if got, err := g.Do(t.Context(), "key", time.Minute, func(context.Context) (int, error) { return 7, nil }); got != 7 {
		t.Errorf("the next caller joined what was cancelled: %d, %v", got, err)
	}
}

func TestWorkThatWasLeftDoesNotPartTheCallersOfTheNext(t *testing.T) {
	var g Group[int]
	ctx, leave := context.WithCancel(t.Context())
	left, mayEnd, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(left)
		_, _ = g.Do(ctx, "key", time.Minute, func(context.Context) (int, error) {
			<-mayEnd
			return 0, nil
		})
	}()
	waitFor(t, func() bool { return g.waiting("key") == 1 })
	g.mu.Lock()
	first := g.calls["key"]
	g.mu.Unlock()
	leave()
	<-left
	next := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = g.Do(t.Context(), "key", time.Minute, func(context.Context) (int, error) {
			<-next
			return 1, nil
		})
	}()
	waitFor(t, func() bool { return g.waiting("key") == 1 })
	close(mayEnd)
	<-first.done
	if g.waiting("key") != 1 {
		t.Error("the work that was left took the next one's place away")
	}
	close(next)
	<-ended
}

func TestWorkEndsAtItsLimit(t *testing.T) {
	var g Group[int]
	_, err := g.Do(t.Context(), "key", time.Millisecond, func(ctx context.Context) (int, error) {
		<-ctx.Done()
		return 0, ctx.Err()
	})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestAPanicIsAnError(t *testing.T) {
	var g Group[int]
	_, err := g.Do(t.Context(), "key", time.Minute, func(context.Context) (int, error) { panic("garbage") })
	if err == nil || !strings.Contains(err.Error(), "garbage") {
		t.Errorf("got %v", err)
	}
}

func (g *Group[T]) waiting(key string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	if c := g.calls[key]; c != nil {
		return c.waiters
	}
	return 0
}

func waitFor(t *testing.T, holds func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	for !holds() {
		select {
		case <-deadline:
			t.Error("not so after a minute")
			return
		case <-time.After(time.Millisecond):
		}
	}
}
