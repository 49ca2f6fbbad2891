// SPDX-License-Identifier: Apache-2.0

package attached_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/attached"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/attached/attachedtest"
)

const kind = "application/vnd.example.signature"

var (
	image    = "sha256:" + strings.Repeat("a1", 32)
	list     = "referrers/" + image
	fallback = "manifests/" + strings.Replace(image, ":", "-", 1)
)

// named is a referrer that the tests know by one letter.
func named(letter string) attached.Descriptor {
	return attached.Descriptor{ArtifactType: kind, Digest: letter}
}

// search opens what is a signature by its type, with the outcome of each, and
// returns what was opened.
func search(t *testing.T, s *attachedtest.Shelf, outcome func(digest string) error) ([]string, error) {
	t.Helper()
	var opened []string
	err := attached.Search(t.Context(), s, image,
		func(d attached.Descriptor) bool { return d.ArtifactType == kind },
		func(_ context.Context, d attached.Descriptor) error {
			opened = append(opened, d.Digest)
			return outcome(d.Digest)
		})
	return opened, err
}

func refuse(string) error { return errors.New("no") }

func TestReferrersAreFoundByTheAPIOrTheFallbackTag(t *testing.T) {
	for name, row := range map[string]struct {
		fill func(s *attachedtest.Shelf)
		want string
	}{
		"the API": {func(s *attachedtest.Shelf) {
			s.List(t, list, named("a"), named("b"))
			s.List(t, fallback, named("c"))
		}, "ab"},
		"no API": {func(s *attachedtest.Shelf) { s.List(t, fallback, named("c")) }, "c"},
		"no API, in other words": {func(s *attachedtest.Shelf) {
			s.Answers[list] = attached.Answer{Status: http.StatusMethodNotAllowed}
			s.List(t, fallback, named("c"))
		}, "c"},
		"a front page in place of the API": {func(s *attachedtest.Shelf) {
			s.Put(list, "text/html", []byte("<html>"))
			s.List(t, fallback, named("c"))
		}, "c"},
		"neither": {func(*attachedtest.Shelf) {}, ""},
		"pages": {func(s *attachedtest.Shelf) {
			s.List(t, list, named("a"))
			s.Answers[list].Header.Set("Link", `</v2/team/app/`+list+`?n=2>; rel="next"`)
			s.List(t, list+"?n=2", named("b"))
		}, "ab"},
		"among others": {func(s *attachedtest.Shelf) {
			s.List(t, list, attached.Descriptor{ArtifactType: "application/vnd.example.sbom", Digest: "x"}, named("a"))
		}, "a"},
	} {
		t.Run(name, func(t *testing.T) {
			s := attachedtest.New()
			row.fill(s)
			opened, err := search(t, s, refuse)
			if got := strings.Join(opened, ""); got != row.want {
				t.Errorf("opened %q, not %q", got, row.want)
			}
			if unsigned := errors.Is(err, attached.ErrUnsigned); unsigned != (row.want == "") {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

func TestSearchEndsWithTheFirstThatConvinces(t *testing.T) {
	s := attachedtest.New()
	s.List(t, list, named("a"), named("b"), named("c"), named("d"))
	opened, err := search(t, s, func(digest string) error {
		return map[string]error{"a": errors.New("no"), "b": attached.ErrOther}[digest]
	})
	if err != nil || !slices.Equal(opened, []string{"a", "b", "c"}) {
		t.Errorf("opened %q, %v", opened, err)
	}
}

func TestSearchSaysWhyNoneConvinced(t *testing.T) {
	var refused attached.Refused
	for name, row := range map[string]struct {
		outcome func(string) error
		check   func(error) bool
	}{
		"refused": {refuse, func(err error) bool {
			return errors.As(err, &refused) && strings.Contains(err.Error(), "signature a: no")
		}},
		"none is a signature": {func(string) error { return attached.ErrOther },
			func(err error) bool { return errors.Is(err, attached.ErrUnsigned) }},
		"the time is up": {func(string) error { return context.DeadlineExceeded },
			func(err error) bool { return attached.Interrupts(err) && !errors.As(err, &refused) }},
	} {
		t.Run(name, func(t *testing.T) {
			s := attachedtest.New()
			s.List(t, list, named("a"), named("b"))
			if _, err := search(t, s, row.outcome); !row.check(err) {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

func TestFaultOfTheListIsNotUnsigned(t *testing.T) {
	link := func(s *attachedtest.Shelf, target string) {
		s.List(t, list)
		s.Answers[list].Header.Set("Link", target)
	}
	for name, fill := range map[string]func(*attachedtest.Shelf){
		"an error":            func(s *attachedtest.Shelf) { s.Answers[list] = attached.Answer{Status: 500} },
		"no right to read":    func(s *attachedtest.Shelf) { s.Answers[list] = attached.Answer{Status: 403} },
		"a lost answer":       func(s *attachedtest.Shelf) { s.Faults[list] = errors.New("reset") },
		"garbage":             func(s *attachedtest.Shelf) { s.Put(list, attached.IndexType, []byte("{")) },
		"a page elsewhere":    func(s *attachedtest.Shelf) { link(s, `<https://evil.example/v2/team/app/referrers/x>; rel="next"`) },
		"pages without end":   func(s *attachedtest.Shelf) { link(s, `</v2/team/app/`+list+`>; rel="next"`) },
		"an error by the tag": func(s *attachedtest.Shelf) { s.Answers[fallback] = attached.Answer{Status: 500} },
	} {
		t.Run(name, func(t *testing.T) {
			s := attachedtest.New()
			fill(s)
			_, err := search(t, s, refuse)
			var refused attached.Refused
			if err == nil || errors.Is(err, attached.ErrUnsigned) || errors.As(err, &refused) {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

// Two bytes of JSON that become a hundred of memory, a million times.
func nothings(field string, count int) []byte {
	return fmt.Appendf(nil, `{%q:[{}%s]}`, field, strings.Repeat(",{}", count-1))
}

func TestAListOfCountlessNothingsIsNotTakenApart(t *testing.T) {
	s := attachedtest.New()
	s.Put(list, attached.IndexType, nothings("manifests", 1<<20))
	_, err := search(t, s, refuse)
	if err == nil || !strings.Contains(err.Error(), "the list of referrers holds more than") {
		t.Errorf("of one page: %v", err)
	}
	path := list
	for page := range 5 {
		s.Put(path, attached.IndexType, nothings("manifests", 20000))
		next := fmt.Sprintf("%s?n=%d", list, page)
		s.Answers[path].Header.Set("Link", "</v2/team/app/"+next+`>; rel="next"`)
		path = next
	}
	_, err = search(t, s, refuse)
	if err == nil || !strings.Contains(err.Error(), "the list of referrers holds more than") {
		t.Errorf("of many pages: %v", err)
	}
	d := s.Manifest(t, kind, json.RawMessage(nothings("layers", 1<<20)))
	if _, err := attached.ReadManifest(t.Context(), s, d); err == nil || !strings.Contains(err.Error(), "values") {
		t.Errorf("of a manifest: %v", err)
	}
}

func TestNoMoreThanSoManySignaturesAreOpened(t *testing.T) {
	s := attachedtest.New()
	var all []attached.Descriptor
	for i := range 2 * attached.MaxCandidates {
		all = append(all, named(fmt.Sprint(i)))
	}
	s.List(t, list, all...)
	opened, err := search(t, s, refuse)
	if len(opened) != attached.MaxCandidates || !strings.Contains(err.Error(), "and 62 more") {
		t.Errorf("%d were opened, %v", len(opened), err)
	}
}

func TestContentMustBeWhatItsDescriptorSays(t *testing.T) {
	s := attachedtest.New()
	d := s.Manifest(t, kind, map[string]any{"artifactType": kind})
	if m, err := attached.ReadManifest(t.Context(), s, d); err != nil || m.ArtifactType != kind {
		t.Errorf("read %+v, %v", m, err)
	}
	for name, change := range map[string]func(*attached.Descriptor){
		"another media type": func(d *attached.Descriptor) { d.MediaType = attached.IndexType },
		"no digest":          func(d *attached.Descriptor) { d.Digest = "latest" },
		"no size":            func(d *attached.Descriptor) { d.Size = 0 },
		"too large a size":   func(d *attached.Descriptor) { d.Size = attached.MaxManifest + 1 },
		"nothing there":      func(d *attached.Descriptor) { d.Digest = image },
		"other content": func(d *attached.Descriptor) {
			d.Digest = image
			s.Put("manifests/"+image, attached.ManifestType, []byte("{}"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			changed := d
			change(&changed)
			if _, err := attached.ReadManifest(t.Context(), s, changed); err == nil {
				t.Error("read")
			}
		})
	}
	blob := s.Blob(kind, []byte("content"))
	if got, err := attached.ReadBlob(t.Context(), s, blob, 7); err != nil || string(got) != "content" {
		t.Errorf("read %q, %v", got, err)
	}
	if _, err := attached.ReadBlob(t.Context(), s, blob, 6); err == nil {
		t.Error("read more than the limit")
	}
}
