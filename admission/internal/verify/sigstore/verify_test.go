// SPDX-License-Identifier: Apache-2.0

package sigstore

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/attached"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/attached/attachedtest"
)

// shelf is a repository in which cosign keeps signatures.
type shelf struct{ *attachedtest.Shelf }

func newShelf() *shelf { return &shelf{attachedtest.New()} }

// attach stores a bundle as cosign 3 does and returns its descriptor.
func (s *shelf) attach(t *testing.T, bundle any, predicate string) attached.Descriptor {
	return s.Manifest(t, bundleType, map[string]any{
		"mediaType": attached.ManifestType, "artifactType": bundleType,
		"layers":      []attached.Descriptor{s.Blob(bundleType, encode(t, bundle))},
		"annotations": map[string]string{predicateAnnotation: predicate},
	})
}

// tag stores signatures of payloads as cosign 2 does.
func (s *shelf) tag(t *testing.T, digest string, layers ...attached.Descriptor) {
	tag := "manifests/" + strings.Replace(digest, ":", "-", 1) + ".sig"
	s.Put(tag, attached.ManifestType, encode(t, map[string]any{"layers": layers}))
}

func (s *shelf) layer(payload []byte, sign signFunc) attached.Descriptor {
	d := s.Blob(simpleLayer, payload)
	d.Annotations = map[string]string{signatureAnnotation: base64.StdEncoding.EncodeToString(sign(payload))}
	return d
}

const repository = "registry.local:9001/team/app"

func TestSignatureOfEitherFormIsFound(t *testing.T) {
	public, sign := p256(t)
	_, stranger := p256(t)
	for name, fill := range map[string]func(*shelf) Form{
		"tag form": func(s *shelf) Form {
			s.tag(t, ours, s.layer(payload(repository, ours), sign))
			return TagForm
		},
		"tag form behind a stranger's": func(s *shelf) Form {
			text := payload(repository, ours)
			s.tag(t, ours, s.layer(text, sign), s.layer(text, stranger))
			return TagForm
		},
		"bundle by the referrers API": func(s *shelf) Form {
			s.List(t, "referrers/"+ours, s.attach(t, bundle(t, sign, statement(ours)), signPredicate))
			return BundleForm
		},
		"bundle by the fallback tag with the type of the empty config": func(s *shelf) Form {
			d := s.attach(t, bundle(t, sign, statement(ours)), signPredicate)
			d.ArtifactType = emptyType
			s.List(t, "manifests/"+strings.Replace(ours, ":", "-", 1), d)
			return BundleForm
		},
		"bundle behind a front page for an API": func(s *shelf) Form {
			s.Put("referrers/"+ours, "text/html", []byte("<html>"))
			s.List(t, "manifests/"+strings.Replace(ours, ":", "-", 1),
				s.attach(t, bundle(t, sign, statement(ours)), signPredicate))
			return BundleForm
		},
		"bundle on the second page": func(s *shelf) Form {
			s.List(t, "referrers/"+ours, s.attach(t, bundle(t, stranger, statement(ours)), signPredicate))
			first := s.Answers["referrers/"+ours]
			first.Header.Set("Link", `</v2/team/app/referrers/`+ours+`?n=2>; rel="next"`)
			s.List(t, "referrers/"+ours+"?n=2", s.attach(t, bundle(t, sign, statement(ours)), signPredicate))
			return BundleForm
		},
		"bundle though the tag form fails": func(s *shelf) Form {
			s.Faults["manifests/"+strings.Replace(ours, ":", "-", 1)+".sig"] = errors.New("reset")
			s.List(t, "referrers/"+ours, s.attach(t, bundle(t, sign, statement(ours)), signPredicate))
			return BundleForm
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShelf()
			form := fill(s)
			keys := mustKeys(t, public)
			result, err := Verify(t.Context(), Request{Repository: s, Digest: ours, Keys: keys})
			if err != nil {
				t.Fatal(err)
			}
			if result.Form != form || result.Key != keys[0].ID {
				t.Errorf("got %+v", result)
			}
		})
	}
}

func TestImageWithoutSignatureIsUnsignedAndNotAFault(t *testing.T) {
	public, _ := p256(t)
	_, err := Verify(t.Context(), Request{Repository: newShelf(), Digest: ours, Keys: mustKeys(t, public)})
	if !errors.Is(err, attached.ErrUnsigned) {
		t.Fatalf("got %v", err)
	}
}

func TestAttestationOfTheKeyIsNoSignature(t *testing.T) {
	public, sign := p256(t)
	provenance := []byte(strings.Replace(string(statement(ours)), signPredicate, "https://slsa.dev/provenance/v1", 1))
	for name, annotation := range map[string]string{
		"annotated honestly": "https://slsa.dev/provenance/v1", "annotated as a signature": signPredicate, "not annotated": "",
	} {
		t.Run(name, func(t *testing.T) {
			s := newShelf()
			s.List(t, "referrers/"+ours, s.attach(t, bundle(t, sign, provenance), annotation))
			if result, err := Verify(t.Context(), Request{Repository: s, Digest: ours, Keys: mustKeys(t, public)}); err == nil {
				t.Fatalf("accepted: %+v", result)
			}
		})
	}
}

