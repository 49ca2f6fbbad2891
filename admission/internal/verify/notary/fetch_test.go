// SPDX-License-Identifier: Apache-2.0

package notary

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/notarytest"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/registry"
)

func TestASnapshotOfHugeFilesHasNoneFetchedAhead(t *testing.T) {
	type meta struct {
		Length int64             `json:"length"`
		Hashes map[string]string `json:"hashes"`
	}
	roles := map[string]meta{}
	for i := range maxRoles / 2 {
		sum := func(first byte) map[string]string {
			hash := bytes.Repeat([]byte{byte(i)}, 32)
			hash[0] = first
			return map[string]string{"sha256": base64.StdEncoding.EncodeToString(hash)}
		}
		roles[fmt.Sprint("targets/small", i)] = meta{1, sum(1)}
		roles[fmt.Sprint("targets/huge", i)] = meta{math.MaxInt64, sum(2)}
	}
	snapshot, err := json.Marshal(map[string]any{"signed": map[string]any{"meta": roles}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 { // the order of the roles differs
		f := newFetch(ctx, registry.New(registry.Options{}), make(chan struct{}, 1), "https://trust", "r/app", nil)
		f.ahead(snapshot)
		f.end()
		for name := range f.files {
			if strings.HasPrefix(name, "targets/huge") {
				t.Fatalf("%s is fetched, and %d others", name, len(f.files)-1)
			}
		}
	}
}

func TestAnUpdateHoldsOnlySoMuch(t *testing.T) {
	a := notarytest.NewAuthority(t)
	root := append(bytes.Repeat([]byte(" "), maxSmall-2), "{}"...)
	server := a.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(root)
	}))
	transport := registry.New(registry.Options{})
	if err := transport.SetCA(a.PEM); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(transport.CloseIdle)
	f := newFetch(t.Context(), transport, make(chan struct{}, 1), server.URL, "r/app", nil)
	for version := 1; version <= maxHeld/maxSmall; version++ {
		if _, err := f.GetSized(fmt.Sprintf("%d.root", version), -1); err != nil {
			t.Fatalf("root %d: %v", version, err)
		}
	}
	_, err := f.GetSized("one.root", -1)
	var failed *registry.Error
	if !errors.As(err, &failed) || failed.Kind != registry.TooLarge {
		t.Errorf("one root more: %v", err)
	}
}

func TestCountlessNothingsAreNoTrustData(t *testing.T) {
	a := notarytest.NewAuthority(t)
	server := a.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"signed":[[]%s]}`, strings.Repeat(",[]", 1<<17))
	}))
	transport := registry.New(registry.Options{})
	if err := transport.SetCA(a.PEM); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(transport.CloseIdle)
	for _, name := range []string{"root", "timestamp", "targets"} {
		f := newFetch(t.Context(), transport, make(chan struct{}, 1), server.URL, "r/app", nil)
		_, err := f.GetSized(name, -1)
		var failed *registry.Error
		if !errors.As(err, &failed) || failed.Kind != registry.Garbage {
			t.Errorf("%s: %v", name, err)
		}
		f.end()
	}
}

func TestOfUpdatesThatHoldMuchThereIsOneAtATime(t *testing.T) {
	a := notarytest.NewAuthority(t)
	var asked atomic.Int64
	server := a.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		fmt.Fprint(w, "{}")
	}))
	transport := registry.New(registry.Options{})
	if err := transport.SetCA(a.PEM); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(transport.CloseIdle)
	heavy := make(chan struct{}, 1)
	get := func(ctx context.Context, size int64) (*fetch, error) {
		f := newFetch(ctx, transport, heavy, server.URL, "r/app", nil)
		_, err := f.GetSized("targets", size)
		return f, err
	}
	first, err := get(t.Context(), maxLight+1)
	if err != nil {
		t.Fatal(err)
	}
	ctx, giveUp := context.WithCancel(t.Context())
	giveUp()
	second, err := get(ctx, maxLight+1)
	if !errors.Is(err, context.Canceled) || asked.Load() != 1 {
		t.Errorf("the second gets %v after %d requests", err, asked.Load())
	}
	second.end()
	light, err := get(t.Context(), maxLight)
	if err != nil {
		t.Errorf("one that holds little gets %v", err)
	}
	light.end()
	first.end()
	third, err := get(t.Context(), maxLight+1)
	if err != nil {
		t.Errorf("the next gets %v", err)
	}
	third.end()
}

// A panic in a goroutine of its own would end the process.
func TestAPanicWhileTrustDataIsFetchedIsAnError(t *testing.T) {
	a := notarytest.NewAuthority(t)
	server := a.Serve(t, http.NotFoundHandler())
	transport := registry.New(registry.Options{Observe: func(registry.Exchange) { panic("broken") }})
	if err := transport.SetCA(a.PEM); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(transport.CloseIdle)
	_, err := New(Options{Transport: transport}).Digest(t.Context(),
		Request{TrustServer: server.URL, GUN: "r/app", Tag: "v1"})
	if err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("got %v", err)
	}
}
