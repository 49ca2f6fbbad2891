// SPDX-License-Identifier: Apache-2.0

package signed

import (
	"context"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/registry"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/notation"
)

// known is an image signed by a key whose signature was found once.
func known(t *testing.T) (*shelf, *Verifier, Request) {
	t.Helper()
	s, verifier := newShelf(t)
	request := s.request()
	request.Cosign = s.wants(s.cosigned(t, digestOf(manifest)))
	if _, err := verifier.Digest(context.Background(), request); err != nil {
		t.Fatal(err)
	}
	return s, verifier, request
}

// asks returns what a question makes the verifier ask, and the error.
func (s *shelf) asks(verifier *Verifier, request Request) ([]string, error) {
	s.mutex.Lock()
	s.asked = nil
	s.mutex.Unlock()
	_, err := verifier.Digest(context.Background(), request)
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return slices.Clone(s.asked), err
}

func TestAFoundSignatureIsNotReadAgain(t *testing.T) {
	s, verifier, request := known(t)
	before := s.sent.Load()
	_, err := verifier.Digest(context.Background(), request)
	if sent := s.sent.Load() - before; err != nil || sent != 1 {
		t.Errorf("%d requests, %v; only the tag may have moved", sent, err)
	}
	before = s.sent.Load()
	request.Tag, request.Digest = "", digestOf(manifest)
	_, err = verifier.Digest(context.Background(), request)
	if sent := s.sent.Load() - before; err != nil || sent != 0 {
		t.Errorf("%d requests for a digest, %v", sent, err)
	}
}

func TestAFoundSignatureIsOfNothingElse(t *testing.T) {
	for name, change := range map[string]func(*testing.T, *shelf, *Verifier, *Request){
		"another key": func(t *testing.T, s *shelf, _ *Verifier, r *Request) {
			other, _ := newShelf(t)
			r.Cosign = s.wants(other.cosigned(t, digestOf(manifest)))
		},
		"the tag moved": func(_ *testing.T, s *shelf, _ *Verifier, _ *Request) {
			s.manifest("v1", []byte(`{"schemaVersion":2}`))
		},
		"another name is wanted": func(_ *testing.T, _ *shelf, _ *Verifier, r *Request) {
			r.Cosign[0].Repository = "registry.example.com/app"
		},
		"other credentials": func(_ *testing.T, _ *shelf, _ *Verifier, r *Request) {
			r.Tag, r.Digest = "", digestOf(manifest)
			r.Credentials = []registry.Credential{{Username: "u", Password: "x"}}
		},
		"other authorities": func(t *testing.T, _ *shelf, v *Verifier, r *Request) {
			r.Tag, r.Digest = "", digestOf(manifest)
			if err := v.Transport.SetCA(nil); err != nil {
				t.Fatal(err)
			}
		},
		"it is an hour old and was deleted": func(_ *testing.T, s *shelf, v *Verifier, _ *Request) {
			s.remove(".sig")
			v.Now = func() time.Time { return time.Now().Add(longestKept + time.Second) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, verifier, request := known(t)
			change(t, s, verifier, &request)
			if digest, err := verifier.Digest(context.Background(), request); err == nil {
				t.Errorf("%s is admitted on what was found before", digest)
			}
		})
	}
}

func TestASignatureOfNotationIsRememberedNoLongerThanItCounts(t *testing.T) {
	s, verifier := newShelf(t)
	request := s.request()
	request.Notation = []*notation.Trust{s.notationSigned(t, manifest,
		func(c *x509.Certificate) { c.NotAfter = time.Now().Add(longestKept / 2) })}
	request.Tag, request.Digest = "", digestOf(manifest)
	if _, err := verifier.Digest(context.Background(), request); err != nil {
		t.Fatal(err)
	}
	if asked, err := s.asks(verifier, request); err != nil || asked != nil {
		t.Errorf("asked %q although it is known, %v", asked, err)
	}
	s.remove("sha256-")
	verifier.Now = func() time.Time { return time.Now().Add(longestKept/2 - time.Minute) }
	if asked, err := s.asks(verifier, request); err != nil || asked != nil {
		t.Errorf("asked %q although it counts, %v", asked, err)
	}
	verifier.Now = func() time.Time { return time.Now().Add(longestKept/2 + time.Minute) }
	if _, err := s.asks(verifier, request); err == nil {
		t.Error("it counts although its certificate has run out")
	}
}

