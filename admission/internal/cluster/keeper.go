// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/rest"
)

const (
	// keepFor is how long an object is believed to be unchanged only
	// because a watch says nothing: a connection may be dead without
	// anybody having noticed.
	keepFor = 10 * time.Second
	// maxKept and maxKeptSize bound the memory: so many objects of a kind,
	// none larger than so many bytes.
	maxKept     = 1024
	maxKeptSize = 16 << 10

	firstPause   = time.Second
	longestPause = time.Minute
)

// metadataOnly asks the API server to leave everything but the metadata out
// of what it sends.
const metadataOnly = "application/json;as=PartialObjectMetadata;" +
	"g=meta.k8s.io;v=v1"

// keeper reads the objects of one resource by their names. What it has read
// it keeps while a watch that began earlier has told of no change, and for
// keepFor at most; that there is no such object is kept as well. Without a
// watch nothing is kept and every question is one to the API server.
type keeper[T any] struct {
	cluster  *Cluster
	resource string
	// decode reads an object's JSON. What it returns is shared by all who
	// ask for the object.
	decode  func(raw []byte) (T, error)
	keepFor time.Duration
	// pause is the first one between two watches.
	pause time.Duration

	mutex sync.Mutex
	kept  map[objectName]*answer[T] // nil while nothing is watched
	swept time.Time
}

type objectName struct{ namespace, name string }

// answer is what the API server said, or is about to say.
type answer[T any] struct {
	asked time.Time
	known bool
	value T
}

// get returns the object, or the zero value if there is none.
func (k *keeper[T]) get(ctx context.Context, namespace, name string) (
	T, error) {
	key := objectName{namespace, name}
	value, known, awaited := k.look(key)
	if known {
		return value, nil
	}
	value, size, err := k.read(ctx, key)
	k.settle(key, awaited, value, err == nil && size <= maxKeptSize)
	return value, err
}

// look returns what is kept, or else the place for the answer that the
// caller is going to ask for. The place is taken away when the watch tells
// of a change meanwhile.
func (k *keeper[T]) look(key objectName) (
	value T, known bool, awaited *answer[T]) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	if k.kept == nil {
		return value, false, nil
	}
	now := time.Now()
	found, ok := k.kept[key]
	if ok && now.Sub(found.asked) < k.keepFor {
		// An answer that is awaited by others may come by this question.
		return found.value, found.known, found
	}
	k.sweep(now)
	awaited = &answer[T]{asked: now}
	k.kept[key] = awaited
	return value, false, awaited
}

// sweep drops what is not believed any more, now and then.
func (k *keeper[T]) sweep(now time.Time) {
	if now.Sub(k.swept) >= k.keepFor {
		k.swept = now
		for key, one := range k.kept {
			if now.Sub(one.asked) >= k.keepFor {
				delete(k.kept, key)
			}
		}
	}
	if len(k.kept) >= maxKept {
		clear(k.kept)
	}
}

// settle keeps the answer if its place is still there.
func (k *keeper[T]) settle(key objectName, awaited *answer[T], value T,
	keep bool) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	if awaited == nil || k.kept[key] != awaited {
		return
	}
	if !keep {
		delete(k.kept, key)
		return
	}
	awaited.value, awaited.known = value, true
}

func (k *keeper[T]) read(ctx context.Context, key objectName) (
	value T, size int, err error) {
	raw, err := k.cluster.raw(ctx, core, k.resource, key.namespace, key.name)
	if raw == nil {
		return value, 0, err
	}
	value, err = k.decode(raw)
	if err != nil {
		return value, 0, fmt.Errorf("the Kubernetes API's answer does not "+
			"parse: %w", err)
	}
	return value, len(raw), nil
}

// run keeps a watch going until the context ends. Why there is none it says
// once: somebody may have taken the right away for good.
func (k *keeper[T]) run(ctx context.Context) {
	said := ""
	for pause := k.pause; ; {
		began := time.Now()
		err := k.watch(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > longestPause {
			pause, said = k.pause, "" // it went well for a while
		} else if why := err.Error(); why != said {
			said = why
			utilruntime.HandleErrorWithContext(ctx, err,
				"No watch; each object is read when it is needed",
				"resource", k.resource)
		}
		timer := time.NewTimer(pause + rand.N(pause))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		pause = min(2*pause, longestPause)
	}
}

// watch follows the changes of all objects until the API server or the
// connection ends it, which they do from time to time. It begins with the
// objects there are, which does no harm.
func (k *keeper[T]) watch(ctx context.Context) error {
	stream, err := k.client().Get().Resource(k.resource).
		Param("watch", "true").Param("resourceVersion", "0").
		SetHeader("Accept", metadataOnly).Stream(ctx)
	if err != nil {
		return err
	}
	defer stream.Close()
	k.begin()
	defer k.end()
	for events := json.NewDecoder(stream); ; {
		var event struct {
			Type   string
			Object struct {
				Message  string
				Metadata struct{ Namespace, Name string }
			}
		}
		if err := events.Decode(&event); err != nil {
			return fmt.Errorf("the watch ended: %w", err)
		}
		if event.Type == "ERROR" {
			return fmt.Errorf("the watch ended: %s", event.Object.Message)
		}
		k.changed(objectName{event.Object.Metadata.Namespace,
			event.Object.Metadata.Name})
	}
}

func (k *keeper[T]) client() *rest.RESTClient {
	return k.cluster.clients[core]
}

func (k *keeper[T]) begin() {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	k.kept = map[objectName]*answer[T]{}
}

func (k *keeper[T]) end() {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	k.kept = nil
}

func (k *keeper[T]) changed(key objectName) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	delete(k.kept, key)
}
