// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	containers "github.com/google/go-containerregistry/pkg/v1"
	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/verify"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/sigstore/pkg/signature"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/sigstore"
)

// oracle is the sigstore project's own library with a key as its only root of
// trust.
type oracle struct{ verifier *verify.Verifier }

func newOracle(t testing.TB, public []byte) oracle {
	t.Helper()
	key, err := cryptoutils.UnmarshalPEMToPublicKey(public)
	check(t, err)
	checker, err := signature.LoadDefaultVerifier(key)
	check(t, err)
	material := root.NewTrustedPublicKeyMaterial(func(string) (root.TimeConstrainedVerifier, error) {
		return root.NewExpiringKey(checker, time.Time{}, time.Time{}), nil
	})
	verifier, err := verify.NewVerifier(material, verify.WithNoObserverTimestamps())
	check(t, err)
	return oracle{verifier}
}

// check is the library's verdict, with what it leaves to its caller: that
// there is a statement, and that it is one of a signature.
func (o oracle) check(text []byte, digest containers.Hash) error {
	raw, err := hex.DecodeString(digest.Hex)
	if err != nil {
		return err
	}
	var b bundle.Bundle
	if err := b.UnmarshalJSON(text); err != nil {
		return err
	}
	result, err := o.verifier.Verify(&b, verify.NewPolicy(verify.WithArtifactDigest("sha256", raw), verify.WithKey()))
	switch {
	case err != nil:
		return err
	case result.Statement == nil:
		return errors.New("there is no statement")
	case result.Statement.PredicateType != signPredicate:
		return fmt.Errorf("the predicate is %q", result.Statement.PredicateType)
	}
	return nil
}

var oursDigest = hash([]byte("the image"))

func TestTheLibraryAcceptsWhatIsAcceptedHere(t *testing.T) {
	key := newPair(t)
	keys, err := sigstore.ParseKeys(key.public)
	check(t, err)
	text := encode(t, key.bundle(statement(oursDigest, signPredicate)))
	if _, err := sigstore.CheckBundle(text, oursDigest.String(), keys); err != nil {
		t.Error(err)
	}
	if err := newOracle(t, key.public).check(text, oursDigest); err != nil {
		t.Errorf("the library: %v", err)
	}
}

// What is accepted here and refused by the library is a hole, unless it lies
// in a member that a key does not need.
func TestNoMutationIsAcceptedThatTheLibraryRefuses(t *testing.T) {
	const rounds = 20000
	key := newPair(t)
	keys, err := sigstore.ParseKeys(key.public)
	check(t, err)
	library := newOracle(t, key.public)
	good := encode(t, key.bundle(statement(oursDigest, signPredicate)))
	random := rand.New(rand.NewPCG(1, 2)) // the same run each time
	accepted, strict := 0, 0
	for range rounds {
		text := mutate(random, key, good)
		_, ours := sigstore.CheckBundle(text, oursDigest.String(), keys)
		theirs := library.check(text, oursDigest)
		switch {
		case ours == nil && theirs == nil:
			accepted++
		case ours == nil && !unneeded(text):
			t.Fatalf("accepted here, refused by the library (%v): %s", theirs, text)
		case ours != nil && theirs == nil:
			strict++
		}
	}
	if accepted == 0 || accepted > rounds/2 {
		t.Errorf("%d of %d mutations were accepted: they try nothing", accepted, rounds)
	}
	t.Logf("%d of %d accepted by both, %d by the library alone", accepted, rounds, strict)
}

// unneeded tells whether a bundle holds log entries or timestamps: of no use
// to a key, and not even decoded here. Nor is half of a surrogate pair, which
// this reader replaces and the library's refuses: no text that counts has one.
func unneeded(text []byte) bool {
	for _, part := range []string{`"tlogEntries"`, `"timestampVerificationData"`, `\ud`, `\uD`} {
		if bytes.Contains(text, []byte(part)) {
			return true
		}
	}
	return false
}

// The hint of a key is in base64, so that a stray backslash can make half of a
// surrogate pair of it.
func TestHalfASurrogatePairCountsOnlyWhereNothingRestsOnIt(t *testing.T) {
	key := newPair(t)
	keys, err := sigstore.ParseKeys(key.public)
	check(t, err)
	good := encode(t, key.bundle(statement(oursDigest, signPredicate)))
	hint := bytes.Index(good, []byte(`"hint":"`)) + len(`"hint":"`)
	halved := string(good[:hint]) + `\uDFde` + string(good[hint:])
	if _, err := sigstore.CheckBundle([]byte(halved), oursDigest.String(), keys); err != nil {
		t.Errorf("in the hint: %v", err)
	}
	if !unneeded([]byte(halved)) {
		t.Error("the comparison with the library does not leave it out")
	}
	for _, name := range []string{"mediaType", "payloadType", "payload", "sig"} {
		start := `"` + name + `":"`
		halved := strings.Replace(string(good), start, start+`\uDFde`, 1)
		if halved == string(good) {
			t.Fatalf("the bundle has no %s", name)
		}
		if _, err := sigstore.CheckBundle([]byte(halved), oursDigest.String(), keys); err == nil {
			t.Errorf("in %s: accepted", name)
		}
	}
}

