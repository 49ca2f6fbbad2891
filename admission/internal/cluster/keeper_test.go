// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/kubetest"
)

// wire stands between a connection and the API server. It counts questions
// about Secrets and ServiceAccounts, and can lose their watches in the ways in
// which watches get lost.
type wire struct {
	under  http.RoundTripper
	asked  atomic.Int64
	opened atomic.Int64

	mutex   sync.Mutex
	refuse  bool
	streams []*stream
}

// stream is the body of a watch.
type stream struct {
	io.ReadCloser
	silent chan struct{} // closed: nothing more arrives
	once   sync.Once
}

func (s *stream) Read(into []byte) (int, error) {
	for {
		n, err := s.ReadCloser.Read(into)
		select {
		case <-s.silent:
			if err == nil {
				continue
			}
			return 0, err
		default:
			return n, err
		}
	}
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.Contains(r.URL.Path, "/secrets") &&
		!strings.Contains(r.URL.Path, "/serviceaccounts") {
		return w.under.RoundTrip(r)
	}
	if r.URL.Query().Get("watch") == "" {
		w.asked.Add(1)
		return w.under.RoundTrip(r)
	}
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if w.refuse {
		return nil, errors.New("the watch is refused")
	}
	answer, err := w.under.RoundTrip(r)
	if err == nil {
		one := &stream{ReadCloser: answer.Body, silent: make(chan struct{})}
		answer.Body = one
		w.streams = append(w.streams, one)
		w.opened.Add(1)
	}
	return answer, err
}

// cut ends all watches and lets no new one begin.
func (w *wire) cut() {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.refuse = true
	for _, one := range w.streams {
		_ = one.ReadCloser.Close()
	}
}

// hush lets nothing more arrive on the watches, as if the connection had died
// without a word.
func (w *wire) hush() {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	for _, one := range w.streams {
		one.once.Do(func() { close(one.silent) })
	}
}

// wired is a running connection through a wire, whose watches were asked for.
func wired(t *testing.T, config *rest.Config, believe time.Duration) (
	*Cluster, *wire) {
	t.Helper()
	between := &wire{}
	mine := rest.CopyConfig(config)
	mine.Wrap(func(under http.RoundTripper) http.RoundTripper {
		between.under = under
		return between
	})
	c, err := New(mine, "portieris")
	if err != nil {
		t.Fatal(err)
	}
	c.secrets.keepFor, c.accounts.keepFor = believe, believe
	runs(t, c)
	// One that was refused is tried again, which counts as well.
	kubetest.Eventually(t, "both watches were asked for", func() bool {
		return between.opened.Load() >= 2
	}, nil)
	return c, between
}

func secretText(t *testing.T, c *Cluster, name string) string {
	t.Helper()
	secret, err := c.Secret(context.Background(), "kept", name)
	if err != nil {
		t.Fatal(err)
	}
	if secret == nil {
		return "absent"
	}
	return string(secret.Data["text"])
}

