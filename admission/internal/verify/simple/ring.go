// SPDX-License-Identifier: Apache-2.0

package simple

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
)

var armorStart = []byte("-----BEGIN PGP PUBLIC KEY BLOCK-----")

// readRing makes one key ring of a text and makes sure that keys are in it.
func readRing(text []byte) ([]byte, error) {
	ring, err := joinRing(text)
	if err != nil {
		return nil, err
	}
	keys, err := openpgp.ReadKeyRing(bytes.NewReader(ring))
	if err == nil && len(keys) == 0 {
		err = errors.New("it is empty")
	}
	if err != nil {
		return nil, fmt.Errorf("the key ring holds no PGP public key: %w", err)
	}
	return ring, nil
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