// mutate changes a good bundle in one of the ways that have told readers of
// bundles apart: bytes, members added, renamed, doubled or dropped, letters'
// case, bits of payload and signature, another base64, statements that the
// key has signed but that are no signatures.
func mutate(random *rand.Rand, key pair, good []byte) []byte {
	switch random.IntN(8) {
	case 0: // a byte
		text := bytes.Clone(good)
		text[random.IntN(len(text))] = byte(random.IntN(256))
		return text
	case 1: // a byte more or less
		at := random.IntN(len(good))
		if random.IntN(2) == 0 {
			return append(bytes.Clone(good[:at]), good[at+1:]...)
		}
		return append(append(bytes.Clone(good[:at]), byte(random.IntN(128))), good[at:]...)
	case 2: // a letter's case
		text := bytes.Clone(good)
		at := random.IntN(len(text))
		if letter := text[at] | 0x20; letter >= 'a' && letter <= 'z' {
			text[at] ^= 0x20
		}
		return text
	case 3: // a member more
		members := []string{`"a":1`, `"mediaType":"x"`, `"tlogEntries":[]`, `"tlogEntries":""`, `"hint":"x"`,
			`"certificate":{"rawBytes":"AA=="}`, `"messageSignature":{}`, `"dsseEnvelope":{}`, `"keyid":"x"`,
			`"timestampVerificationData":{}`, `"content":null`, `"x509CertificateChain":{"certificates":[]}`}
		return insertMember(random, good, members[random.IntN(len(members))])
	case 4: // a member renamed
		names := []string{"mediaType", "verificationMaterial", "publicKey", "hint", "dsseEnvelope", "payload",
			"payloadType", "signatures", "sig"}
		from := names[random.IntN(len(names))]
		to := []string{strings.ToUpper(from), "x", from + " ", names[random.IntN(len(names))], snake(from)}[random.IntN(5)]
		return bytes.Replace(good, []byte(`"`+from+`"`), []byte(`"`+to+`"`), 1)
	case 5: // a statement the key did sign
		texts := []string{statement(oursDigest, provenance), statement(hash([]byte("x")), signPredicate), "{}", "null",
			strings.Replace(statement(oursDigest, signPredicate), `"subject"`, `"Subject"`, 1),
			strings.Replace(statement(oursDigest, signPredicate), "v1", "v0.1", 1),
			strings.Replace(statement(oursDigest, signPredicate), `"sha256"`, `"sha512"`, 1),
			strings.Replace(statement(oursDigest, signPredicate), `"annotations":{}`, `"name":"x"`, 1),
			strings.Replace(statement(oursDigest, signPredicate), `"subject":[`, `"subject":[],"subject":[`, 1)}
		text, _ := json.Marshal(key.bundle(texts[random.IntN(len(texts))]))
		return text
	case 6: // white space and nothing else
		at := bytes.IndexByte(good[random.IntN(len(good)/2):], ',')
		if at < 0 {
			return good
		}
		return append(append(bytes.Clone(good[:at+1]), ' '), good[at+1:]...)
	default: // another base64
		text := string(good)
		for _, from := range []string{"payload", "sig"} {
			if at := strings.Index(text, `"`+from+`":"`); at >= 0 && random.IntN(2) == 0 {
				start := at + len(from) + 4
				end := start + strings.IndexByte(text[start:], '"')
				raw, err := base64.StdEncoding.DecodeString(text[start:end])
				if err != nil || len(raw) == 0 {
					continue
				}
				switch random.IntN(3) {
				case 0:
					text = text[:start] + base64.URLEncoding.EncodeToString(raw) + text[end:]
				case 1:
					text = text[:start] + base64.RawStdEncoding.EncodeToString(raw) + text[end:]
				default:
					raw[random.IntN(len(raw))] ^= 1 << random.IntN(8)
					text = text[:start] + base64.StdEncoding.EncodeToString(raw) + text[end:]
				}
			}
		}
		return []byte(text)
	}
}

// insertMember adds a member at the front of one of the objects.
func insertMember(random *rand.Rand, text []byte, member string) []byte {
	var objects []int
	for i, c := range text {
		if c == '{' {
			objects = append(objects, i+1)
		}
	}
	at := objects[random.IntN(len(objects))]
	return append(append(bytes.Clone(text[:at]), member+","...), text[at:]...)
}

func snake(name string) string {
	var out strings.Builder
	for _, c := range name {
		if c >= 'A' && c <= 'Z' {
			out.WriteByte('_')
			c |= 0x20
		}
		out.WriteRune(c)
	}
	return out.String()
}

func FuzzBundleIsAcceptedOnlyIfTheLibraryAcceptsIt(f *testing.F) {
	key := newPair(f)
	keys, err := sigstore.ParseKeys(key.public)
	check(f, err)
	library := newOracle(f, key.public)
	f.Add(encode(f, key.bundle(statement(oursDigest, signPredicate))))
	f.Add(encode(f, key.bundle(statement(oursDigest, provenance))))
	f.Fuzz(func(t *testing.T, text []byte) {
		if _, err := sigstore.CheckBundle(text, oursDigest.String(), keys); err != nil || unneeded(text) {
			return
		}
		if err := library.check(text, oursDigest); err != nil {
			t.Fatalf("accepted here, refused by the library: %v", err)
		}
	})
}
