// SPDX-License-Identifier: Apache-2.0

package attached

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// Search opens the referrers of a digest that may be signatures, one by one,
// until one convinces. Without any it returns ErrUnsigned, and a Refused when
// none of them does; any other error says that nothing is known.
func Search(ctx context.Context, r Repository, digest string,
	maySign func(Descriptor) bool, open func(context.Context, Descriptor) error) error {
	referrers, err := listReferrers(ctx, r, digest)
	if err != nil {
		return err
	}
	var refused Refusals
	looked := 0
	for _, d := range referrers {
		if !maySign(d) {
			continue
		}
		if looked++; looked > MaxCandidates {
			refused.Add(fmt.Errorf("more than %d signatures, the rest was not read", MaxCandidates))
			break
		}
		err := open(ctx, d)
		switch {
		case err == nil:
			return nil
		case Interrupts(err):
			return err
		case !errors.Is(err, ErrOther):
			refused.Add(fmt.Errorf("signature %s: %w", d.Digest, err))
		}
	}
	return refused.Verdict()
}

// listReferrers asks the API (distribution specification 1.1) or, where the
// registry has none, the tag that clients then keep.
func listReferrers(ctx context.Context, r Repository, digest string) ([]Descriptor, error) {
	var all []Descriptor
	left, held := int64(MaxManifest), 0 // for all pages together
	path := "referrers/" + digest
	for page := 1; path != ""; page++ {
		if page > maxPages {
			return nil, fmt.Errorf("the list of referrers has more than %d pages", maxPages)
		}
		answer, err := Read(ctx, r, path, IndexType, "", left)
		if page == 1 && lacksReferrers(answer, err) {
			tag := strings.Replace(digest, ":", "-", 1)
			answer, err = Read(ctx, r, "manifests/"+tag, IndexType, "", MaxManifest)
			if StatusOf(err) == http.StatusNotFound {
				return nil, nil
			}
			answer.Header = nil
		}
		if err != nil {
			return nil, fmt.Errorf("list of referrers: %w", err)
		}
		left -= int64(len(answer.Body))
		if held += values(answer.Body); held > maxValues {
			return nil, fmt.Errorf("the list of referrers holds more than the %d values that are read", maxValues)
		}
		var index struct{ Manifests []Descriptor }
		if err := json.Unmarshal(answer.Body, &index); err != nil {
			return nil, fmt.Errorf("list of referrers: %w", err)
		}
		all = append(all, index.Manifests...)
		if path, err = nextPage(r.Base(), path, answer.Header.Get("Link")); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// lacksReferrers tells a registry without the API from one that failed. Some
// answer 200 with their front page.
func lacksReferrers(answer Answer, err error) bool {
	switch StatusOf(err) {
	case http.StatusNotFound, http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusNotAcceptable:
		return true
	}
	return err == nil && !strings.HasPrefix(answer.Header.Get("Content-Type"), IndexType)
}

// nextPage takes the rel=next target out of a Link header. It must stay below
// the referrers of this repository.
func nextPage(base, path, link string) (string, error) {
	target, rest, ok := strings.Cut(strings.TrimPrefix(link, "<"), ">")
	if !ok || !strings.Contains(rest, "next") {
		return "", nil
	}
	current, err := url.Parse(base + path)
	if err != nil {
		return "", err
	}
	next, err := current.Parse(target)
	if err != nil {
		return "", err
	}
	below, ok := strings.CutPrefix(next.String(), base+"referrers/")
	if !ok {
		return "", errors.New("the next page of referrers lies elsewhere")
	}
	return "referrers/" + below, nil
}
