// SPDX-License-Identifier: Apache-2.0

package sigstore

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/attached"
)

// shelf is a repository in memory: path → answer. It counts requests.
type shelf struct {
	mu      sync.Mutex
	answers map[string]attached.Answer
	faults  map[string]error
	asked   []string
}

func (s *shelf) Base() string { return "https://registry.local:9001/v2/team/app/" }

func (s *shelf) Get(_ context.Context, path, _ string, limit int64) (attached.Answer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, path)
	if err := s.faults[path]; err != nil {
		return attached.Answer{}, err
	}
	answer, ok := s.answers[path]
	if !ok {
		return attached.Answer{Status: http.StatusNotFound, Header: http.Header{}}, nil
	}
	if int64(len(answer.Body)) > limit {
		return attached.Answer{}, fmt.Errorf("more than %d bytes", limit)
	}
	return answer, nil
}

func newShelf() *shelf {
	return &shelf{answers: map[string]attached.Answer{}, faults: map[string]error{}}
}

func (s *shelf) put(path, contentType string, body []byte) {
	s.answers[path] = attached.Answer{Status: http.StatusOK,
		Header: http.Header{"Content-Type": {contentType}}, Body: body}
}

func (s *shelf) blob(content []byte) string {
	s.put("blobs/"+sha(content), "application/octet-stream", content)
	return sha(content)
}

// attach stores a bundle as cosign 3 does and returns its descriptor.
func (s *shelf) attach(t *testing.T, bundle any, predicate string) attached.Descriptor {
	content := encode(t, bundle)
	manifest := encode(t, map[string]any{
		"mediaType": attached.ManifestType, "artifactType": bundleType,
		"layers":      []attached.Descriptor{{MediaType: bundleType, Digest: s.blob(content), Size: int64(len(content))}},
		"annotations": map[string]string{predicateAnnotation: predicate},
	})
	s.put("manifests/"+sha(manifest), attached.ManifestType, manifest)
	return attached.Descriptor{MediaType: attached.ManifestType, ArtifactType: bundleType, Digest: sha(manifest), Size: int64(len(manifest))}
}

func (s *shelf) list(t *testing.T, path string, referrers ...attached.Descriptor) {
	s.put(path, attached.IndexType, encode(t, map[string]any{"manifests": referrers}))
}

// tag stores signatures of payloads as cosign 2 does.
func (s *shelf) tag(t *testing.T, digest string, layers ...attached.Descriptor) {
	tag := "manifests/" + strings.Replace(digest, ":", "-", 1) + ".sig"
	s.put(tag, attached.ManifestType, encode(t, map[string]any{"layers": layers}))
}

func (s *shelf) layer(payload []byte, sign signFunc) attached.Descriptor {
	return attached.Descriptor{MediaType: simpleLayer, Digest: s.blob(payload), Size: int64(len(payload)),
		Annotations: map[string]string{signatureAnnotation: base64.StdEncoding.EncodeToString(sign(payload))}}
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
			s.list(t, "referrers/"+ours, s.attach(t, bundle(t, sign, statement(ours)), signPredicate))
			return BundleForm
		},
		"bundle by the fallback tag with the type of the empty config": func(s *shelf) Form {
			d := s.attach(t, bundle(t, sign, statement(ours)), signPredicate)
			d.ArtifactType = emptyType
			s.list(t, "manifests/"+strings.Replace(ours, ":", "-", 1), d)
			return BundleForm
		},
		"bundle behind a front page for an API": func(s *shelf) Form {
			s.put("referrers/"+ours, "text/html", []byte("<html>"))
			s.list(t, "manifests/"+strings.Replace(ours, ":", "-", 1),
				s.attach(t, bundle(t, sign, statement(ours)), signPredicate))
			return BundleForm
		},
		"bundle on the second page": func(s *shelf) Form {
			s.list(t, "referrers/"+ours, s.attach(t, bundle(t, stranger, statement(ours)), signPredicate))
			first := s.answers["referrers/"+ours]
			first.Header.Set("Link", `</v2/team/app/referrers/`+ours+`?n=2>; rel="next"`)
			s.list(t, "referrers/"+ours+"?n=2", s.attach(t, bundle(t, sign, statement(ours)), signPredicate))
			return BundleForm
		},
		"bundle though the tag form fails": func(s *shelf) Form {
			s.faults["manifests/"+strings.Replace(ours, ":", "-", 1)+".sig"] = errors.New("reset")
			s.list(t, "referrers/"+ours, s.attach(t, bundle(t, sign, statement(ours)), signPredicate))
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
			s.list(t, "referrers/"+ours, s.attach(t, bundle(t, sign, provenance), annotation))
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
			s.list(t, "referrers/"+ours, s.attach(t, bundle(t, sign, statement(theirs)), signPredicate))
		},
		"signature of another digest under our tag": func(s *shelf) {
			s.tag(t, ours, s.layer(payload(repository, theirs), sign))
		},
		"signature by a stranger": func(s *shelf) {
			s.tag(t, ours, s.layer(payload(repository, ours), stranger))
		},
		"blob with other content": func(s *shelf) {
			d := s.layer(payload(repository, ours), sign)
			s.put("blobs/"+d.Digest, "", payload(repository, theirs))
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
		"referrers answer 500":      func(s *shelf) { s.answers["referrers/"+ours] = attached.Answer{Status: 500} },
		"referrers answer 403":      func(s *shelf) { s.answers["referrers/"+ours] = attached.Answer{Status: 403} },
		"connection lost":           func(s *shelf) { s.faults["referrers/"+ours] = errors.New("reset") },
		"list is garbage":           func(s *shelf) { s.put("referrers/"+ours, attached.IndexType, []byte("{")) },
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
	s.list(t, "referrers/"+ours)
	s.answers["referrers/"+ours].Header.Set("Link", link)
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
	s.list(t, "referrers/"+ours, list...)
	if _, err := Verify(t.Context(), Request{Repository: s, Digest: ours, Keys: mustKeys(t, public)}); err == nil {
		t.Fatal("accepted")
	}
	if limit := 2 + attached.MaxCandidates*3; len(s.asked) > limit {
		t.Errorf("%d requests, more than %d", len(s.asked), limit)
	}
}

func TestBundleIsRefusedWhereTheRepositoryMustBeNamed(t *testing.T) {
	public, sign := p256(t)
	s := newShelf()
	s.list(t, "referrers/"+ours, s.attach(t, bundle(t, sign, statement(ours)), signPredicate))
	_, err := Verify(t.Context(), Request{Repository: s, Digest: ours, Keys: mustKeys(t, public), RequireIdentity: true})
	if err == nil || !strings.Contains(err.Error(), "names no repository") {
		t.Fatalf("got %v", err)
	}
}
