// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	containers "github.com/google/go-containerregistry/pkg/v1"

	v1 "opendev.org/starlingx/portieris-armada-app/admission/api/v1"
)

// Whoever writes to the registry can add what he likes to an image. Nothing
// of it may stand for a signature, and nothing may keep a true one from being
// found within the bounds.

func TestForgedBundleIsRefusedWhereverItLies(t *testing.T) {
	var digest containers.Hash
	key, stranger := newPair(t), newPair(t)
	other := hash([]byte("another image"))
	envelope := func(b map[string]any) map[string]any { return b["dsseEnvelope"].(map[string]any) }
	edited := func(edit func(map[string]any)) func() any {
		return func() any {
			b := key.bundle(statement(digest, signPredicate))
			edit(b)
			return b
		}
	}
	said := func(from, to string) func() any {
		return func() any {
			return key.bundle(strings.Replace(statement(digest, signPredicate), from, to, 1))
		}
	}
	for name, make := range map[string]func() any{
		"wrong key":               func() any { return stranger.bundle(statement(digest, signPredicate)) },
		"bundle of another image": func() any { return key.bundle(statement(other, signPredicate)) },
		"digest exchanged after signing": edited(func(b map[string]any) {
			envelope(b)["payload"] = base64.StdEncoding.EncodeToString([]byte(statement(other, signPredicate)))
		}),
		"attestation called a signature":   func() any { return key.bundle(statement(digest, provenance)) },
		"two subjects, the second is ours": said(`"subject":[`, `"subject":[{"digest":{"sha256":"`+other.Hex+`"}},`),
		"subject twice":                    said(`"subject":[`, `"subject":[],"subject":[`),
		"subject in capitals":              said(`"subject"`, `"Subject"`),
		"payload of another type":          edited(func(b map[string]any) { envelope(b)["payloadType"] = "application/json" }),
		"no signature":                     edited(func(b map[string]any) { envelope(b)["signatures"] = []any{} }),
		"two signatures": edited(func(b map[string]any) {
			signatures := envelope(b)["signatures"].([]any)
			envelope(b)["signatures"] = append(signatures, signatures[0])
		}),
		"signature of the payload without its type": func() any {
			b := key.bundle(statement(digest, signPredicate))
			envelope(b)["signatures"] = []any{map[string]any{"sig": key.sign([]byte(statement(digest, signPredicate)))}}
			return b
		},
		"signature of a blob": edited(func(b map[string]any) {
			delete(b, "dsseEnvelope")
			b["messageSignature"] = map[string]any{
				"messageDigest": map[string]any{"algorithm": "SHA2_256", "digest": "AAAA"},
				"signature":     key.sign([]byte(digest.String())),
			}
		}),
		"certificate of a stranger": edited(func(b map[string]any) {
			b["verificationMaterial"] = map[string]any{"certificate": map[string]any{"rawBytes": "AAAA"}}
		}),
		"certificate beside the key": edited(func(b map[string]any) {
			b["verificationMaterial"].(map[string]any)["certificate"] = map[string]any{"rawBytes": "AAAA"}
		}),
		"data behind the bundle": func() any {
			return append(encode(t, key.bundle(statement(digest, signPredicate))), "{}"...)
		},
		"nesting without an end": func() any { return []byte(strings.Repeat("[", 100000)) },
		"more than a megabyte": edited(func(b map[string]any) {
			b["verificationMaterial"].(map[string]any)["tlogEntries"] = []any{strings.Repeat("x", 2700000)}
		}),
	} {
		t.Run(name, func(t *testing.T) {
			s := withReferrers(t)
			digest = s.push("team/app:v1")
			s.attach("team/app", digest, make(), signPredicate)
			s.requires(v1.RequirementSigstoreSigned, key.public)
			s.denies("team/app:v1", "SIGNATURE-REFUSED", "")
			s.attach("team/app", digest, key.bundle(statement(digest, signPredicate)), signPredicate)
			s.admits("team/app:v1", digest)
		})
	}
}

func TestAttestationWithAnHonestAnnotationIsPassedOver(t *testing.T) {
	s, key := withReferrers(t), newPair(t)
	digest := s.push("team/app:v1")
	for i := range 60 {
		b := key.bundle(statement(digest, provenance))
		b["verificationMaterial"].(map[string]any)["publicKey"] = map[string]any{"hint": fmt.Sprint(i)}
		s.attach("team/app", digest, b, provenance)
	}
	s.requires(v1.RequirementSigstoreSigned, key.public)
	s.denies("team/app:v1", "NOT-SIGNED", "no signature exists")
	s.attach("team/app", digest, key.bundle(statement(digest, signPredicate)), signPredicate)
	asked := s.requests(func() { s.admits(at("team/app", digest), digest) })
	if asked > 5 {
		t.Errorf("%d requests for one signature among 60 attestations", asked)
	}
}

