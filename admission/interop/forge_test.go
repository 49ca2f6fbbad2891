// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"strings"
	"testing"

	containers "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// What somebody who may write to the registry can put there. cosign makes
// none of this.

const (
	manifestType  = "application/vnd.oci.image.manifest.v1+json"
	simpleLayer   = "application/vnd.dev.cosign.simplesigning.v1+json"
	envelopeType  = "application/vnd.in-toto+json"
	signPredicate = "https://sigstore.dev/cosign/sign/v1"
	provenance    = "https://slsa.dev/provenance/v1"
)

// pair is a key pair.
type pair struct {
	t       testing.TB
	private *ecdsa.PrivateKey
	public  []byte
}

func newPair(t testing.TB) pair {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	raw, err := x509.MarshalPKIXPublicKey(private.Public())
	check(t, err)
	return pair{t, private, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: raw})}
}

func (p pair) sign(text []byte) string {
	p.t.Helper()
	sum := sha256.Sum256(text)
	signature, err := ecdsa.SignASN1(rand.Reader, p.private, sum[:])
	check(p.t, err)
	return base64.StdEncoding.EncodeToString(signature)
}

// statement is what a bundle signs.
func statement(digest containers.Hash, predicate string) string {
	return fmt.Sprintf(`{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":`+
		`{"sha256":%q},"annotations":{}}],"predicateType":%q}`, digest.Hex, predicate)
}

// bundle signs a statement as cosign 3 does.
func (p pair) bundle(statement string) map[string]any {
	text := fmt.Sprintf("DSSEv1 %d %s %d %s", len(envelopeType), envelopeType, len(statement), statement)
	block, _ := pem.Decode(p.public)
	id := sha256.Sum256(block.Bytes)
	return map[string]any{
		"mediaType": bundleType,
		"verificationMaterial": map[string]any{
			"publicKey": map[string]any{"hint": base64.StdEncoding.EncodeToString(id[:])}},
		"dsseEnvelope": map[string]any{
			"payload":     base64.StdEncoding.EncodeToString([]byte(statement)),
			"payloadType": envelopeType,
			"signatures":  []any{map[string]any{"sig": p.sign([]byte(text))}},
		},
	}
}

// payload is what a signature of the tag form signs.
func payload(repository string, digest containers.Hash) string {
	return fmt.Sprintf(`{"critical":{"identity":{"docker-reference":%q},"image":{"docker-manifest-digest":%q},`+
		`"type":"cosign container image signature"},"optional":null}`, repository, digest)
}

// layer is a signature of the tag form.
func (p pair) layer(payload string) stored {
	return stored{simpleLayer, []byte(payload),
		map[string]string{"dev.cosignproject.cosign/signature": p.sign([]byte(payload))}}
}

// stored is one blob of a forged manifest.
type stored struct {
	mediaType   string
	content     []byte
	annotations map[string]string
}

func descriptor(content []byte, mediaType string) map[string]any {
	return map[string]any{"mediaType": mediaType, "size": len(content), "digest": hash(content).String()}
}

func hash(content []byte) containers.Hash {
	sum := sha256.Sum256(content)
	return containers.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum[:])}
}

// raw is any manifest for the registry client.
type raw struct {
	content   []byte
	mediaType types.MediaType
}

func (r raw) RawManifest() ([]byte, error)        { return r.content, nil }
func (r raw) MediaType() (types.MediaType, error) { return r.mediaType, nil }
func (r raw) Digest() (containers.Hash, error)    { return hash(r.content), nil }
func (r raw) Size() (int64, error)                { return int64(len(r.content)), nil }
func (r raw) Compressed() (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(string(r.content))), nil
}
func (r raw) Uncompressed() (io.ReadCloser, error) { return r.Compressed() }
func (r raw) DiffID() (containers.Hash, error)     { return r.Digest() }

// store puts a manifest with its blobs into a repository, under a tag or its
// digest, and returns its descriptor.
func (s *site) store(repository, tag string, manifest map[string]any, blobs ...stored) map[string]any {
	s.t.Helper()
	empty := stored{emptyType, []byte("{}"), nil}
	layers := []any{}
	for i, blob := range append([]stored{empty}, blobs...) {
		check(s.t, remote.WriteLayer(s.reference(repository).Context(),
			raw{blob.content, types.MediaType(blob.mediaType)}, s.options()...))
		if i > 0 {
			d := descriptor(blob.content, blob.mediaType)
			if blob.annotations != nil {
				d["annotations"] = blob.annotations
			}
			layers = append(layers, d)
		}
	}
	whole := map[string]any{"schemaVersion": 2, "mediaType": manifestType,
		"config": descriptor(empty.content, emptyType), "layers": layers}
	for key, value := range manifest {
		whole[key] = value
	}
	content := encode(s.t, whole)
	at := "@" + hash(content).String()
	if tag != "" {
		at = ":" + tag
	}
	check(s.t, remote.Put(s.reference(repository+at), raw{content, manifestType}, s.options()...))
	return descriptor(content, manifestType)
}

// attach makes a bundle refer to an image, with annotations as given.
func (s *site) attach(repository string, subject containers.Hash, bundle any, predicate string) {
	s.t.Helper()
	content, ok := bundle.([]byte)
	if !ok {
		content = encode(s.t, bundle)
	}
	manifest := map[string]any{"artifactType": bundleType,
		"subject": map[string]any{"mediaType": manifestType, "digest": subject.String(), "size": 2}}
	if predicate != "" {
		manifest["annotations"] = map[string]string{"dev.sigstore.bundle.predicateType": predicate}
	}
	s.store(repository, "", manifest, stored{bundleType, content, nil})
}

// tagForm stores signatures where cosign 2 looks for them.
func (s *site) tagForm(repository string, digest containers.Hash, manifest map[string]any, layers ...stored) {
	s.t.Helper()
	s.store(repository, strings.Replace(digest.String(), ":", "-", 1)+".sig", manifest, layers...)
}

func encode(t testing.TB, value any) []byte {
	t.Helper()
	content, err := json.Marshal(value)
	check(t, err)
	return content
}
