// SPDX-License-Identifier: Apache-2.0

package sigstore

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// tagForm looks for the signatures that cosign 2 keeps as layers of the
// manifest sha256-HEX.sig.
func tagForm(ctx context.Context, r Request) (Result, error) {
	tag := strings.Replace(r.Digest, ":", "-", 1) + ".sig"
	answer, err := read(ctx, r.Repository, "manifests/"+tag, manifestType, "", maxManifest)
	if StatusOf(err) == http.StatusNotFound {
		return Result{}, ErrUnsigned
	}
	if err != nil {
		return Result{}, err
	}
	var manifest struct{ Layers []descriptor }
	if err := json.Unmarshal(answer.Body, &manifest); err != nil {
		return Result{}, fmt.Errorf("manifest of the signatures: %w", err)
	}
	var layers []descriptor
	for _, layer := range manifest.Layers {
		if layer.MediaType == simpleLayer {
			layers = append(layers, layer)
		}
	}
	if len(layers) == 0 {
		return Result{}, ErrUnsigned
	}
	// cosign appends, so the newest comes last: it is tried first. Two keys
	// over one payload share its blob.
	var refused refusals
	payloads := map[string][]byte{}
	for i := len(layers) - 1; i >= 0; i-- {
		if len(layers)-i > maxCandidates {
			refused.add(fmt.Errorf("more than %d signatures, the older ones were not read", maxCandidates))
			break
		}
		result, err := layer(ctx, r, layers[i], payloads)
		if err == nil {
			return result, nil
		}
		if interrupts(err) {
			return Result{}, err
		}
		refused.add(err)
	}
	return Result{}, &refused
}

func layer(ctx context.Context, r Request, d descriptor, payloads map[string][]byte) (Result, error) {
	signature, err := base64.StdEncoding.DecodeString(d.Annotations[signatureAnnotation])
	if err != nil || len(signature) == 0 || !d.fits(maxPayload) {
		return Result{}, fmt.Errorf("signature %s is malformed", d.Digest)
	}
	payload := payloads[d.Digest]
	if payload == nil {
		answer, err := read(ctx, r.Repository, "blobs/"+d.Digest, "*/*", d.Digest, maxPayload)
		if err != nil {
			return Result{}, fmt.Errorf("signature %s: %w", d.Digest, err)
		}
		payload = answer.Body
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