func TestSignatureIsFoundAmongForeignOnes(t *testing.T) {
	key := newPair(t)
	for name, fill := range map[string]func(*site, containers.Hash){
		"40 attestations called signatures": func(s *site, digest containers.Hash) {
			for i := range 40 {
				b := key.bundle(statement(digest, provenance))
				b["verificationMaterial"].(map[string]any)["publicKey"] = map[string]any{"hint": fmt.Sprint(i)}
				s.attach("team/app", digest, b, signPredicate)
			}
			s.attach("team/app", digest, key.bundle(statement(digest, signPredicate)), signPredicate)
		},
		"8 on pages of two": func(s *site, digest containers.Hash) {
			for range 7 {
				s.attach("team/app", digest, newPair(t).bundle(statement(digest, signPredicate)), signPredicate)
			}
			s.attach("team/app", digest, key.bundle(statement(digest, signPredicate)), signPredicate)
		},
		"41 of the tag form": func(s *site, digest containers.Hash) {
			var layers []stored
			for range 40 {
				layers = append(layers, newPair(t).layer(payload(s.host+"/team/app", digest)))
			}
			s.tagForm("team/app", digest, nil, append(layers, key.layer(payload(s.host+"/team/app", digest)))...)
		},
		"a broken bundle beside the tag form": func(s *site, digest containers.Hash) {
			s.attach("team/app", digest, []byte("<html>"), signPredicate)
			s.tagForm("team/app", digest, nil, key.layer(payload(s.host+"/team/app", digest)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := withPages(t, 2)
			if !strings.Contains(name, "pages") {
				s = withReferrers(t)
			}
			digest := s.push("team/app:v1")
			fill(s, digest)
			s.requires(v1.RequirementSigstoreSigned, key.public)
			s.admits("team/app:v1", digest)
		})
	}
}

func TestForgedSignatureOfTheTagFormIsRefused(t *testing.T) {
	key, stranger := newPair(t), newPair(t)
	other := hash([]byte("another image"))
	for name, make := range map[string]func(repository string, digest containers.Hash) (map[string]any, stored){
		"wrong key": func(repository string, digest containers.Hash) (map[string]any, stored) {
			return nil, stranger.layer(payload(repository, digest))
		},
		"signature of another image": func(repository string, _ containers.Hash) (map[string]any, stored) {
			return nil, key.layer(payload(repository, other))
		},
		"payload changed after signing": func(repository string, digest containers.Hash) (map[string]any, stored) {
			forged := key.layer(payload(repository, other))
			forged.content = []byte(payload(repository, digest))
			return nil, forged
		},
		"signed for another repository": func(_ string, digest containers.Hash) (map[string]any, stored) {
			return nil, key.layer(payload("evil.example.com/app", digest))
		},
		"type of GPG signatures": func(repository string, digest containers.Hash) (map[string]any, stored) {
			return nil, key.layer(strings.Replace(payload(repository, digest), "cosign container", "atomic container", 1))
		},
		"image twice, the last is ours": func(repository string, digest containers.Hash) (map[string]any, stored) {
			return nil, key.layer(strings.Replace(payload(repository, digest), `"image":`,
				`"image":{"docker-manifest-digest":"`+other.String()+`"},"image":`, 1))
		},
		"image in capitals": func(repository string, digest containers.Hash) (map[string]any, stored) {
			return nil, key.layer(strings.Replace(payload(repository, digest), `"image":`, `"IMAGE":`, 1))
		},
		"payload of 70 kB": func(repository string, digest containers.Hash) (map[string]any, stored) {
			return nil, key.layer(payload(repository, digest) + strings.Repeat(" ", 70000))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := withReferrers(t)
			digest := s.push("team/app:v1")
			manifest, layer := make(s.host+"/team/app", digest)
			s.tagForm("team/app", digest, manifest, layer)
			s.requires(v1.RequirementSigstoreSigned, key.public)
			s.denies("team/app:v1", "SIGNATURE-REFUSED", "")
		})
	}
}

func TestAnswerBeyondTheBoundsIsNoSignatureAndNotUnsigned(t *testing.T) {
	key := newPair(t)
	long := map[string]any{"annotations": map[string]string{"x": strings.Repeat("x", 4300000)}}
	for name, fill := range map[string]func(*site, containers.Hash){
		"manifest of signatures": func(s *site, digest containers.Hash) {
			s.tagForm("team/app", digest, long, key.layer(payload(s.host+"/team/app", digest)))
		},
		"list of referrers": func(s *site, digest containers.Hash) {
			s.attach("team/app", digest, key.bundle(statement(digest, signPredicate)), strings.Repeat("x", 4300000))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := withReferrers(t)
			digest := s.push("team/app:v1")
			fill(s, digest)
			s.requires(v1.RequirementSigstoreSigned, key.public)
			s.denies("team/app:v1", "REGISTRY-ERROR", "too large")
		})
	}
}
