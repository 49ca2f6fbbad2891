// SPDX-License-Identifier: Apache-2.0

package notary

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/theupdateframework/notary/client"
	"github.com/theupdateframework/notary/storage"
	"github.com/theupdateframework/notary/trustpinning"
	"github.com/theupdateframework/notary/tuf"
	"github.com/theupdateframework/notary/tuf/data"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/reason"
)

// maxRotations bounds how many older roots are looked at to find the pinned.
const maxRotations = 64

// update asks the server for its newest trust data. When the timestamp is the
// one of the last time, that is all; otherwise the library follows it.
func (v *Verifier) update(ctx context.Context, q question, server string, r Request) (*view, error) {
	ctx, cancel := context.WithCancel(ctx)
	f := newFetch(ctx, v.transport, v.heavy, server, r.GUN, r.Credentials)
	defer f.end()
	defer cancel()

	asked := v.now()
	last := v.memory.last(q.repository)
	next, err := v.follow(f, q, last, server, r)
	if err != nil {
		if noTrustData(err) {
			v.memory.forget(q.repository)
		}
		return nil, err
	}
	if next != last {
		if err := v.memory.notOlder(q.repository, next); err != nil {
			return nil, err
		}
		v.log.Debug("trust data read", "trustServer", server, "gun", r.GUN,
			"timestamp", next.age(), "roles", len(next.roles))
	}
	if name, date, expired := next.expired(v.now()); expired {
		return nil, expiredRole(name, date)
	}
	if !r.DryRun || next == last {
		v.memory.keep(q, next, asked)
	}
	return next, nil
}

// follow returns last if it is still the newest, else what is.
func (v *Verifier) follow(f *fetch, q question, last *view, server string, r Request) (*view, error) {
	if last == nil {
		return v.meet(f, server, r)
	}
	timestamp, err := f.GetSized("timestamp", maxSmall)
	if err != nil {
		return nil, err
	}
	if sha256.Sum256(timestamp) == last.stamp {
		if _, _, expired := last.expired(v.now()); !expired {
			return last, nil
		}
	}
	v.memory.doubt(q, true)
	next, err := load(f, r.GUN, last.root, nil)
	if err != nil && rootFailed(err) {
		// Another root. If an operator has accepted it meanwhile the pin is gone.
		pinned, pinErr := v.pins.Get(f.ctx, server, r.GUN)
		if pinErr != nil {
			return nil, pinsFailed(pinErr)
		}
		if !slices.Equal(pinned, last.rootIDs) {
			return v.meet(f, server, r)
		}
		return nil, v.rootChanged(r, server, pinned, rootIDs(f), err)
	}
	if err != nil {
		return nil, err
	}
	return next, v.rotated(f.ctx, server, r, last.rootIDs, next.rootIDs)
}

// meet reads the trust data of a repository that is not in memory, and pins
// its root if nobody has.
func (v *Verifier) meet(f *fetch, server string, r Request) (*view, error) {
	f.start("root", maxSmall)
	f.start("timestamp", maxSmall)
	pinned, err := v.pins.Get(f.ctx, server, r.GUN)
	if err != nil {
		return nil, pinsFailed(err)
	}
	if pinned == nil {
		next, err := load(f, r.GUN, nil, nil)
		if err != nil || r.DryRun {
			return next, err
		}
		if pinned, err = v.pins.Put(f.ctx, server, r.GUN, next.rootIDs); err != nil {
			return nil, pinsFailed(err)
		}
		if slices.Equal(pinned, next.rootIDs) {
			v.log.Info("root keys pinned", "trustServer", server, "gun", r.GUN, "rootKeyIDs", pinned)
			return next, nil
		}
		// Another replica was first and has seen another root.
	}
	next, err := load(f, r.GUN, nil, pinned)
	if err != nil && rootFailed(err) {
		older, found := pinnedRoot(f, r.GUN, pinned)
		if !found {
			if f.failed != nil {
				return nil, f.failed
			}
			return nil, v.rootChanged(r, server, pinned, rootIDs(f), err)
		}
		if next, err = load(f, r.GUN, older, nil); err != nil && rootFailed(err) {
			return nil, v.rootChanged(r, server, pinned, rootIDs(f), err)
		}
	}
	if err != nil {
		return nil, err
	}
	return next, v.rotated(f.ctx, server, r, pinned, next.rootIDs)
}

