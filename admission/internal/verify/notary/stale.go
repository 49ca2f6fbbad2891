// SPDX-License-Identifier: Apache-2.0

package notary

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/reason"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/registry"
)

// asked is current, with little patience if an earlier answer may stand in.
func (v *Verifier) asked(ctx context.Context, q question, server string, r Request, signers []signer) (*view, error) {
	if v.earlier(q, r, signers) != "" {
		limited, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		ctx = limited
	}
	current, err := v.current(ctx, q, server, r)
	if err != nil && !silent(err) {
		v.memory.doubt(q, !refused(err))
	}
	return current, err
}

// stale returns the digest of an earlier answer to the same question if the
// server gave none now and the operator tolerates that for as long.
func (v *Verifier) stale(q question, server string, r Request, signers []signer, err error) string {
	if !silent(err) {
		return ""
	}
	digest := v.earlier(q, r, signers)
	if digest == "" {
		return ""
	}
	sentence := fmt.Sprintf("trust server %s gave no answer for %s: an earlier one, at most %s old, was used",
		server, r.image(), v.staleness)
	v.log.Warn("stale trust data used", "trustServer", server, "gun", r.GUN, "error", err)
	if r.Notice != nil {
		r.Notice(sentence)
	}
	return digest
}

// earlier returns the digest by the last answer to the question, if it is not
// too old to stand in for another.
func (v *Verifier) earlier(q question, r Request, signers []signer) string {
	known := v.memory.fresh(q, v.now(), v.staleness)
	if known == nil {
		return ""
	}
	digest, err := known.judge(v.now(), r.Tag, r.Digest, signers)
	if err != nil {
		return ""
	}
	return digest
}

// silent tells a server that gives no answer from one that says something
// else. One that is too busy or broken has said nothing; one whose certificate
// is not trusted may be anybody.
func silent(err error) bool {
	var known *reason.Denial
	var transport *registry.Error
	switch {
	case errors.As(err, &known):
		return false
	case errors.As(err, &transport):
		return transport.Kind == registry.Unreachable || transport.Kind == registry.Timeout ||
			transport.Kind == registry.Status && (transport.Status >= 500 || transport.Status == http.StatusTooManyRequests)
	default:
		return errors.Is(err, context.DeadlineExceeded)
	}
}

// refused tells that an answer was about the credentials alone.
func refused(err error) bool {
	var transport *registry.Error
	return errors.As(err, &transport) &&
		(transport.Kind == registry.Missing || transport.Kind == registry.Refused)
}
