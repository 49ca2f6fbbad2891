// SPDX-License-Identifier: Apache-2.0

package simple

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// maxMessage is what a signature may unpack to: a signed text has some 300
// bytes.
const maxMessage = maxSignature

// readable returns the signatures as the library may have them, unpacked, and
// what is wrong with the first that it may not. It would unpack a message
// without a bound before it looks for the key, and one of a kilobyte may
// unpack to half a gigabyte.
func readable(signatures [][]byte) (rest [][]byte, problem error) {
	for i, signature := range signatures {
		if message, err := unpacked(signature); err == nil {
			rest = append(rest, message)
		} else if problem == nil {
			problem = fmt.Errorf("signature %d cannot be read: %w", i+1, err)
		}
	}
	return rest, problem
}

// unpacked is a message without its packing, of which there may be one, around
// everything. What is no message is left for the library to refuse.
func unpacked(message []byte) ([]byte, error) {
	packed, err := firstPacked(message)
	if packed == nil || err != nil {
		return message, err
	}
	inner, err := io.ReadAll(io.LimitReader(packed.Body, maxMessage+1))
	if err != nil {
		return nil, err
	}
	if len(inner) > maxMessage {
		return nil, fmt.Errorf("it unpacks to more than %d bytes", maxMessage)
	}
	if again, err := firstPacked(inner); again != nil || err != nil {
		return nil, errors.New("it is packed more than once")
	}
	return inner, nil
}

// firstPacked returns the packed packet with which a message begins, nil if it
// has none. One that comes later is an error.
func firstPacked(message []byte) (*packet.Compressed, error) {
	packets := packet.NewReader(bytes.NewReader(message))
	for first := true; ; first = false {
		next, err := packets.Next()
		if err != nil {
			return nil, nil // the end, or where the library will end as well
		}
		switch next := next.(type) {
		case *packet.Compressed:
			if first {
				return next, nil
			}
			return nil, errors.New("it is packed in part")
		case *packet.LiteralData:
			if _, err := io.Copy(io.Discard, next.Body); err != nil {
				return nil, nil
			}
		}
	}
}
