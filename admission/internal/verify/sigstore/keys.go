// SPDX-License-Identifier: Apache-2.0

package sigstore

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
)

// Key is one trusted public key. ID is the hexadecimal SHA-256 of its DER
// form; cosign 3 writes the same hash as the hint of a bundle.
type Key struct {
	ID     string
	public crypto.PublicKey
}

// maxKeys bounds the work of trying each key with each signature.
const maxKeys = 100

// ParseKeys reads all the "PUBLIC KEY" blocks of a PEM text. One block of
// another kind, or of a key too weak or of an unknown type, spoils them all:
// a key that was skipped in silence would be a signer nobody knows is absent.
func ParseKeys(text []byte) ([]Key, error) {
	var keys []Key
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if len(keys) == maxKeys {
			return nil, fmt.Errorf("more than %d keys", maxKeys)
		}
		if block.Type != "PUBLIC KEY" {
			return nil, fmt.Errorf("PEM block %q is not a public key", block.Type)
		}
		public, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return nil, err
		}
		if err := acceptable(public); err != nil {
			return nil, err
		}
		id := sha256.Sum256(block.Bytes)
		keys = append(keys, Key{hex.EncodeToString(id[:]), public})
	}
	if len(keys) == 0 {
		return nil, errors.New("no PEM block \"PUBLIC KEY\" found")
	}
	return keys, nil
}

func acceptable(public crypto.PublicKey) error {
	switch key := public.(type) {
	case *ecdsa.PublicKey:
		switch name := key.Curve.Params().Name; name {
		case "P-256", "P-384", "P-521":
		default:
			return fmt.Errorf("ECDSA curve %s is not supported", name)
		}
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < 2048 || bits > 8192 {
			return fmt.Errorf("RSA key of %d bits; 2048 to 8192 are accepted", bits)
		}
	case ed25519.PublicKey:
	default:
		return fmt.Errorf("keys of type %T are not supported", public)
	}
	return nil
}

// signer returns the key that made the signature, or nil.
func signer(keys []Key, message, signature []byte) *Key {
	for i := range keys {
		if keys[i].verify(message, signature) {
			return &keys[i]
		}
	}
	return nil
}

// verify tries the one or two schemes that releases of cosign have used with
// a type of key. P-384 and P-521: the curve's own hash since 2.6, SHA-256
// before. Ed25519: prehashed since 2.6, pure before.
func (k *Key) verify(message, signature []byte) bool {
	digest := sha256.Sum256(message)
	switch public := k.public.(type) {
	case ed25519.PublicKey:
		if ed25519.Verify(public, message, signature) {
			return true
		}
		digest := sha512.Sum512(message)
		options := &ed25519.Options{Hash: crypto.SHA512}
		return ed25519.VerifyWithOptions(public, digest[:], signature, options) == nil
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature) == nil
	case *ecdsa.PublicKey:
		if ecdsa.VerifyASN1(public, digest[:], signature) {
			return true
		}
		switch public.Curve.Params().BitSize {
		case 384:
			digest := sha512.Sum384(message)
			return ecdsa.VerifyASN1(public, digest[:], signature)
		case 521:
			digest := sha512.Sum512(message)
			return ecdsa.VerifyASN1(public, digest[:], signature)
		}
	}
	return false
}
