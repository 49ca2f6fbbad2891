// SPDX-License-Identifier: Apache-2.0

package sigstore

import (
	"bytes"
	"crypto"
	"crypto/elliptic"
	"encoding/base64"
	"strings"
	"testing"
)

var (
	ours   = "sha256:" + strings.Repeat("a1", 32)
	theirs = "sha256:" + strings.Repeat("b2", 32)
)

func TestBundleIsAcceptedForEveryTypeOfKeyCosignCanSignWith(t *testing.T) {
	for name, make := range map[string]func() ([]byte, signFunc){
		"P-256":                 func() ([]byte, signFunc) { return p256(t) },
		"P-384":                 func() ([]byte, signFunc) { return newKey(t, elliptic.P384(), crypto.SHA384) },
		"P-384 before 2.6":      func() ([]byte, signFunc) { return newKey(t, elliptic.P384(), crypto.SHA256) },
		"P-521":                 func() ([]byte, signFunc) { return newKey(t, elliptic.P521(), crypto.SHA512) },
		"RSA":                   func() ([]byte, signFunc) { return rsaKey(t, 2048) },
		"Ed25519 prehashed":     func() ([]byte, signFunc) { return edKey(t, true) },
		"Ed25519 as it is pure": func() ([]byte, signFunc) { return edKey(t, false) },
	} {
		t.Run(name, func(t *testing.T) {
			public, sign := make()
			other, _ := p256(t)
			keys := mustKeys(t, other, public)
			key, err := CheckBundle(encode(t, bundle(t, sign, statement(ours))), ours, keys)
			if err != nil {
				t.Fatal(err)
			}
			if key.ID != keys[1].ID {
				t.Errorf("key %s was named, %s has signed", key.ID, keys[1].ID)
			}
		})
	}
}

func TestBundleIsRefused(t *testing.T) {
	public, sign := p256(t)
	_, stranger := p256(t)
	keys := mustKeys(t, public)
	good := func() map[string]any { return bundle(t, sign, statement(ours)) }
	envelope := func(b map[string]any) map[string]any { return b["dsseEnvelope"].(map[string]any) }
	signed := func(from, to string) any {
		return bundle(t, sign, []byte(strings.Replace(string(statement(ours)), from, to, 1)))
	}
	edited := func(edit func(map[string]any)) any {
		b := good()
		edit(b)
		return b
	}
	for name, value := range map[string]any{
		"signed by a stranger":     bundle(t, stranger, statement(ours)),
		"for another digest":       bundle(t, sign, statement(theirs)),
		"statement exchanged":      edited(func(b map[string]any) { envelope(b)["payload"] = base64.StdEncoding.EncodeToString(statement(theirs)) }),
		"attestation of the key":   signed(signPredicate, "https://slsa.dev/provenance/v1"),
		"old statement type":       signed(statementType, "https://in-toto.io/Statement/v0.1"),
		"two subjects":             signed(`"subject":[`, `"subject":[{"digest":{"sha256":"`+theirs[7:]+`"}},`),
		"two subjects, ours first": signed(`"annotations":{}}]`, `"annotations":{}},{"digest":{"sha256":"`+theirs[7:]+`"}}]`),
		"no subject":               bundle(t, sign, []byte(`{"_type":"`+statementType+`","subject":[],"predicateType":"`+signPredicate+`"}`)),
		"subject twice":            signed(`"subject":[`, `"subject":[{"digest":{"sha256":"`+ours[7:]+`"}}],"subject":[`),
		"subject in another case":  signed(`"subject"`, `"Subject"`),
		"other payload type":       edited(func(b map[string]any) { envelope(b)["payloadType"] = "application/json" }),
		"no signature":             edited(func(b map[string]any) { envelope(b)["signatures"] = []any{} }),
		"two signatures": edited(func(b map[string]any) {
			s := envelope(b)["signatures"].([]any)
			envelope(b)["signatures"] = append(s, s[0])
		}),
		"key named beside the signature": edited(func(b map[string]any) {
			envelope(b)["signatures"].([]any)[0].(map[string]any)["keyid"] = "x"
		}),
		"empty payload":        edited(func(b map[string]any) { envelope(b)["payload"] = "" }),
		"payload not base64":   edited(func(b map[string]any) { envelope(b)["payload"] = "%" }),
		"signature not base64": edited(func(b map[string]any) { envelope(b)["signatures"] = []any{map[string]any{"sig": "%"}} }),
		"certificate for a key": edited(func(b map[string]any) {
			b["verificationMaterial"] = map[string]any{"certificate": map[string]any{"rawBytes": "AA=="}}
		}),
		"certificate beside the key":    edited(func(b map[string]any) { b["verificationMaterial"].(map[string]any)["certificate"] = map[string]any{} }),
		"message signature":             edited(func(b map[string]any) { delete(b, "dsseEnvelope"); b["messageSignature"] = map[string]any{} }),
		"message signature beside DSSE": edited(func(b map[string]any) { b["messageSignature"] = map[string]any{} }),
		"older media type":              edited(func(b map[string]any) { b["mediaType"] = "application/vnd.dev.sigstore.bundle+json;version=0.1" }),
	} {
		t.Run(name, func(t *testing.T) {
			if key, err := CheckBundle(encode(t, value), ours, keys); err == nil {
				t.Fatalf("accepted, signed by %s", key.ID)
			}
		})
	}
	for name, text := range map[string][]byte{
		"nothing":             nil,
		"no JSON":             []byte("<html>"),
		"not UTF-8":           append(encode(t, good()), 0xff),
		"data after the JSON": append(encode(t, good()), '{', '}'),
		"nested too deeply":   bytes.Repeat([]byte("["), 100000),
		"signature over the payload alone": encode(t, edited(func(b map[string]any) {
			envelope(b)["signatures"] = []any{map[string]any{"sig": base64.StdEncoding.EncodeToString(sign(statement(ours)))}}
		})),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := CheckBundle(text, ours, keys); err == nil {
				t.Fatal("accepted")
			}
		})
	}
}

