// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/reason"
)

// pinsPrefix begins the names of the ConfigMaps in which the root keys are
// kept. There are 256 at most: one alone would be full, at 1 MiB, after a few
// thousand repositories, and would be written whole for each new one.
const pinsPrefix = "portieris-trust-pins-"

// pinsLabels are those of the ConfigMaps.
var pinsLabels = labels.Set{"app": "portieris", "part": "trust-pins"}

// attempts is how often a write is tried again that lost against another
// one. Each attempt that loses means that some other one has won.
const attempts = 50

// maxPin is how long one value may be, which is a few times what a usual one
// is. Servers choose their roots and whoever writes a policy the server: they
// shall not fill the ConfigMaps of all with a handful of repositories.
const maxPin = 2 << 10

// pin is one value of the ConfigMap.
type pin struct {
	Server     string    `json:"server"`
	GUN        string    `json:"gun"`
	RootKeyIDs []string  `json:"rootKeyIDs"`
	FirstSeen  time.Time `json:"firstSeen"`
}

// Pins keeps the root keys that were seen first for each repository, in
// ConfigMaps for all replicas. The first writer wins. Whenever they cannot be
// read or written the answer is a denial.
type Pins struct {
	cluster *Cluster
	// write lets this replica's writers to one ConfigMap wait for each other
	// instead of losing against each other.
	write sync.Map // of *sync.Mutex by place
}

// Pins returns the pins of the cluster.
func (c *Cluster) Pins() *Pins { return &Pins{cluster: c} }

// Get returns the key ids that are pinned, or nil if none are yet.
func (p *Pins) Get(ctx context.Context, server, gun string) ([]string, error) {
	name := key(server, gun)
	stored, err := p.cached(ctx, place(name))
	if err != nil {
		return nil, unavailable(err, name, gun, "read")
	}
	return read(stored, name, gun)
}

// Put pins the key ids unless some are pinned already, and returns those that
// are pinned from now on.
func (p *Pins) Put(ctx context.Context, server, gun string, ids []string) (
	[]string, error) {
	ids = sorted(ids)
	return p.update(ctx, server, gun, func(stored []string) ([]string, error) {
		if stored == nil {
			return ids, nil
		}
		return stored, nil
	})
}

// Replace puts new key ids in the place of old ones, for a rotation that the
// old ones have signed.
func (p *Pins) Replace(ctx context.Context, server, gun string,
	old, new []string) error {
	old, new = sorted(old), sorted(new)
	_, err := p.update(ctx, server, gun, func(stored []string) ([]string, error) {
		if stored != nil && !slices.Equal(stored, old) &&
			!slices.Equal(stored, new) {
			return nil, reason.New(reason.RootChanged,
				"the root keys pinned for %s are neither the old nor the new "+
					"ones of its rotation", gun)
		}
		return new, nil
	})
	return err
}

// ResetCommand is what an operator types to forget the keys pinned for a
// repository, so that the next ones seen are pinned.
func (p *Pins) ResetCommand(server, gun string) string {
	name := key(server, gun)
	return fmt.Sprintf("kubectl patch configmap %s -n %s --type=json "+
		`-p '[{"op":"remove","path":"/data/%s"}]'`,
		place(name), p.cluster.namespace, name)
}

// update writes what decide makes of the stored key ids, under the
// precondition that nobody else writes meanwhile, and returns it.
func (p *Pins) update(ctx context.Context, server, gun string,
	decide func(stored []string) ([]string, error)) ([]string, error) {
	name := key(server, gun)
	mutex, _ := p.write.LoadOrStore(place(name), &sync.Mutex{})
	mutex.(*sync.Mutex).Lock()
	defer mutex.(*sync.Mutex).Unlock()
	var err error
	for range attempts {
		var ids []string
		ids, err = p.tryUpdate(ctx, server, gun, decide)
		if err == nil {
			return ids, nil
		}
		if !apierrors.IsConflict(err) && !apierrors.IsAlreadyExists(err) {
			break
		}
	}
	return nil, unavailable(err, name, gun, "recorded")
}