func TestWhatTheRegistrySaysIsNotTrusted(t *testing.T) {
	public, sign := p256(t)
	_, stranger := p256(t)
	var refused attached.Refused
	for name, fill := range map[string]func(*shelf){
		"bundle of another digest listed here": func(s *shelf) {
			s.List(t, "referrers/"+ours, s.attach(t, bundle(t, sign, statement(theirs)), signPredicate))
		},
		"signature of another digest under our tag": func(s *shelf) {
			s.tag(t, ours, s.layer(payload(repository, theirs), sign))
		},
		"signature by a stranger": func(s *shelf) {
			s.tag(t, ours, s.layer(payload(repository, ours), stranger))
		},
		"blob with other content": func(s *shelf) {
			d := s.layer(payload(repository, ours), sign)
			s.Put("blobs/"+d.Digest, "", payload(repository, theirs))
			s.tag(t, ours, d)
		},
		"payload too large": func(s *shelf) {
			s.tag(t, ours, s.layer(append(payload(repository, ours), make([]byte, maxPayload)...), sign))
		},
		"signature made for another repository": func(s *shelf) {
			s.tag(t, ours, s.layer(payload("evil.example/app", ours), sign))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShelf()
			fill(s)
			_, err := Verify(t.Context(), Request{Repository: s, Digest: ours, Keys: mustKeys(t, public),
				Identity: func(r string) bool { return r == repository }})
			if !errors.As(err, &refused) {
				t.Fatalf("got %v, not a refusal", err)
			}
		})
	}
}

func TestFaultOfTheRegistryIsNotUnsigned(t *testing.T) {
	public, _ := p256(t)
	for name, fill := range map[string]func(*shelf){
		"referrers answer 500":      func(s *shelf) { s.Answers["referrers/"+ours] = attached.Answer{Status: 500} },
		"referrers answer 403":      func(s *shelf) { s.Answers["referrers/"+ours] = attached.Answer{Status: 403} },
		"connection lost":           func(s *shelf) { s.Faults["referrers/"+ours] = errors.New("reset") },
		"list is garbage":           func(s *shelf) { s.Put("referrers/"+ours, attached.IndexType, []byte("{")) },
		"next page on another host": func(s *shelf) { page(s, t, `<https://evil.example/v2/team/app/referrers/x>; rel="next"`) },
		"endless pages":             func(s *shelf) { page(s, t, `</v2/team/app/referrers/`+ours+`>; rel="next"`) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newShelf()
			fill(s)
			_, err := Verify(t.Context(), Request{Repository: s, Digest: ours, Keys: mustKeys(t, public)})
			var refused attached.Refused
			if err == nil || errors.Is(err, attached.ErrUnsigned) || errors.As(err, &refused) {
				t.Fatalf("got %v", err)
			}
		})
	}
}

func page(s *shelf, t *testing.T, link string) {
	s.List(t, "referrers/"+ours)
	s.Answers["referrers/"+ours].Header.Set("Link", link)
}

func TestNumberOfSignaturesReadIsBounded(t *testing.T) {
	public, _ := p256(t)
	_, stranger := p256(t)
	s := newShelf()
	var list []attached.Descriptor
	var layers []attached.Descriptor
	for i := range attached.MaxCandidates * 2 {
		text := append(payload(repository, ours), fmt.Sprint(" \n"[i%2:i%2+1], i)...)
		layers = append(layers, s.layer(text, stranger))
		list = append(list, s.attach(t, bundle(t, stranger, fmt.Appendf(nil, "%d", i)), signPredicate))
	}
	s.tag(t, ours, layers...)
	s.List(t, "referrers/"+ours, list...)
	if _, err := Verify(t.Context(), Request{Repository: s, Digest: ours, Keys: mustKeys(t, public)}); err == nil {
		t.Fatal("accepted")
	}
	if limit := 2 + attached.MaxCandidates*3; len(s.Asked) > limit {
		t.Errorf("%d requests, more than %d", len(s.Asked), limit)
	}
}

func TestBundleIsRefusedWhereTheRepositoryMustBeNamed(t *testing.T) {
	public, sign := p256(t)
	s := newShelf()
	s.List(t, "referrers/"+ours, s.attach(t, bundle(t, sign, statement(ours)), signPredicate))
	_, err := Verify(t.Context(), Request{Repository: s, Digest: ours, Keys: mustKeys(t, public), RequireIdentity: true})
	if err == nil || !strings.Contains(err.Error(), "names no repository") {
		t.Fatalf("got %v", err)
	}
}

// broken is a repository whose reader panics.
type broken struct{ *shelf }

func (broken) Get(context.Context, string, string, int64) (attached.Answer, error) {
	panic("broken")
}

// A panic in a goroutine of its own would end the process.
func TestAPanicOfAReaderIsAnError(t *testing.T) {
	public, _ := p256(t)
	_, err := Verify(t.Context(), Request{
		Repository: broken{newShelf()}, Digest: ours, Keys: mustKeys(t, public)})
	if err == nil || !strings.Contains(err.Error(), "broken") || errors.Is(err, attached.ErrUnsigned) {
		t.Errorf("got %v", err)
	}
}
