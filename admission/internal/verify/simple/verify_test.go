// SPDX-License-Identifier: Apache-2.0

package simple

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"go.podman.io/image/v5/manifest"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/gpgtest"
)

// The signatures of these tests are made by the real gpg and skopeo.

const signedName = "registry.local:9001/team/app:v1"

// noneOf is the digest of no manifest here.
const noneOf = "sha256:0000000000000000000000000000000000000000000000000000000000000000"

var imageManifest = []byte(`{"schemaVersion":2,` +
	`"mediaType":"application/vnd.docker.distribution.manifest.v2+json",` +
	`"config":{"mediaType":"application/vnd.docker.container.image.v1+json","size":2,` +
	`"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"},"layers":[]}`)

func serve(files map[string][]byte) Fetch {
	return func(_ context.Context, path, _ string, limit int64) (int, []byte, error) {
		body, ok := files[path]
		if !ok {
			return http.StatusNotFound, nil, nil
		}
		if int64(len(body)) > limit {
			return 0, nil, fmt.Errorf("more than %d bytes", limit)
		}
		return http.StatusOK, body, nil
	}
}

func registry(manifestBytes []byte) Fetch {
	digest, err := manifest.Digest(manifestBytes)
	if err != nil {
		panic(err)
	}
	return serve(map[string][]byte{"manifests/v1": manifestBytes, "manifests/" + digest.String(): manifestBytes})
}

func store(signatures ...[]byte) Fetch {
	digest, err := manifest.Digest(imageManifest)
	if err != nil {
		panic(err)
	}
	files := map[string][]byte{}
	for i, signature := range signatures {
		files[fmt.Sprintf("team/app@sha256=%s/signature-%d", digest.Encoded(), i+1)] = signature
	}
	return serve(files)
}

func TestImageSignedByTheRequiredKeysIsAccepted(t *testing.T) {
	s := gpgtest.New(t, "one", "two")
	both := append(s.Ring("one"), s.Ring("two")...)
	byOne, byTwo := s.Sign("one", signedName, imageManifest), s.Sign("two", signedName, imageManifest)
	digest, err := manifest.Digest(imageManifest)
	if err != nil {
		t.Fatal(err)
	}
	for name, request := range map[string]Request{
		"one key, armored":             {Store: store(byOne), Requirements: []Requirement{{KeyRing: s.Ring("one")}}},
		"one key, binary":              {Store: store(byOne), Requirements: []Requirement{{KeyRing: s.Run("gpg", "--export", "one@example.com")}}},
		"second of two armored blocks": {Store: store(byTwo), Requirements: []Requirement{{KeyRing: both}}},
		"second of two signatures":     {Store: store(byTwo, byOne), Requirements: []Requirement{{KeyRing: s.Ring("one")}}},
		"two requirements":             {Store: store(byOne, byTwo), Requirements: []Requirement{{KeyRing: s.Ring("one")}, {KeyRing: s.Ring("two")}}},
		"asked for by digest":          {Reference: "registry.local:9001/team/app@" + digest.String(), Store: store(byOne), Requirements: []Requirement{{KeyRing: s.Ring("one")}}},
		"matchRepository": {Store: store(s.Sign("one", "registry.local:9001/team/app:old", imageManifest)),
			Requirements: []Requirement{{KeyRing: s.Ring("one"), Identity: Identity{Type: "matchRepository"}}}},
		"matchExactRepository": {Store: store(s.Sign("one", "origin.example.com/app:v1", imageManifest)),
			Requirements: []Requirement{{KeyRing: s.Ring("one"), Identity: Identity{Type: "matchExactRepository", DockerRepository: "origin.example.com/app"}}}},
		"matchExactReference": {Store: store(s.Sign("one", "origin.example.com/app:v7", imageManifest)),
			Requirements: []Requirement{{KeyRing: s.Ring("one"), Identity: Identity{Type: "matchExactReference", DockerReference: "origin.example.com/app:v7"}}}},
		"remapIdentity": {Store: store(s.Sign("one", "origin.example.com/team/app:v1", imageManifest)),
			Requirements: []Requirement{{KeyRing: s.Ring("one"), Identity: Identity{Type: "remapIdentity", Prefix: "registry.local:9001", SignedPrefix: "origin.example.com"}}}},
	} {
		t.Run(name, func(t *testing.T) {
			if request.Reference == "" {
				request.Reference = signedName
			}
			request.Repository = registry(imageManifest)
			got, err := Verify(t.Context(), request)
			if err != nil {
				t.Fatal(err)
			}
			if got != digest.String() {
				t.Errorf("got digest %s, want %s", got, digest)
			}
		})
	}
}

