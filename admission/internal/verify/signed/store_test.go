// SPDX-License-Identifier: Apache-2.0

package signed

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/gpgtest"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/registry"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/simple"
)

// later is an image for the same tag.
var later = []byte(strings.Replace(string(manifest), `"size":2`, `"size":3`, 1))

// gpgKnown is an image signed with GPG, whose signature was found once.
func gpgKnown(t *testing.T) (*shelf, *Verifier, Request, *gpgtest.Home) {
	t.Helper()
	s, verifier := newShelf(t)
	request := s.request()
	home := gpgtest.New(t, "a", "b")
	s.putSignature(manifest, home.Sign("a", request.Name+":v1", manifest))
	request.SignedBy = []simple.Requirement{{KeyRing: home.Ring("a")}}
	if _, err := verifier.Digest(context.Background(), request); err != nil {
		t.Fatal(err)
	}
	return s, verifier, request, home
}

func TestAFoundGPGSignatureIsNotReadAgain(t *testing.T) {
	s, verifier, request, _ := gpgKnown(t)
	asked, err := s.asks(verifier, request)
	if err != nil || !slices.Equal(asked, []string{"manifests/v1"}) {
		t.Errorf("asked %q, %v; only the tag may have moved", asked, err)
	}
	request.Digest = digestOf(manifest)
	if _, err := s.asks(verifier, request); err != nil {
		t.Fatal(err)
	}
	if asked, err := s.asks(verifier, request); err != nil || asked != nil {
		t.Errorf("asked %q for a digest, %v", asked, err)
	}
}

func TestAFoundGPGSignatureIsOfNothingElse(t *testing.T) {
	for name, change := range map[string]func(*shelf, *Verifier, *Request,
		*gpgtest.Home){
		"another ring": func(_ *shelf, _ *Verifier, r *Request,
			home *gpgtest.Home) {
			r.SignedBy[0].KeyRing = home.Ring("b")
		},
		"one more ring": func(_ *shelf, _ *Verifier, r *Request,
			home *gpgtest.Home) {
			r.SignedBy = append(r.SignedBy,
				simple.Requirement{KeyRing: home.Ring("b")})
		},
		"another identity": func(_ *shelf, _ *Verifier, r *Request,
			_ *gpgtest.Home) {
			r.SignedBy[0].Identity = simple.Identity{
				Type:             "matchExactRepository",
				DockerRepository: "registry.example.com/app"}
		},
		"another tag of the image": func(s *shelf, _ *Verifier, r *Request,
			_ *gpgtest.Home) {
			s.manifest("v2", manifest)
			r.Tag = "v2"
		},
		"the tag moved": func(s *shelf, _ *Verifier, _ *Request,
			_ *gpgtest.Home) {
			s.manifest("v1", later)
		},
		"another store": func(_ *shelf, _ *Verifier, r *Request,
			_ *gpgtest.Home) {
			r.StoreURL += "other/"
		},
		"other credentials": func(_ *shelf, _ *Verifier, r *Request,
			_ *gpgtest.Home) {
			r.Credentials = []registry.Credential{{Username: "u", Password: "x"}}
		},
		"other credentials of the store": func(_ *shelf, _ *Verifier,
			r *Request, _ *gpgtest.Home) {
			r.StoreCredentials = nil
		},
		"other authorities": func(_ *shelf, v *Verifier, _ *Request,
			_ *gpgtest.Home) {
			if err := v.Transport.SetCA(nil); err != nil {
				panic(err)
			}
		},
		"a registry that does not answer": func(s *shelf, _ *Verifier,
			_ *Request, _ *gpgtest.Home) {
			s.status = 503
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, verifier, request, home := gpgKnown(t)
			change(s, verifier, &request, home)
			digest, err := verifier.Digest(context.Background(), request)
			if err == nil {
				t.Errorf("%s is admitted on what was found before", digest)
			}
		})
	}
}

func TestARemovedGPGSignatureCountsForAnHourAtMost(t *testing.T) {
	s, verifier, request, _ := gpgKnown(t)
	s.remove("/signature-1")
	verifier.Now = func() time.Time {
		return time.Now().Add(longestKept - time.Minute)
	}
	if _, err := verifier.Digest(context.Background(), request); err != nil {
		t.Errorf("it is read again within the hour: %v", err)
	}
	verifier.Now = func() time.Time {
		return time.Now().Add(longestKept + time.Second)
	}
	if _, err := verifier.Digest(context.Background(), request); err == nil {
		t.Error("it counts after an hour still")
	}
}

func TestAGPGSignatureIsRememberedNoLongerThanItsKeyIsGood(t *testing.T) {
	s, verifier := newShelf(t)
	request := s.request()
	home := gpgtest.New(t, "b")
	home.Key("a", "rsa2048", "seconds=1800")
	s.putSignature(manifest, home.Sign("a", request.Name+":v1", manifest))
	request.SignedBy = []simple.Requirement{{
		KeyRing: append(home.Ring("b"), home.Ring("a")...)}}
	if _, err := verifier.Digest(context.Background(), request); err != nil {
		t.Fatal(err)
	}
	s.remove("/signature-1") // so that it is seen when it is read again
	for _, row := range []struct {
		ahead  time.Duration
		counts bool
	}{{20 * time.Minute, true}, {31 * time.Minute, false}} {
		verifier.Now = func() time.Time { return time.Now().Add(row.ahead) }
		_, err := verifier.Digest(context.Background(), request)
		if (err == nil) != row.counts {
			t.Errorf("after %s the error is %v", row.ahead, err)
		}
	}
}

func TestATagSignedAnewWithGPGIsSeenAtOnce(t *testing.T) {
	s, verifier, request, home := gpgKnown(t)
	s.putSignature(later, home.Sign("a", request.Name+":v1", later))
	s.manifest("v1", later)
	got, err := verifier.Digest(context.Background(), request)
	if err != nil || got != digestOf(later) {
		t.Errorf("the digest is %s, %v; want %s", got, err, digestOf(later))
	}
}

func TestAMissingGPGSignatureIsLookedForEachTime(t *testing.T) {
	s, verifier := newShelf(t)
	request := s.request()
	home := gpgtest.New(t, "a")
	request.SignedBy = []simple.Requirement{{KeyRing: home.Ring("a")}}
	if _, err := s.asks(verifier, request); err == nil {
		t.Fatal("there is no signature")
	}
	s.putSignature(manifest, home.Sign("a", request.Name+":v1", manifest))
	if _, err := s.asks(verifier, request); err != nil {
		t.Errorf("the new signature is not seen: %v", err)
	}
}

func TestManyWhoAskAtOnceReadOneGPGSignature(t *testing.T) {
	s, verifier := newShelf(t)
	request := s.request()
	request.SignedBy = []simple.Requirement{{KeyRing: s.gpgSigned(t)}}
	if read := s.readBy50(t, verifier, request, "/signature-1"); read != 1 {
		t.Errorf("the signature was read %d times", read)
	}
}