func pullSecrets(t *testing.T, c *Cluster) []string {
	t.Helper()
	names, err := c.AccountPullSecrets(context.Background(), "kept", "robot")
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// settled reads until nothing is asked any more: the watch begins with the
// objects there are, and each takes away what was kept of it.
func settled(t *testing.T, c *Cluster, w *wire) {
	t.Helper()
	kubetest.Eventually(t, "everything is kept", func() bool {
		before := w.asked.Load()
		for range 20 {
			secretText(t, c, "pull")
			secretText(t, c, "later")
			pullSecrets(t, c)
		}
		return w.asked.Load() == before
	}, nil)
}

const keptObjects = `
apiVersion: v1
kind: Namespace
metadata: {name: kept}
---
apiVersion: v1
kind: Secret
metadata: {name: pull, namespace: kept}
stringData: {text: one}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: robot, namespace: kept}
imagePullSecrets: [{name: pull}]
`

// change sets the text of the Secret pull.
func change(t *testing.T, server *kubetest.Server, text string) {
	t.Helper()
	patch(t, server, "secrets/pull",
		map[string]any{"stringData": map[string]string{"text": text}})
}

func patch(t *testing.T, server *kubetest.Server, path string, body any) {
	t.Helper()
	if _, err := server.Do("PATCH", "/api/v1/namespaces/kept/"+path,
		"application/merge-patch+json", body); err != nil {
		t.Fatal(err)
	}
}

// sees waits for a new text, for much less than the hour for which the tests
// believe what they have read.
func sees(t *testing.T, c *Cluster, name, want string) {
	t.Helper()
	kubetest.Eventually(t, name+" reads "+want, func() bool {
		return secretText(t, c, name) == want
	}, nil)
}

func keptIsNotAskedForAgain(t *testing.T, server *kubetest.Server,
	config *rest.Config) {
	c, between := wired(t, config, time.Hour)
	settled(t, c, between)
	if got := secretText(t, c, "pull"); got != "one" {
		t.Errorf("the Secret reads %q", got)
	}
	if got := secretText(t, c, "later"); got != "absent" {
		t.Errorf("a Secret that does not exist reads %q", got)
	}

	change(t, server, "two")
	sees(t, c, "pull", "two")
	server.Create(t, "apiVersion: v1\nkind: Secret\n"+
		"metadata: {name: later, namespace: kept}\nstringData: {text: new}")
	sees(t, c, "later", "new")
	if _, err := server.Do("DELETE",
		"/api/v1/namespaces/kept/secrets/later", "", nil); err != nil {
		t.Fatal(err)
	}
	sees(t, c, "later", "absent")
	patch(t, server, "serviceaccounts/robot", map[string]any{
		"imagePullSecrets": []map[string]string{{"name": "other"}}})
	kubetest.Eventually(t, "the account names another secret", func() bool {
		return reflect.DeepEqual(pullSecrets(t, c), []string{"other"})
	}, nil)
	settled(t, c, between)
}

func lostWatchKeepsNothing(t *testing.T, server *kubetest.Server,
	config *rest.Config) {
	c, between := wired(t, config, time.Hour)
	settled(t, c, between)
	between.cut()
	kubetest.Eventually(t, "the end of the watches is noticed", func() bool {
		return !c.secrets.watched() && !c.accounts.watched()
	}, nil)
	// From here on there is no delay at all.
	for _, text := range []string{"three", "four", "five"} {
		change(t, server, text)
		if got := secretText(t, c, "pull"); got != text {
			t.Errorf("the Secret reads %q, it holds %q", got, text)
		}
	}
}

func silentWatchIsNotBelievedForLong(t *testing.T, server *kubetest.Server,
	config *rest.Config) {
	c, between := wired(t, config, 200*time.Millisecond)
	sees(t, c, "pull", "five")
	between.hush()
	change(t, server, "six")
	sees(t, c, "pull", "six")
	// What was read after the silence began is kept too, and no longer.
	change(t, server, "seven")
	sees(t, c, "pull", "seven")
}

func noRightToWatchIsNoHarm(t *testing.T, server *kubetest.Server) {
	server.Create(t, `
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: kept}
rules: [{apiGroups: [""], resources: [secrets], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader, namespace: kept}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: ServiceAccount, name: reader, namespace: kept}]
`)
	config := rest.CopyConfig(server.Config)
	config.Impersonate.UserName = "system:serviceaccount:kept:reader"
	c, between := wired(t, config, time.Hour) // opened, and refused
	for _, text := range []string{"eight", "nine"} {
		change(t, server, text)
		if got := secretText(t, c, "pull"); got != text {
			t.Errorf("the Secret reads %q, it holds %q", got, text)
		}
	}
	if between.asked.Load() < 2 {
		t.Errorf("%d questions for two reads", between.asked.Load())
	}
}

func TestSecretsAndAccountsAreKeptWhileAWatchVouchesForThem(t *testing.T) {
	server := kubetest.Start(t)
	config := server.Account(t)
	server.Create(t, keptObjects)
	t.Run("what is kept is not asked for again until it changes",
		func(t *testing.T) { keptIsNotAskedForAgain(t, server, config) })
	t.Run("without a watch nothing is kept",
		func(t *testing.T) { lostWatchKeepsNothing(t, server, config) })
	t.Run("a watch that is silent is not believed for long",
		func(t *testing.T) {
			silentWatchIsNotBelievedForLong(t, server, config)
		})
	t.Run("without the right to watch each object is read when needed",
		func(t *testing.T) { noRightToWatchIsNoHarm(t, server) })
}

// Who takes the right to watch away, as the documentation allows, does not
// want to read of it every minute.
func TestWhyThereIsNoWatchIsSaidOnce(t *testing.T) {
	var asked atomic.Int64
	answers := httptest.NewServer(http.HandlerFunc(
		func(w http.ResponseWriter, _ *http.Request) {
			text := "not allowed"
			if asked.Add(1) > 5 {
				text = "not at all allowed"
			}
			http.Error(w, text, http.StatusForbidden)
		}))
	defer answers.Close()
	var log strings.Builder
	klog.SetSlogLogger(slog.New(slog.NewTextHandler(&log, nil)))
	defer klog.ClearLogger()
	c, err := New(&rest.Config{Host: answers.URL}, "portieris")
	if err != nil {
		t.Fatal(err)
	}
	c.secrets.pause = time.Millisecond
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.secrets.run(ctx)
	}()
	kubetest.Eventually(t, "the watch is asked for again and again",
		func() bool { return asked.Load() > 8 }, nil)
	end()
	<-ended
	if got := strings.Count(log.String(), "No watch"); got != 2 {
		t.Errorf("two reasons are said %d times:\n%s", got, log.String())
	}
}

