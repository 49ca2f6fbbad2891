// SPDX-License-Identifier: Apache-2.0

package notary

import (
	"bytes"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/theupdateframework/notary/tuf/data"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/reason"
)

// The roles whose signature releases a tag. Of two that both sign it, the
// later one counts.
var releasing = []data.RoleName{data.CanonicalTargetsRole, data.CanonicalTargetsRole + "/releases"}

const content = "failed to get content trust information: "

// signer is a Signer with its key read.
type signer struct {
	name string
	role data.RoleName
	key  []byte
}

func readSigners(given []Signer) ([]signer, error) {
	var signers []signer
	for _, s := range given {
		const sentence = "could not get signerSecret from your cluster, "
		if s.Name == "" {
			return nil, reason.New(reason.SignerInvalid, sentence+"a signer has no name")
		}
		key, err := pemInfo(s.PublicKey)
		if err != nil {
			return nil, reason.Wrap(reason.SignerInvalid, err,
				sentence+"the publicKey of signer %q cannot be used: %v", s.Name, err)
		}
		role := data.RoleName(path.Join(data.CanonicalTargetsRole.String(), s.Name))
		signers = append(signers, signer{s.Name, role, key})
	}
	return signers, nil
}

// judge finds the digest that the trust data and every signer vouch for.
func (v *view) judge(now time.Time, tag, digest string, signers []signer) (string, error) {
	if tag == "" {
		return v.judgeDigest(now, digest, signers)
	}
	released := v.released(now, tag)
	if released == "" {
		return "", v.unsigned(now, tag)
	}
	for _, s := range signers {
		if err := v.agrees(now, s, tag, released); err != nil {
			return "", err
		}
	}
	if found := "sha256:" + released; digest != "" && digest != found {
		return "", reason.New(reason.DigestNotSigned,
			content+"No valid trust data for %s: the signed digest of tag %s is %s", digest, tag, found)
	}
	return "sha256:" + released, nil
}

// judgeDigest looks for any tag by which the digest is signed as it must be.
func (v *view) judgeDigest(now time.Time, digest string, signers []signer) (string, error) {
	sum := strings.TrimPrefix(digest, "sha256:")
	var first error
	for _, tag := range v.releasedTags() {
		if v.released(now, tag) != sum {
			continue
		}
		problem := error(nil)
		for _, s := range signers {
			if problem = v.agrees(now, s, tag, sum); problem != nil {
				break
			}
		}
		if problem == nil {
			return "sha256:" + sum, nil
		}
		if first == nil {
			first = problem
		}
	}
	if first != nil {
		return "", first
	}
	return "", reason.New(reason.DigestNotSigned,
		content+"No valid trust data for %s: no signed tag has this digest", digest)
}

// released returns the digest by which a tag is released, empty for none.
func (v *view) released(now time.Time, tag string) string {
	found := ""
	for _, name := range releasing {
		if r := v.find(name); r != nil {
			if digest := r.digest(now, tag); digest != "" {
				found = digest
			}
		}
	}
	return found
}

// releasedTags lists the tags that are released, in a stable order.
func (v *view) releasedTags() []string {
	var tags []string
	for _, name := range releasing {
		if r := v.find(name); r != nil {
			for tag := range r.targets {
				tags = append(tags, tag)
			}
		}
	}
	slices.Sort(tags)
	return slices.Compact(tags)
}

// unsigned says why a tag is not released.
func (v *view) unsigned(now time.Time, tag string) error {
	if r := v.find(releasing[1]); r != nil && r.void(now) {
		return voidRole(now, r)
	}
	var elsewhere []string
	for _, r := range v.roles {
		if r.digest(now, tag) != "" {
			elsewhere = append(elsewhere, r.name.String())
		}
	}
	if len(elsewhere) > 0 {
		return reason.New(reason.NotSigned,
			content+"No valid trust data for %s: it is signed in %s only, and only targets or targets/releases release a tag",
			tag, strings.Join(elsewhere, ", "))
	}
	return reason.New(reason.NotSigned, content+"No valid trust data for %s", tag)
}

// agrees checks that a signer has signed the tag with the digest.
func (v *view) agrees(now time.Time, s signer, tag, digest string) error {
	r := v.find(s.role)
	if r == nil {
		return reason.New(reason.NotSignedBySigner,
			content+"no signature found for role %s: the trust data has no role %s with signatures", s.name, s.role)
	}
	if r.void(now) {
		return voidRole(now, r)
	}
	if !slices.ContainsFunc(r.keys, func(key []byte) bool { return bytes.Equal(key, s.key) }) {
		return reason.New(reason.SignerKeyMismatch,
			content+"Public keys are different: the publicKey of signer %s is no key of the role %s", s.name, s.role)
	}
	signed := r.digest(now, tag)
	if signed == "" {
		return reason.New(reason.NotSignedBySigner,
			content+"no signature found for role %s: it has not signed %s", s.name, tag)
	}
	if signed != digest {
		return reason.New(reason.SignerDigestConflict,
			content+"Incompatible digest: %s is released as sha256:%s, signer %s has signed sha256:%s",
			tag, digest, s.name, signed)
	}
	return nil
}

func voidRole(now time.Time, r *role) error {
	if !now.Before(r.expires) {
		return expiredRole(r.name, r.expires)
	}
	return reason.New(reason.TrustDataInvalid,
		content+"the signatures of the role %s do not verify", r.name)
}

func expiredRole(name data.RoleName, date time.Time) error {
	return reason.New(reason.TrustDataExpired,
		content+"the role %s of the trust data expired on %s", name, date.UTC().Format(time.RFC3339))
}