func (p *Pins) tryUpdate(ctx context.Context, server, gun string,
	decide func(stored []string) ([]string, error)) ([]string, error) {
	name := key(server, gun)
	stored, err := p.live(ctx, place(name))
	if err != nil {
		return nil, err
	}
	before, err := read(stored, name, gun)
	if err != nil {
		return nil, err
	}
	ids, err := decide(before)
	if err != nil || slices.Equal(ids, before) {
		return ids, err
	}
	value, err := json.Marshal(pin{Server: server, GUN: gun, RootKeyIDs: ids,
		FirstSeen: time.Now().UTC().Truncate(time.Second)})
	if err != nil {
		return nil, err
	}
	if len(value) > maxPin {
		return nil, reason.New(reason.TrustDataInvalid, "the root of %s has "+
			"%d keys; with the trust server's address they are more than "+
			"the %d bytes that are kept", gun, len(ids), maxPin)
	}
	if stored == nil {
		return ids, p.create(ctx, name, string(value))
	}
	if stored.Data == nil {
		stored.Data = map[string]string{}
	}
	stored.Data[name] = string(value)
	return ids, p.cluster.clients[core].Put().Namespace(p.cluster.namespace).
		Resource("configmaps").Name(place(name)).Body(stored).
		Do(ctx).Error()
}

func (p *Pins) create(ctx context.Context, name, value string) error {
	return p.cluster.clients[core].Post().Namespace(p.cluster.namespace).
		Resource("configmaps").Body(&corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{
			Name:   place(name),
			Labels: pinsLabels,
		},
		Data: map[string]string{name: value},
	}).Do(ctx).Error()
}

// cached returns a ConfigMap as last seen, or nil if there is none.
func (p *Pins) cached(ctx context.Context, place string) (
	*corev1.ConfigMap, error) {
	if !p.cluster.pins.HasSynced() {
		return p.live(ctx, place)
	}
	found, ok, err := p.cluster.pins.GetStore().GetByKey(
		p.cluster.namespace + "/" + place)
	if !ok {
		return nil, err
	}
	return found.(*corev1.ConfigMap), nil
}

// live reads a ConfigMap from the API server, or returns nil.
func (p *Pins) live(ctx context.Context, place string) (
	*corev1.ConfigMap, error) {
	stored := &corev1.ConfigMap{}
	found, err := p.cluster.get(ctx, core, "configmaps",
		p.cluster.namespace, place, stored)
	if !found {
		return nil, err
	}
	return stored, nil
}

// read returns the key ids under a name, or nil if there are none. A value
// that does not parse is a denial: it may be all that is left of a pin.
func read(stored *corev1.ConfigMap, name, gun string) ([]string, error) {
	if stored == nil {
		return nil, nil
	}
	value, ok := stored.Data[name]
	if !ok {
		return nil, nil
	}
	found := pin{}
	err := json.Unmarshal([]byte(value), &found)
	if err == nil && len(found.RootKeyIDs) == 0 {
		err = fmt.Errorf("no root key ids under the key %s", name)
	}
	if err != nil {
		return nil, unavailable(err, name, gun, "read")
	}
	return sorted(found.RootKeyIDs), nil
}

// unavailable is the denial for keys that cannot be read or recorded, unless
// the error already is one.
func unavailable(err error, name, gun, what string) error {
	if denial, ok := err.(*reason.Denial); ok {
		return denial
	}
	return reason.Wrap(reason.PinsUnavailable, err,
		"the root keys of %s could not be %s in the ConfigMap %s: %v",
		gun, what, place(name), err)
}

// place is the ConfigMap in which a name stands.
func place(name string) string { return pinsPrefix + name[:2] }

// key is the name under which a repository's keys stand in a ConfigMap,
// whose keys may not hold the slashes and colons of a repository.
func key(server, gun string) string {
	sum := sha256.Sum256([]byte(server + "\n" + gun))
	return hex.EncodeToString(sum[:])
}

func sorted(ids []string) []string {
	return slices.Sorted(slices.Values(ids))
}