func (k *keeper[T]) watched() bool {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	return k.kept != nil
}

// table is one that is watched, without a cluster.
func table() *keeper[*corev1.Secret] {
	k := &keeper[*corev1.Secret]{keepFor: time.Hour}
	k.begin()
	return k
}

func TestAnAnswerOvertakenByAChangeIsNotKept(t *testing.T) {
	key := objectName{"ns", "pull"}
	for what, happens := range map[string]func(k *keeper[*corev1.Secret]){
		"a change":        func(k *keeper[*corev1.Secret]) { k.changed(key) },
		"the watch's end": func(k *keeper[*corev1.Secret]) { k.end() },
		"another watch":   func(k *keeper[*corev1.Secret]) { k.end(); k.begin() },
	} {
		k := table()
		_, _, awaited := k.look(key)
		happens(k)
		k.settle(key, awaited, &corev1.Secret{}, true)
		if _, known, _ := k.look(key); known {
			t.Errorf("kept in spite of %s", what)
		}
	}
}

// Else nothing would be kept as long as there is always somebody who asks.
func TestQuestionsThatOverlapGetAnAnswerKept(t *testing.T) {
	key := objectName{"ns", "pull"}
	k := table()
	_, _, first := k.look(key)
	_, _, second := k.look(key)
	k.settle(key, first, &corev1.Secret{}, true)
	if _, known, _ := k.look(key); !known {
		t.Error("the first answer is not kept")
	}
	k.settle(key, second, &corev1.Secret{}, true)
	if _, known, _ := k.look(key); !known {
		t.Error("the second answer takes the first away")
	}
}

func TestWhatIsKeptStaysSmall(t *testing.T) {
	k := table()
	for i := range 3 * maxKept {
		key := objectName{"ns", strings.Repeat("x", i)}
		_, _, awaited := k.look(key)
		k.settle(key, awaited, nil, true)
		if len(k.kept) > maxKept {
			t.Fatalf("%d objects are kept", len(k.kept))
		}
	}
	_, _, awaited := k.look(objectName{"ns", "huge"})
	k.settle(objectName{"ns", "huge"}, awaited, nil, false)
	if _, known, _ := k.look(objectName{"ns", "huge"}); known {
		t.Error("an answer that is too large is kept")
	}

	k.keepFor = 0
	k.look(objectName{"ns", "last"})
	if len(k.kept) != 1 {
		t.Errorf("%d objects stay after their time", len(k.kept))
	}
}
