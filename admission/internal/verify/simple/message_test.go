// SPDX-License-Identifier: Apache-2.0

package simple

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/gpgtest"
)

type open struct{ io.Writer }

func (open) Close() error { return nil }

// text is a message of some bytes.
func text(t testing.TB, length int) []byte {
	t.Helper()
	var message bytes.Buffer
	w, err := packet.SerializeLiteral(open{&message}, true, "", 0)
	if err == nil {
		_, err = w.Write(make([]byte, length))
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return message.Bytes()
}

// pack packs messages as gpg does.
func pack(t testing.TB, messages ...[]byte) []byte {
	t.Helper()
	var packed bytes.Buffer
	w, err := packet.SerializeCompressed(open{&packed}, packet.CompressionZLIB, nil)
	for _, message := range messages {
		if err == nil {
			_, err = w.Write(message)
		}
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

func TestASignatureIsUnpackedWithinBounds(t *testing.T) {
	small := text(t, 300)
	for name, row := range map[string]struct {
		message []byte
		problem string
	}{
		"not packed":             {small, ""},
		"packed":                 {pack(t, small), ""},
		"no message":             {[]byte("<html>"), ""},
		"a text too long":        {pack(t, text(t, 8<<20)), "unpacks to more than"},
		"too much behind a text": {pack(t, small, text(t, 8<<20)), "unpacks to more than"},
		"packed twice":           {pack(t, pack(t, small)), "more than once"},
		"packed behind a text":   {append(bytes.Clone(small), pack(t, text(t, 8<<20))...), "in part"},
		"packed within":          {pack(t, small, pack(t, text(t, 8<<20))), "more than once"},
	} {
		got, err := unpacked(row.message)
		if (err != nil) != (row.problem != "") || err != nil && !strings.Contains(err.Error(), row.problem) {
			t.Errorf("%s: %v", name, err)
		}
		if name == "packed" && !bytes.Equal(got, small) {
			t.Errorf("%s: became %q", name, got)
		}
	}
}

func TestASignatureThatCannotBeUnpackedCountsForNothing(t *testing.T) {
	home := gpgtest.New(t, "one")
	good := home.Sign("one", signedName, imageManifest)
	bomb := pack(t, text(t, 8<<20))
	request := Request{Reference: signedName, Repository: registry(imageManifest),
		Requirements: []Requirement{{KeyRing: home.Ring("one")}}}
	request.Store = store(bomb, good)
	if _, err := Verify(t.Context(), request); err != nil {
		t.Errorf("beside a good one: %v", err)
	}
	request.Store = store(bomb)
	var refused *Refused
	if _, err := Verify(t.Context(), request); !errors.As(err, &refused) ||
		!strings.Contains(refused.Reason, "signature 1 cannot be read: it unpacks to more") {
		t.Errorf("alone: %v", err)
	}
}

func FuzzUnpack(f *testing.F) {
	small := text(f, 300)
	f.Add(small)
	f.Add(pack(f, small))
	f.Add(pack(f, small, text(f, 1<<20)))
	f.Add(append(pack(f, small), pack(f, small)...))
	f.Fuzz(func(t *testing.T, message []byte) {
		if len(message) > maxSignature {
			return
		}
		got, err := unpacked(message)
		if err != nil {
			return
		}
		if packed, err := firstPacked(got); packed != nil || err != nil || len(got) > maxMessage {
			t.Errorf("%d bytes are left, packed: %t", len(got), packed != nil)
		}
	})
}
