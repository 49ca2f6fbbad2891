// SPDX-License-Identifier: Apache-2.0

package notary

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/theupdateframework/notary"
	"github.com/theupdateframework/notary/tuf"
	"github.com/theupdateframework/notary/tuf/data"
)

// view is what is kept of a repository's verified trust data: enough to judge
// tags, to see whether anything changed, and to go on from. It is never
// changed once made.
type view struct {
	root    []byte            // the root file, to follow rotations from
	rootIDs []string          // ids of the root keys, sorted
	stamp   [sha256.Size]byte // of the timestamp file
	base    [4]signedFile     // of data.BaseRoles, in that order
	roles   []*role           // targets first, then its delegations, level by level
	absent  []data.RoleName   // delegations without a file that verifies
}

// signedFile is what every role's file says of itself.
type signedFile struct {
	version int
	expires time.Time
}

// role is a targets role: who may sign in it and what was signed.
type role struct {
	name    data.RoleName
	paths   data.DelegationRole // for CheckPaths
	keys    [][]byte            // SubjectPublicKeyInfo of each
	version int
	expires time.Time
	broken  bool              // its file did not verify
	targets map[string]string // tag to digest, 64 hex digits
}

// void says whether the signatures of the role count for nothing.
func (r *role) void(now time.Time) bool { return r.broken || !now.Before(r.expires) }

// digest returns what the role has signed as tag, empty for nothing.
func (r *role) digest(now time.Time, tag string) string {
	if r.void(now) || !r.paths.CheckPaths(tag) {
		return ""
	}
	return r.targets[tag]
}

// newView takes from a verified repository what is kept. invalid holds the
// delegations whose files did not verify or are out of date.
func newView(repo, invalid *tuf.Repo, root, timestamp []byte) (*view, error) {
	if repo.Root == nil || repo.Timestamp == nil || repo.Snapshot == nil || repo.Targets[data.CanonicalTargetsRole] == nil {
		return nil, errors.New("a role is missing")
	}
	v := &view{root: root, stamp: sha256.Sum256(timestamp)}
	for i, common := range []data.SignedCommon{ // as data.BaseRoles has them
		repo.Root.Signed.SignedCommon,
		repo.Targets[data.CanonicalTargetsRole].Signed.SignedCommon,
		repo.Snapshot.Signed.SignedCommon,
		repo.Timestamp.Signed.SignedCommon,
	} {
		v.base[i] = signedFile{common.Version, common.Expires}
	}
	rootRole, err := repo.Root.BuildBaseRole(data.CanonicalRootRole)
	if err != nil {
		return nil, err
	}
	v.rootIDs = rootRole.ListKeyIDs()
	slices.Sort(v.rootIDs)

	err = repo.WalkTargets("", "", func(signed *data.SignedTargets, valid data.DelegationRole) interface{} {
		v.roles = append(v.roles, newRole(signed, valid))
		for _, child := range signed.GetValidDelegations(valid) {
			if repo.Targets[child.Name] == nil {
				v.absent = append(v.absent, child.Name)
			}
			if failed := brokenTargets(repo, invalid, child.Name); failed != nil {
				v.roles = append(v.roles, &role{name: child.Name, broken: true, expires: failed.Signed.Expires})
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return v, nil
}

func brokenTargets(repo, invalid *tuf.Repo, name data.RoleName) *data.SignedTargets {
	if repo.Targets[name] != nil || invalid == nil {
		return nil
	}
	return invalid.Targets[name]
}

func newRole(signed *data.SignedTargets, valid data.DelegationRole) *role {
	r := &role{
		name:    valid.Name,
		paths:   data.DelegationRole{Paths: valid.Paths},
		version: signed.Signed.Version,
		expires: signed.Signed.Expires,
		targets: make(map[string]string, len(signed.Signed.Targets)),
	}
	for _, key := range valid.Keys {
		if info, err := keyInfo(key); err == nil {
			r.keys = append(r.keys, info)
		}
	}
	for tag, meta := range signed.Signed.Targets {
		if sum := meta.Hashes[notary.SHA256]; len(sum) == sha256.Size {
			r.targets[tag] = hex.EncodeToString(sum)
		}
	}
	return r
}

// find returns the role of that name, nil if the trust data has none.
func (v *view) find(name data.RoleName) *role {
	for _, r := range v.roles {
		if r.name == name {
			return r
		}
	}
	return nil
}

// delegations are the delegated roles whose files verify: the one that
// releases, and the first of the others.
func (v *view) delegations() map[data.RoleName]delegation {
	found := map[data.RoleName]delegation{}
	for _, r := range append([]*role{v.find(releasing[1])}, v.roles...) {
		if r == nil || r.name == data.CanonicalTargetsRole || r.broken {
			continue
		}
		if len(found) == maxDelegations {
			break
		}
		marks := make([]string, len(r.keys))
		for i, key := range r.keys {
			mark := sha256.Sum256(key)
			marks[i] = string(mark[:])
		}
		slices.Sort(marks)
		found[r.name] = delegation{sha256.Sum256([]byte(strings.Join(marks, ""))), r.version}
	}
	return found
}

// lacks tells whether a role is still delegated to, or may be, and its file is
// not there or does not verify.
func (v *view) lacks(name data.RoleName) bool {
	return slices.ContainsFunc(v.absent, func(absent data.RoleName) bool {
		return name == absent || strings.HasPrefix(name.String(), absent.String()+"/")
	})
}

// expired returns the first of the roles everything rests on that is past its
// date.
func (v *view) expired(now time.Time) (data.RoleName, time.Time, bool) {
	for i, file := range v.base {
		if !now.Before(file.expires) {
			return data.BaseRoles[i], file.expires, true
		}
	}
	return "", time.Time{}, false
}

// age orders the views of one repository: the version of the timestamp.
func (v *view) age() int { return v.base[len(v.base)-1].version }

// weight is about what the view takes of memory.
func (v *view) weight() int {
	sum := 1536 + len(v.root)
	for _, name := range v.absent {
		sum += 64 + len(name)
	}
	for _, r := range v.roles {
		sum += 512 + 160*len(r.targets)
	}
	return sum
}

// keyInfo returns a key of the trust data in the one form in which keys are
// compared.
func keyInfo(key data.PublicKey) ([]byte, error) {
	public := key.Public()
	if block, _ := pem.Decode(public); block != nil {
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		return certificate.RawSubjectPublicKeyInfo, nil
	}
	if key.Algorithm() == data.ED25519Key {
		if len(public) != ed25519.PublicKeySize {
			return nil, errors.New("no ed25519 key")
		}
		return x509.MarshalPKIXPublicKey(ed25519.PublicKey(public))
	}
	return normalInfo(public)
}

// pemInfo does the same for the PEM text of a signer: a public key or a
// certificate.
func pemInfo(text []byte) ([]byte, error) {
	block, _ := pem.Decode(bytes.TrimSpace(text))
	if block == nil {
		return nil, errors.New("it is not PEM")
	}
	switch block.Type {
	case "CERTIFICATE":
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, errors.New("its certificate does not parse")
		}
		return certificate.RawSubjectPublicKeyInfo, nil
	case "PUBLIC KEY":
		return normalInfo(block.Bytes)
	default:
		return nil, fmt.Errorf("it is a PEM block %.40q, not PUBLIC KEY or CERTIFICATE", block.Type)
	}
}

func normalInfo(der []byte) ([]byte, error) {
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, errors.New("its public key does not parse")
	}
	return x509.MarshalPKIXPublicKey(key)
}
