// SPDX-License-Identifier: Apache-2.0

package notary

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/flight"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/reason"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/registry"
)

const (
	defaultBudget = 10 * time.Second
	longestUpdate = 30 * time.Second
	longestFresh  = time.Minute
	longestStale  = 24 * time.Hour
	patience      = 2 * time.Second // with a server whose silence is tolerated
)

func init() {
	// The library logs what its caller gets as an error anyway.
	logrus.SetOutput(io.Discard)
}

// Signer is somebody who must have signed: the delegation role targets/NAME
// with this key.
type Signer struct {
	Name      string
	PublicKey []byte // PEM, a bare key or a certificate
}

// Request asks for the digest of one image. Tag, Digest or both are set; a
// digest has the form sha256: and 64 hex digits.
type Request struct {
	TrustServer string // https URL
	GUN         string // full image name without tag
	Tag, Digest string
	Signers     []Signer
	Credentials []registry.Credential
	DryRun      bool                  // change no pin
	Notice      func(sentence string) // told if the server gave no answer and the digest is of an earlier one
}

func (r Request) image() string {
	text := r.GUN
	if r.Tag != "" {
		text += ":" + r.Tag
	}
	if r.Digest != "" {
		text += "@" + r.Digest
	}
	return text
}

// Options are what a Verifier is made of.
type Options struct {
	Transport *registry.Transport
	Freshness time.Duration    // how long an answer of a trust server need not be asked again; at most a minute
	Staleness time.Duration    // how long an answer may stand in for a server that gives none; default 0, at most a day
	Pins      Pins             // default: in memory
	Now       func() time.Time // default: time.Now
	Logger    *slog.Logger     // default: none
}

// Verifier keeps the trust data it has verified. It is safe for concurrent
// use.
type Verifier struct {
	transport *registry.Transport
	freshness time.Duration
	staleness time.Duration
	pins      Pins
	now       func() time.Time
	log       *slog.Logger
	memory    *memory
	updating  flight.Group[*view]
	heavy     chan struct{} // of updates that take much memory
}

// New makes a Verifier that has seen nothing yet.
func New(o Options) *Verifier {
	v := &Verifier{
		transport: o.Transport, pins: o.Pins, now: o.Now, log: o.Logger,
		freshness: min(max(o.Freshness, 0), longestFresh),
		staleness: min(max(o.Staleness, 0), longestStale),
		memory:    newMemory(),
		heavy:     make(chan struct{}, 1),
	}
	if v.transport == nil {
		v.transport = registry.New(registry.Options{})
	}
	if v.pins == nil {
		v.pins = NewMemoryPins()
	}
	if v.now == nil {
		v.now = time.Now
	}
	if v.log == nil {
		v.log = slog.New(slog.DiscardHandler)
	}
	return v
}

var digestForm = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// Digest returns the digest that the trust server and every signer vouch for.
// Every error is a *reason.Denial.
func (v *Verifier) Digest(ctx context.Context, r Request) (string, error) {
	signers, err := readSigners(r.Signers)
	if err != nil {
		return "", err
	}
	server, err := trustServer(r.TrustServer)
	if err != nil {
		return "", err
	}
	if r.GUN == "" || r.Tag == "" && r.Digest == "" || r.Digest != "" && !digestForm.MatchString(r.Digest) {
		return "", reason.New(reason.ImageInvalid,
			"%q names no tag and no sha256 digest that a trust server could vouch for", r.image())
	}
	if _, limited := ctx.Deadline(); !limited {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, defaultBudget)
		defer cancel()
	}
	started := time.Now()
	question := v.question(server, r)
	if known := v.memory.fresh(question, v.now(), v.freshness); known != nil {
		if digest, err := known.judge(v.now(), r.Tag, r.Digest, signers); err == nil {
			return digest, nil
		}
		// What was signed a moment ago is not denied: ask again.
	}
	current, err := v.asked(ctx, question, server, r, signers)
	if err != nil {
		if digest := v.stale(question, server, r, signers, err); digest != "" {
			return digest, nil
		}
		err = denial(r, server, time.Since(started), err)
		v.log.Debug("no trust data", "trustServer", server, "gun", r.GUN, "error", errors.Unwrap(err))
		return "", err
	}
	return current.judge(v.now(), r.Tag, r.Digest, signers)
}

// question is everything an answer depends on but the image's tag and signers,
// which are judged each time.
type question struct {
	repository  [2]string // trust server, GUN
	credentials [sha256.Size]byte
	generation  uint64 // of the CA bundle
}

func (v *Verifier) question(server string, r Request) question {
	marks := sha256.New()
	for _, credential := range r.Credentials {
		mark := credential.Fingerprint()
		marks.Write(mark[:])
	}
	q := question{repository: [2]string{server, r.GUN}, generation: v.transport.Generation()}
	marks.Sum(q.credentials[:0])
	return q
}

// current returns the trust data after asking the server whether it is still
// the newest. Callers with the same question share one asking.
func (v *Verifier) current(ctx context.Context, q question, server string, r Request) (*view, error) {
	name := fmt.Sprintf("%q %x %d %t", q.repository, q.credentials, q.generation, r.DryRun)
	return v.updating.Do(ctx, name, longestUpdate, func(ctx context.Context) (*view, error) {
		return v.update(ctx, q, server, r)
	})
}

func trustServer(text string) (string, error) {
	server := strings.TrimRight(text, "/")
	u, err := url.Parse(server)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", reason.New(reason.TrustServerUnknown,
			"Trust Server/Image Configuration Error: the trust server %q is no URL of the form https://HOST[:PORT]", text)
	}
	return server, nil
}
