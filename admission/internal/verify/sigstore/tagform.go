// SPDX-License-Identifier: Apache-2.0

package sigstore

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/attached"
)

// tagForm looks for the signatures that cosign 2 keeps as layers of the
// manifest sha256-HEX.sig.
func tagForm(ctx context.Context, r Request) (Result, error) {
	tag := strings.Replace(r.Digest, ":", "-", 1) + ".sig"
	answer, err := attached.Read(ctx, r.Repository, "manifests/"+tag, attached.ManifestType, "", attached.MaxManifest)
	if attached.StatusOf(err) == http.StatusNotFound {
		return Result{}, attached.ErrUnsigned
	}
	if err != nil {
		return Result{}, err
	}
	var manifest struct{ Layers []attached.Descriptor }
	if err := attached.Decode(answer.Body, &manifest); err != nil {
		return Result{}, fmt.Errorf("manifest of the signatures: %w", err)
	}
	var layers []attached.Descriptor
	for _, layer := range manifest.Layers {
		if layer.MediaType == simpleLayer {
			layers = append(layers, layer)
		}
	}
	if len(layers) == 0 {
		return Result{}, attached.ErrUnsigned
	}
	// cosign appends, so the newest comes last: it is tried first. Two keys
	// over one payload share its blob.
	var refused attached.Refusals
	payloads := map[string][]byte{}
	for i := len(layers) - 1; i >= 0; i-- {
		if len(layers)-i > attached.MaxCandidates {
			refused.Add(fmt.Errorf("more than %d signatures, the older ones were not read", attached.MaxCandidates))
			break
		}
		result, err := layer(ctx, r, layers[i], payloads)
		if err == nil {
			return result, nil
		}
		if attached.Interrupts(err) {
			return Result{}, err
		}
		refused.Add(err)
	}
	return Result{}, &refused
}

func layer(ctx context.Context, r Request, d attached.Descriptor, payloads map[string][]byte) (Result, error) {
	signature, err := base64.StdEncoding.DecodeString(d.Annotations[signatureAnnotation])
	if err != nil || len(signature) == 0 || !d.Fits(maxPayload) {
		return Result{}, fmt.Errorf("signature %s is malformed", d.Digest)
	}
	payload := payloads[d.Digest]
	if payload == nil {
		payload, err = attached.ReadBlob(ctx, r.Repository, d, maxPayload)
		if err != nil {
			return Result{}, fmt.Errorf("signature %s: %w", d.Digest, err)
		}
		payloads[d.Digest] = payload
	}
	key := signer(r.Keys, payload, signature)
	if key == nil {
		return Result{}, fmt.Errorf("signature %s is by no trusted key", d.Digest)
	}
	repository, err := CheckPayload(payload, r.Digest)
	if err != nil {
		return Result{}, fmt.Errorf("signature %s: %w", d.Digest, err)
	}
	if r.Identity != nil && !r.Identity(repository) {
		return Result{}, fmt.Errorf("signature %s was made for %q", d.Digest, repository)
	}
	return Result{Key: key.ID, Form: TagForm, Repository: repository}, nil
}