func TestASignatureOfNotationIsOfNothingElse(t *testing.T) {
	s, verifier := newShelf(t)
	request := s.request()
	request.Notation = []*notation.Trust{s.notationSigned(t, manifest)}
	if _, err := verifier.Digest(context.Background(), request); err != nil {
		t.Fatal(err)
	}
	stranger, _ := newShelf(t)
	request.Notation = []*notation.Trust{stranger.notationSigned(t, manifest)}
	if _, err := verifier.Digest(context.Background(), request); err == nil {
		t.Error("it counts for those who trust others")
	}
}

func TestAMissingSignatureIsLookedForEachTime(t *testing.T) {
	s, verifier := newShelf(t)
	request := s.request()
	stranger, _ := newShelf(t)
	request.Cosign = s.wants(stranger.cosigned(t, digestOf(manifest)))
	if _, err := s.asks(verifier, request); err == nil {
		t.Fatal("there is no signature")
	}
	request.Cosign = s.wants(s.cosigned(t, digestOf(manifest)))
	if _, err := s.asks(verifier, request); err != nil {
		t.Errorf("the new signature is not seen: %v", err)
	}
}

func TestManyWhoAskAtOnceShareOneSetOfRequests(t *testing.T) {
	s, verifier := newShelf(t)
	request := s.request()
	request.Cosign = s.wants(s.cosigned(t, digestOf(manifest)))
	if read := s.readBy50(t, verifier, request, ".sig"); read != 1 {
		t.Errorf("the signatures were read %d times", read)
	}
}

// readBy50 lets fifty ask at once, and counts how often something was read.
func (s *shelf) readBy50(t *testing.T, verifier *Verifier, request Request,
	suffix string) (count int) {
	t.Helper()
	s.mutex.Lock() // no answer until all have begun
	s.asked = nil
	failures := make(chan error, 50)
	var all sync.WaitGroup
	for range cap(failures) {
		all.Go(func() {
			if _, err := verifier.Digest(context.Background(), request); err != nil {
				failures <- err
			}
		})
	}
	s.mutex.Unlock()
	all.Wait()
	if len(failures) > 0 {
		t.Fatal(<-failures)
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for _, path := range s.asked {
		if strings.HasSuffix(path, suffix) {
			count++
		}
	}
	return count
}

func TestAMissingReferrersAPIIsRememberedOnlyOfARepositoryThatExists(t *testing.T) {
	s, verifier := newShelf(t)
	request := s.request()
	stranger, _ := newShelf(t)
	request.Cosign = s.wants(stranger.cosigned(t, digestOf(manifest)))
	referrers := "referrers/" + digestOf(manifest)
	byDigest := request
	byDigest.Tag, byDigest.Digest = "", digestOf(manifest)
	for range 2 {
		if asked, _ := s.asks(verifier, byDigest); !slices.Contains(asked, referrers) {
			t.Errorf("asked %q: whether the repository exists is not known", asked)
		}
	}
	if asked, _ := s.asks(verifier, request); !slices.Contains(asked, referrers) {
		t.Errorf("asked %q for the first time", asked)
	}
	if asked, _ := s.asks(verifier, request); slices.Contains(asked, referrers) {
		t.Errorf("asked %q again", asked)
	}
	verifier.Now = func() time.Time { return time.Now().Add(lackKept + time.Second) }
	if asked, _ := s.asks(verifier, request); !slices.Contains(asked, referrers) {
		t.Errorf("asked %q after ten minutes", asked)
	}
}

func TestMemoryIsBoundedAndKeepsWhatIsUsed(t *testing.T) {
	var m memory
	now := time.Now()
	first := factOf("first")
	m.keep(first, now.Add(time.Hour))
	for i := range maxKept {
		m.keep(factOf(fmt.Sprint(i)), now.Add(time.Hour))
		m.holds(first, now)
	}
	if len(m.facts) != maxKept || m.used.Len() != maxKept {
		t.Errorf("%d facts are kept, %d in order", len(m.facts), m.used.Len())
	}
	if !m.holds(first, now) || m.holds(factOf("0"), now) {
		t.Error("not the least used fact was dropped")
	}
}

func TestFactsOfDifferentTextsDiffer(t *testing.T) {
	if factOf("a", "bc") == factOf("ab", "c") || factOf("a") == factOf("a", "") {
		t.Error("different lists of texts are one fact")
	}
}
