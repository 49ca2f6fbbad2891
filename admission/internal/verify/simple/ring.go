// SPDX-License-Identifier: Apache-2.0

package simple

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/keysize"
)

var armorStart = []byte("-----BEGIN PGP PUBLIC KEY BLOCK-----")

// The library reads the whole ring for each signature: one of 2,000 keys and
// 1 MB takes it 20 s for 32 signatures.
const (
	maxRing = 256 << 10
	maxKeys = 100
)

// readRing makes one key ring of a text and makes sure that keys are in it.
func readRing(text []byte) ([]byte, error) {
	if len(text) > maxRing {
		return nil, fmt.Errorf("the key ring has %d bytes; %d are accepted", len(text), maxRing)
	}
	ring, err := joinRing(text)
	if err != nil {
		return nil, err
	}
	if err := checkKeys(ring); err != nil {
		return nil, err
	}
	keys, err := openpgp.ReadKeyRing(bytes.NewReader(ring))
	if err == nil && len(keys) == 0 {
		err = errors.New("it is empty")
	}
	if len(keys) > maxKeys {
		return nil, fmt.Errorf("the key ring has %d keys; %d are accepted", len(keys), maxKeys)
	}
	if err != nil {
		return nil, fmt.Errorf("the key ring holds no PGP public key: %w", err)
	}
	return ring, nil
}

// checkKeys refuses a ring with a key that takes seconds to use: the library
// checks by it what the key says of itself.
func checkKeys(ring []byte) error {
	packets := packet.NewReader(bytes.NewReader(ring))
	for {
		next, err := packets.Next()
		if err != nil {
			return nil // the end, or where the library will end as well
		}
		public, ok := next.(*packet.PublicKey)
		if !ok {
			continue
		}
		switch public.PubKeyAlgo {
		case packet.PubKeyAlgoRSA, packet.PubKeyAlgoRSASignOnly, packet.PubKeyAlgoDSA:
			if bits, err := public.BitLength(); err != nil || keysize.Bits(int(bits)) != nil {
				return fmt.Errorf("the key %X of the key ring is one of %d bits, which takes too long to use",
					public.KeyId, bits)
			}
		}
	}
}

// joinRing makes one binary key ring of one or more armored blocks. The pure
// Go OpenPGP reads only the first block of a text, where gpg reads all: a
// Secret of two exported keys must mean both. A ring that is binary already
// passes through.
func joinRing(text []byte) ([]byte, error) {
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, errors.New("the key ring is empty")
	}
	start := bytes.Index(text, armorStart)
	if start < 0 {
		return text, nil
	}
	var ring []byte
	for number := 1; start >= 0; number++ {
		text = text[start:]
		next := bytes.Index(text[1:], armorStart) + 1
		block := text
		if next > 0 {
			block = text[:next]
		}
		decoded, err := armor.Decode(bytes.NewReader(block))
		if err != nil {
			return nil, fmt.Errorf("block %d of the key ring: %w", number, err)
		}
		body, err := io.ReadAll(decoded.Body)
		if err != nil {
			return nil, fmt.Errorf("block %d of the key ring: %w", number, err)
		}
		ring = append(ring, body...)
		if next == 0 {
			return ring, nil
		}
		text, start = text[next:], 0
	}
	return ring, nil
}

// endsOf are the times after which the signatures may satisfy the requirements
// no more: when one of them expires, or a key that may have made one.
func endsOf(requirements []Requirement, signatures [][]byte) ([]time.Time, error) {
	found := signatureEnds(signatures)
	for _, requirement := range requirements {
		ring, err := joinRing(requirement.KeyRing)
		if err != nil {
			return nil, err
		}
		keys, err := openpgp.ReadKeyRing(bytes.NewReader(ring))
		if err != nil {
			return nil, err
		}
		found = append(found, ends(keys)...)
	}
	return found, nil
}

// signatureEnds are the times at which signatures expire that do.
func signatureEnds(messages [][]byte) []time.Time {
	var found []time.Time
	for _, message := range messages {
		packets := packet.NewReader(bytes.NewReader(message))
		for next, err := packets.Next(); err == nil; next, err = packets.Next() {
			switch next := next.(type) {
			case *packet.LiteralData:
				_, _ = io.Copy(io.Discard, next.Body)
			case *packet.Signature:
				if next.SigLifetimeSecs != nil && *next.SigLifetimeSecs > 0 {
					life := time.Duration(*next.SigLifetimeSecs) * time.Second
					found = append(found, next.CreationTime.Add(life))
				}
			}
		}
	}
	return found
}

// ends are the times at which keys expire that do.
func ends(keys openpgp.EntityList) []time.Time {
	var found []time.Time
	add := func(key *packet.PublicKey, signature *packet.Signature) {
		if signature != nil && signature.KeyLifetimeSecs != nil && *signature.KeyLifetimeSecs > 0 {
			life := time.Duration(*signature.KeyLifetimeSecs) * time.Second
			found = append(found, key.CreationTime.Add(life))
		}
	}
	for _, key := range keys {
		for _, identity := range key.Identities {
			add(key.PrimaryKey, identity.SelfSignature)
		}
		for _, part := range key.Subkeys {
			add(part.PublicKey, part.Sig)
		}
	}
	return found
}
