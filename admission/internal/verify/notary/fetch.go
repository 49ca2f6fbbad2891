// SPDX-License-Identifier: Apache-2.0

package notary

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/theupdateframework/notary/storage"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/flight"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/registry"
)

const (
	maxSmall    = 1 << 20  // root, timestamp
	maxLarge    = 16 << 20 // snapshot, targets, delegations
	maxAhead    = 16 << 20 // fetched before the library asks, in all
	maxHeld     = 24 << 20 // fetched for one update, in all
	maxLight    = 1 << 20  // of an update that others may run beside
	maxRoles    = 256
	concurrency = 8
)

// fetch reads the trust data of one repository for one update. It is the
// library's remote store: each file is asked for once, files that will be
// wanted are asked for together, and the first failure ends the update (the
// library would rather fall back to what it has).
type fetch struct {
	storage.OfflineStore // the writing half of the interface

	ctx         context.Context
	transport   *registry.Transport
	base, scope string
	credentials []registry.Credential

	failed *failedFile // of those that the library asked for

	slots chan struct{}
	busy  sync.WaitGroup
	mu    sync.Mutex
	files map[string]*file
	held  int64 // bytes of all files

	heavy chan struct{} // has room for the one update that is
	turn  sync.Mutex    // of those who ask for that room
	alone bool          // it is this one
}

type file struct {
	done    chan struct{}
	content []byte
	err     error
}

// failedFile is the first file that could not be had. It is of no type from
// which the library recovers.
type failedFile struct {
	name string
	err  error
}

func (f *failedFile) Error() string { return f.name + ": " + f.err.Error() }
func (f *failedFile) Unwrap() error { return f.err }

func newFetch(ctx context.Context, t *registry.Transport, heavy chan struct{}, server, gun string,
	credentials []registry.Credential) *fetch {
	return &fetch{
		ctx: ctx, transport: t, heavy: heavy, credentials: credentials,
		base:  server + "/v2/" + gun + "/_trust/tuf/",
		scope: "repository:" + gun + ":pull",
		slots: make(chan struct{}, concurrency),
		files: map[string]*file{},
	}
}

// end returns when nothing is being fetched any more. It is called when
// nothing that was fetched is wanted any more.
func (f *fetch) end() {
	f.busy.Wait()
	if f.alone {
		<-f.heavy
	}
}

// Location names the server for the library's messages.
func (f *fetch) Location() string { return f.base }

// GetSized returns a file of at most size bytes. The name may hold a checksum
// or a version, as the library wants it.
func (f *fetch) GetSized(name string, size int64) ([]byte, error) {
	if f.failed != nil {
		return nil, f.failed
	}
	got := f.start(name, size)
	<-got.done
	if got.err != nil {
		f.failed = &failedFile{name, got.err}
		return nil, f.failed
	}
	if strings.HasPrefix(name, "snapshot.") {
		f.ahead(got.content)
	}
	return got.content, nil
}

// start begins to fetch a file unless that has begun already.
func (f *fetch) start(name string, size int64) *file {
	f.mu.Lock()
	defer f.mu.Unlock()
	if known, ok := f.files[name]; ok {
		return known
	}
	got := &file{done: make(chan struct{})}
	f.files[name] = got
	f.busy.Add(1)
	go func() {
		defer f.busy.Done()
		defer close(got.done)
		f.slots <- struct{}{}
		defer func() { <-f.slots }()
		got.content, got.err = flight.Guard(func() ([]byte, error) { return f.get(name, size) })
	}()
	return got
}

func (f *fetch) get(name string, size int64) ([]byte, error) {
	limit := int64(maxLarge)
	small := name == "timestamp" || strings.HasSuffix(name, "root")
	if small {
		limit = maxSmall
	}
	if size >= 0 && size < limit {
		limit = size
	}
	if !small { // else the limit says nothing of the size
		if err := f.hold(name, limit); err != nil {
			return nil, err
		}
	}
	answer, err := f.transport.Do(f.ctx, registry.Request{
		URL: f.base + name + ".json", Limit: limit, Scope: f.scope, Credentials: f.credentials,
	})
	if err != nil {
		return nil, err
	}
	if small {
		if err := f.hold(name, int64(len(answer.Body))); err != nil {
			return nil, err
		}
	}
	// The library's reader of JSON recurses without a bound; this one has one.
	if !json.Valid(answer.Body) {
		return nil, &registry.Error{Kind: registry.Garbage, URL: f.base + name + ".json",
			Err: errors.New("it is no JSON")}
	}
	// Two bytes of it become a hundred of memory if they are all values.
	if got := bytes.Count(answer.Body, []byte(",")); got > 1000+len(answer.Body)/20 {
		return nil, &registry.Error{Kind: registry.Garbage, URL: f.base + name + ".json",
			Err: fmt.Errorf("it holds %d values in %d bytes, which no trust data does", got, len(answer.Body))}
	}
	if err := checkKeys(answer.Body); err != nil {
		return nil, &registry.Error{Kind: registry.Garbage, URL: f.base + name + ".json", Err: err}
	}
	return answer.Body, nil
}

// hold lets an update keep so many bytes more: a long way of roots, or many
// delegations, are not for who names a server to fill the memory with. What is
// kept becomes many times as much when the library reads it, so of updates
// that keep more than a little there is one at a time.
func (f *fetch) hold(name string, more int64) error {
	f.mu.Lock()
	f.held += more
	held := f.held
	f.mu.Unlock()
	if held > maxHeld {
		return &registry.Error{Kind: registry.TooLarge, URL: f.base + name + ".json",
			Err: fmt.Errorf("with all before it, more than the %d bytes that one update accepts", maxHeld)}
	}
	if held <= maxLight {
		return nil
	}
	f.turn.Lock()
	defer f.turn.Unlock()
	if f.alone {
		return nil
	}
	select {
	case f.heavy <- struct{}{}:
		f.alone = true
		return nil
	case <-f.ctx.Done():
		return f.ctx.Err()
	}
}

// ahead begins to fetch the targets roles that a snapshot lists. Whether the
// snapshot may be believed, the library decides afterwards.
func (f *fetch) ahead(snapshot []byte) {
	var s struct {
		Signed struct {
			Meta map[string]struct {
				Length int64             `json:"length"`
				Hashes map[string]string `json:"hashes"`
			} `json:"meta"`
		} `json:"signed"`
	}
	if json.Unmarshal(snapshot, &s) != nil || len(s.Signed.Meta) > maxRoles {
		return
	}
	var total int64
	for role, meta := range s.Signed.Meta {
		sum, err := base64.StdEncoding.DecodeString(meta.Hashes["sha256"])
		if role != "targets" && !strings.HasPrefix(role, "targets/") || err != nil || len(sum) != 32 {
			continue
		}
		if meta.Length < 0 || meta.Length > maxAhead-total {
			return
		}
		total += meta.Length
		f.start(role+"."+hex.EncodeToString(sum), meta.Length)
	}
}
