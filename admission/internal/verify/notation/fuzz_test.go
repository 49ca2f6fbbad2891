// SPDX-License-Identifier: Apache-2.0

package notation

import (
	"os"
	"testing"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/attached"
)

// kept are an authority and envelopes for the image, made when this was
// written and in date until 2126; nobody has the keys. The workers of the
// fuzzer need the same ones.
func kept(t testing.TB) (trust *Trust, envelopes map[string][]byte) {
	t.Helper()
	certificates, err := ParseSigners(file(t, "root.pem"))
	if err != nil {
		t.Fatal(err)
	}
	trust, err = NewTrust(Authorities{Signers: certificates}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return trust, map[string][]byte{jws: file(t, "envelope.jws"), cose: file(t, "envelope.cose")}
}

func file(t testing.TB, name string) []byte {
	t.Helper()
	content, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestEnvelopeThatWasKeptIsStillAccepted(t *testing.T) {
	trust, envelopes := kept(t)
	for mediaType, envelope := range envelopes {
		if _, err := trust.Check(t.Context(), envelope, mediaType, image); err != nil {
			t.Errorf("%s: %v", mediaType, err)
		}
	}
}

func FuzzEnvelopeIsNeverAcceptedForAnotherImage(f *testing.F) {
	trust, envelopes := kept(f)
	for mediaType, envelope := range envelopes {
		f.Add(envelope, mediaType == cose)
	}
	index, longer := image, image
	index.MediaType = attached.IndexType
	longer.Size++
	f.Fuzz(func(t *testing.T, envelope []byte, binary bool) {
		mediaType := jws
		if binary {
			mediaType = cose
		}
		for _, other := range []attached.Descriptor{theirs, index, longer} {
			if _, err := trust.Check(t.Context(), envelope, mediaType, other); err == nil {
				t.Errorf("accepted for %+v", other)
			}
		}
	})
}