// rotated moves the pin after a change that the old root has signed.
func (v *Verifier) rotated(ctx context.Context, server string, r Request, old, new []string) error {
	if slices.Equal(old, new) || r.DryRun {
		return nil
	}
	if err := v.pins.Replace(ctx, server, r.GUN, old, new); err != nil {
		// Another replica may have followed the same rotation.
		if pinned, getErr := v.pins.Get(ctx, server, r.GUN); getErr != nil || !slices.Equal(pinned, new) {
			return pinsFailed(err)
		}
	}
	v.log.Info("root keys rotated", "trustServer", server, "gun", r.GUN, "rootKeyIDs", new)
	return nil
}

func pinsFailed(err error) error {
	var known *reason.Denial
	if errors.As(err, &known) {
		return known
	}
	return reason.Wrap(reason.PinsUnavailable, err,
		content+"the root keys seen first could not be read or kept: %v", err)
}

// load lets the library read and verify the trust data: from a root that is
// trusted, or else from the one the server offers, which must have one of the
// pinned keys if there are any.
func load(f *fetch, gun string, root []byte, pinned []string) (*view, error) {
	kept := files{content: map[string][]byte{}}
	if root != nil {
		kept.content["root"] = root
	}
	repo, invalid, err := client.LoadTUFRepo(client.TUFLoadOptions{
		GUN: data.GUN(gun), Cache: kept, RemoteStore: f, TrustPinning: pinning(gun, pinned),
	})
	if f.failed != nil {
		return nil, f.failed
	}
	if err != nil {
		return nil, err
	}
	next, err := newView(repo, invalid, kept.content["root"], kept.content["timestamp"])
	if err != nil {
		return nil, fmt.Errorf("the trust data is not complete: %w", err)
	}
	return next, nil
}

func pinning(gun string, ids []string) trustpinning.TrustPinConfig {
	if ids == nil {
		return trustpinning.TrustPinConfig{}
	}
	return trustpinning.TrustPinConfig{Certs: map[string][]string{gun: ids}, DisableTOFU: true}
}

// pinnedRoot looks among the server's older roots, newest first, for one with
// the pinned keys. The way from there to the newest the library verifies.
func pinnedRoot(f *fetch, gun string, pinned []string) ([]byte, bool) {
	newest, err := f.GetSized("root", maxSmall)
	if err != nil {
		return nil, false
	}
	version := rootVersion(newest)
	for v := version - 1; v > 0 && v >= version-maxRotations; v-- {
		older, err := f.GetSized(fmt.Sprintf("%d.root", v), maxSmall)
		if err != nil {
			return nil, false
		}
		builder := tuf.NewRepoBuilder(data.GUN(gun), nil, pinning(gun, pinned))
		if builder.Load(data.CanonicalRootRole, older, 1, true) == nil {
			return older, true
		}
	}
	return nil, false
}

func rootVersion(root []byte) int {
	var meta data.SignedMeta
	if json.Unmarshal(root, &meta) != nil {
		return 0
	}
	return meta.Signed.Version
}

// rootIDs returns the ids of the root keys that the server offers, for
// messages: nothing of it is verified.
func rootIDs(f *fetch) []string {
	raw, err := f.GetSized("root", maxSmall)
	if err != nil {
		return nil
	}
	var root struct {
		Signed struct {
			Roles map[string]struct {
				KeyIDs []string `json:"keyids"`
			} `json:"roles"`
		} `json:"signed"`
	}
	if json.Unmarshal(raw, &root) != nil {
		return nil
	}
	ids := root.Signed.Roles["root"].KeyIDs
	slices.Sort(ids)
	return ids[:min(8, len(ids))]
}

// files is the library's cache for one update: what it has verified. Nothing
// is written through to anywhere.
type files struct {
	storage.OfflineStore // what the library does not use here
	content              map[string][]byte
}

func (f files) GetSized(name string, _ int64) ([]byte, error) {
	content, ok := f.content[name]
	if !ok {
		return nil, storage.ErrMetaNotFound{Resource: name}
	}
	return content, nil
}

func (f files) Set(name string, content []byte) error {
	f.content[name] = content
	return nil
}