func TestPayloadNamesTheRepositoryItWasSignedFor(t *testing.T) {
	repository, err := CheckPayload(payload("registry.local:9001/team/app", ours), ours)
	if err != nil || repository != "registry.local:9001/team/app" {
		t.Fatalf("got %q, %v", repository, err)
	}
}

func TestPayloadIsRefused(t *testing.T) {
	text := string(payload("r/app", ours))
	for name, payload := range map[string]string{
		"another digest":     strings.Replace(text, ours, theirs, 1),
		"another type":       strings.Replace(text, simpleType, "atomic container signature", 1),
		"image twice":        strings.Replace(text, `"image":`, `"image":{},"image":`, 1),
		"image in capitals":  strings.Replace(text, `"image"`, `"IMAGE"`, 1),
		"no repository":      strings.Replace(text, `"docker-reference":"r/app"`, ``, 1),
		"repository no text": strings.Replace(text, `"r/app"`, `7`, 1),
		"no JSON":            "x",
	} {
		t.Run(name, func(t *testing.T) {
			if repository, err := CheckPayload([]byte(payload), ours); err == nil {
				t.Fatalf("accepted for %q", repository)
			}
		})
	}
}

func TestKeyTextIsRefusedWholeIfOneBlockIsUnfit(t *testing.T) {
	good, _ := p256(t)
	weak, _ := rsaKey(t, 1024)
	p224, _ := newKey(t, elliptic.P224(), crypto.SHA256)
	for name, text := range map[string][]byte{
		"empty":         nil,
		"no PEM":        []byte("ssh-ed25519 AAAA"),
		"certificate":   append(bytes.Clone(good), "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"...),
		"broken key":    append(bytes.Clone(good), "-----BEGIN PUBLIC KEY-----\nAA==\n-----END PUBLIC KEY-----\n"...),
		"weak RSA key":  append(bytes.Clone(good), weak...),
		"unusual curve": append(bytes.Clone(good), p224...),
	} {
		t.Run(name, func(t *testing.T) {
			if keys, err := ParseKeys(text); err == nil {
				t.Fatalf("%d keys accepted", len(keys))
			}
		})
	}
}

// Whatever the bundle is, it must not be accepted for a digest that the one
// statement ever signed does not name.
func FuzzBundleIsNeverAcceptedForAnotherDigest(f *testing.F) {
	public, sign := p256(f)
	keys := mustKeys(f, public)
	f.Add(encode(f, bundle(f, sign, statement(ours))))
	f.Add([]byte(`{"mediaType":"` + bundleType + `"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if _, err := CheckBundle(text, theirs, keys); err == nil {
			t.Fatal("accepted for a digest that nobody signed")
		}
	})
}

func FuzzPayloadIsNeverAcceptedForAnotherDigest(f *testing.F) {
	f.Add(payload("r/app", ours))
	f.Fuzz(func(t *testing.T, text []byte) {
		_, err := CheckPayload(text, theirs)
		if err == nil && !bytes.Contains(text, []byte("\\u")) && !bytes.Contains(text, []byte(theirs)) {
			t.Fatalf("accepted though it does not name the digest: %q", text)
		}
	})
}

func TestASecretHoldsALimitedNumberOfKeys(t *testing.T) {
	public, _ := p256(t)
	if _, err := ParseKeys(bytes.Repeat(public, maxKeys)); err != nil {
		t.Error(err)
	}
	if _, err := ParseKeys(bytes.Repeat(public, maxKeys+1)); err == nil {
		t.Error("one key more is accepted")
	}
}