func TestSignaturesThatDoNotSatisfyAreRefused(t *testing.T) {
	s := gpgtest.New(t, "one", "two")
	byOne := s.Sign("one", signedName, imageManifest)
	var refused *Refused
	for name, request := range map[string]Request{
		"another key":                 {Store: store(byOne), Requirements: []Requirement{{KeyRing: s.Ring("two")}}},
		"one of two requirements":     {Store: store(byOne), Requirements: []Requirement{{KeyRing: s.Ring("one")}, {KeyRing: s.Ring("two")}}},
		"signature of another digest": {Store: store(s.Sign("one", signedName, append(bytes.Clone(imageManifest), '\n'))), Requirements: []Requirement{{KeyRing: s.Ring("one")}}},
		"signature for another name":  {Store: store(s.Sign("one", "registry.local:9001/team/other:v1", imageManifest)), Requirements: []Requirement{{KeyRing: s.Ring("one")}}},
		"signature for another tag":   {Store: store(s.Sign("one", "registry.local:9001/team/app:v2", imageManifest)), Requirements: []Requirement{{KeyRing: s.Ring("one")}}},
		"file that is no signature":   {Store: store([]byte("<html>")), Requirements: []Requirement{{KeyRing: s.Ring("one")}}},
		"name outside the remapped":   {Store: store(byOne), Requirements: []Requirement{{KeyRing: s.Ring("one"), Identity: Identity{Type: "remapIdentity", Prefix: "registry.local:9001", SignedPrefix: "origin.example.com"}}}},
	} {
		t.Run(name, func(t *testing.T) {
			request.Reference, request.Repository = signedName, registry(imageManifest)
			_, err := Verify(t.Context(), request)
			if !errors.As(err, &refused) {
				t.Fatalf("got %v, not a refusal", err)
			}
		})
	}
}

func TestEachWayThatThereIsNothingToJudgeIsToldApart(t *testing.T) {
	s := gpgtest.New(t, "one")
	ring := []Requirement{{KeyRing: s.Ring("one")}}
	fail := func(status int, err error) Fetch {
		return func(context.Context, string, string, int64) (int, []byte, error) { return status, nil, err }
	}
	var refused *Refused
	var bad *BadRequirement
	for name, c := range map[string]struct {
		request Request
		right   func(error) bool
	}{
		"unsigned": {Request{Store: store(), Requirements: ring}, func(err error) bool { return errors.Is(err, ErrUnsigned) }},
		"no store": {Request{Requirements: ring}, func(err error) bool { return errors.Is(err, ErrNoStore) }},
		"store answers 500": {Request{Store: fail(500, nil), Requirements: ring}, func(err error) bool {
			return strings.Contains(err.Error(), "answered 500") && !errors.As(err, &refused)
		}},
		"store is down": {Request{Store: fail(0, errors.New("connection refused")), Requirements: ring}, func(err error) bool { return strings.Contains(err.Error(), "connection refused") }},
		"registry at an address": {Request{Reference: "[fd00::1]:9001/team/app:v1", Store: store(), Requirements: ring},
			func(err error) bool { return errors.Is(err, ErrNoName) }},
		"registry in capitals": {Request{Reference: "REGISTRY/team/app:v1", Store: store(), Requirements: ring},
			func(err error) bool { return errors.Is(err, ErrNoName) }},
		"manifest of countless nothings": {Request{Repository: serve(map[string][]byte{"manifests/v1": []byte(`{"signatures":[` + strings.Repeat("{},", 1<<20) + `{}]}`)}), Store: store(), Requirements: ring},
			func(err error) bool { return strings.Contains(err.Error(), "values") }},
		"no such image": {Request{Repository: fail(404, nil), Store: store(), Requirements: ring}, func(err error) bool { return errors.Is(err, ErrNoImage) }},
		"other manifest for the digest": {Request{Reference: "registry.local:9001/team/app@" + noneOf,
			Repository: serve(map[string][]byte{"manifests/" + noneOf: imageManifest}), Store: store(s.Sign("one", signedName, imageManifest)), Requirements: ring},
			func(err error) bool { return strings.Contains(err.Error(), "sent a manifest with the digest") }},
		"registry forbids":    {Request{Repository: fail(403, nil), Store: store(), Requirements: ring}, func(err error) bool { return strings.Contains(err.Error(), "answered 403") }},
		"signature too large": {Request{Store: store(make([]byte, maxSignature+1)), Requirements: ring}, func(err error) bool { return strings.Contains(err.Error(), "more than") }},
		"too many signatures": {Request{Store: store(make([][]byte, maxSignatures+1)...), Requirements: ring}, func(err error) bool { return strings.Contains(err.Error(), "more than 32") }},
		"no requirement":      {Request{Store: store()}, func(err error) bool { return errors.As(err, &bad) }},
		"empty ring":          {Request{Store: store(), Requirements: []Requirement{{}}}, func(err error) bool { return errors.As(err, &bad) }},
		"broken armor":        {Request{Store: store(), Requirements: []Requirement{{KeyRing: append(armorStart, "\nx"...)}}}, func(err error) bool { return errors.As(err, &bad) }},
		"unknown identity":    {Request{Store: store(), Requirements: []Requirement{{KeyRing: ring[0].KeyRing, Identity: Identity{Type: "matchAny"}}}}, func(err error) bool { return errors.As(err, &bad) }},
	} {
		t.Run(name, func(t *testing.T) {
			if c.request.Reference == "" {
				c.request.Reference = signedName
			}
			if c.request.Repository == nil {
				c.request.Repository = registry(imageManifest)
			}
			digest, err := Verify(t.Context(), c.request)
			if err == nil || !c.right(err) {
				t.Fatalf("got %q, %v", digest, err)
			}
		})
	}
}

// A panic in a goroutine of its own would end the process.
func TestAPanicOfTheStoresReaderIsAnError(t *testing.T) {
	_, err := fetchSignatures(t.Context(), func(context.Context, string, string, int64) (int, []byte, error) {
		panic("broken")
	}, "team/app", "sha256:1")
	if err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("got %v", err)
	}
}
