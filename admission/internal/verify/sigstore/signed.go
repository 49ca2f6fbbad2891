// SPDX-License-Identifier: Apache-2.0

package sigstore

import (
	"encoding/base64"
	"errors"
	"fmt"
)

// Bounds of what is read on the word of a registry.
const (
	maxPayload = 64 << 10
	maxBundle  = 1 << 20
)

// How cosign marks what it keeps in a registry.
const (
	emptyType   = "application/vnd.oci.empty.v1+json"
	simpleLayer = "application/vnd.dev.cosign.simplesigning.v1+json"

	signatureAnnotation = "dev.cosignproject.cosign/signature"
	predicateAnnotation = "dev.sigstore.bundle.predicateType"
)

// What cosign writes into the texts it signs.
const (
	simpleType    = "cosign container image signature"
	bundleType    = "application/vnd.dev.sigstore.bundle.v0.3+json"
	envelopeType  = "application/vnd.in-toto+json"
	statementType = "https://in-toto.io/Statement/v1"
	signPredicate = "https://sigstore.dev/cosign/sign/v1"
)

// CheckPayload compares the payload of a cosign 2 signature, already proven
// to be signed, with the digest. It returns the repository it was signed for.
func CheckPayload(payload []byte, digest string) (repository string, err error) {
	value, err := strictJSON(payload)
	if err != nil {
		return "", fmt.Errorf("payload: %w", err)
	}
	if t := text(value, "critical", "type"); t != simpleType {
		return "", fmt.Errorf("payload has the type %q", t)
	}
	if d := text(value, "critical", "image", "docker-manifest-digest"); d != digest {
		return "", fmt.Errorf("payload is for another digest: %q", d)
	}
	repository, ok := at(value, "critical", "identity", "docker-reference").(string)
	if !ok {
		return "", errors.New("payload names no repository")
	}
	return repository, nil
}

// CheckBundle verifies a cosign 3 bundle with the keys and returns the one
// that signed it. Nothing but the bundle itself is trusted: neither the
// manifest that led to it nor its annotations. Exactly one signature, one
// subject and cosign's own predicate count; an attestation by the same key is
// not a signature of the image.
func CheckBundle(bundle []byte, digest string, keys []Key) (*Key, error) {
	value, err := strictJSON(bundle)
	if err != nil {
		return nil, err
	}
	if t := text(value, "mediaType"); t != bundleType {
		return nil, fmt.Errorf("bundle has the media type %q", t)
	}
	// Log entries and timestamps may be there; a key needs neither.
	material := at(value, "verificationMaterial")
	if !only(at(material, "publicKey"), "hint") ||
		!only(material, "publicKey", "tlogEntries", "timestampVerificationData") {
		return nil, errors.New("bundle is not signed with a bare key")
	}
	envelope := at(value, "dsseEnvelope")
	if !only(value, "mediaType", "verificationMaterial", "dsseEnvelope") ||
		!only(envelope, "payload", "payloadType", "signatures") {
		return nil, errors.New("bundle does not hold a DSSE envelope alone")
	}
	payload, signature, err := openEnvelope(envelope)
	if err != nil {
		return nil, err
	}
	key := signer(keys, preAuthentication(payload), signature)
	if key == nil {
		return nil, errors.New("bundle is signed by no trusted key")
	}
	return key, checkStatement(payload, digest)
}

func openEnvelope(envelope any) (payload, signature []byte, err error) {
	if t := text(envelope, "payloadType"); t != envelopeType {
		return nil, nil, fmt.Errorf("envelope has the payload type %q", t)
	}
	signatures, _ := at(envelope, "signatures").([]any)
	if len(signatures) != 1 || !only(signatures[0], "sig", "keyid") {
		return nil, nil, fmt.Errorf("envelope has %d signatures, not one", len(signatures))
	}
	// cosign names no key here. Readers differ about one that is named, and
	// nobody signs it.
	if id := at(signatures[0], "keyid"); id != nil && id != "" {
		return nil, nil, errors.New("envelope names a key")
	}
	payload, err = base64.StdEncoding.DecodeString(text(envelope, "payload"))
	if err != nil || len(payload) == 0 {
		return nil, nil, errors.New("envelope has a malformed payload")
	}
	signature, err = base64.StdEncoding.DecodeString(text(signatures[0], "sig"))
	if err != nil || len(signature) == 0 {
		return nil, nil, errors.New("envelope has a malformed signature")
	}
	return payload, signature, nil
}

// preAuthentication is the text that a DSSE signature covers (DSSE 1.0, PAE).
func preAuthentication(payload []byte) []byte {
	return fmt.Appendf(nil, "DSSEv1 %d %s %d %s",
		len(envelopeType), envelopeType, len(payload), payload)
}

func checkStatement(payload []byte, digest string) error {
	value, err := strictJSON(payload)
	if err != nil {
		return fmt.Errorf("statement: %w", err)
	}
	if t := text(value, "_type"); t != statementType {
		return fmt.Errorf("statement has the type %q", t)
	}
	if t := text(value, "predicateType"); t != signPredicate {
		return fmt.Errorf("statement is no signature but %q", t)
	}
	subjects, _ := at(value, "subject").([]any)
	if len(subjects) != 1 {
		return fmt.Errorf("statement has %d subjects, not one", len(subjects))
	}
	if d := text(subjects[0], "digest", "sha256"); "sha256:"+d != digest {
		return fmt.Errorf("statement is for another digest: %q", d)
	}
	return nil
}
