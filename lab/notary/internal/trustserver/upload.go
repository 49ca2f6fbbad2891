// SPDX-License-Identifier: Apache-2.0

package trustserver

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"sort"
	"strings"

	"github.com/gorilla/mux"
	"github.com/theupdateframework/notary/server/errors"
	"github.com/theupdateframework/notary/server/storage"
	"github.com/theupdateframework/notary/trustpinning"
	"github.com/theupdateframework/notary/tuf"
	"github.com/theupdateframework/notary/tuf/data"
	"github.com/theupdateframework/notary/tuf/signed"
	"github.com/theupdateframework/notary/tuf/validation"
)

// maxUpload bounds the trust data of one publication.
const maxUpload = 64 << 20

// upload takes a publication: roles signed by the client, to which the server
// adds the roles it signs itself. The notary module's own handler loses the
// directory part of a delegation's name since Go 1.17 cuts multipart file
// names to their base; this one reads the name from the header.
type upload struct {
	keys  signed.CryptoService
	store storage.MetaStore
}

func (u upload) serve(_ context.Context, w http.ResponseWriter, r *http.Request) error {
	gun := data.GUN(mux.Vars(r)["gun"])
	r.Body = http.MaxBytesReader(w, r.Body, maxUpload)
	sent, err := readRoles(r)
	if err != nil {
		return err
	}
	updates, err := u.judge(gun, sent)
	if err != nil {
		detail, unknown := validation.NewSerializableError(err)
		if unknown != nil {
			return errors.ErrInvalidUpdate.WithDetail(err.Error())
		}
		return errors.ErrInvalidUpdate.WithDetail(detail)
	}
	if err := u.store.UpdateMany(gun, updates); err != nil {
		if _, old := err.(storage.ErrOldVersion); old {
			return errors.ErrOldVersion.WithDetail(err)
		}
		return errors.ErrUpdating.WithDetail(err.Error())
	}
	return nil
}

// readRoles reads the parts of the form: one signed role in each.
func readRoles(r *http.Request) (map[data.RoleName][]byte, error) {
	parts, err := r.MultipartReader()
	if err != nil {
		return nil, errors.ErrMalformedUpload.WithDetail(err.Error())
	}
	roles := map[data.RoleName][]byte{}
	for {
		part, err := parts.NextPart()
		if err == io.EOF {
			return roles, nil
		}
		if err != nil {
			return nil, errors.ErrMalformedUpload.WithDetail(err.Error())
		}
		_, params, err := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
		if err != nil || params["filename"] == "" {
			return nil, errors.ErrNoFilename.WithDetail(nil)
		}
		role := data.RoleName(strings.TrimSuffix(params["filename"], ".json"))
		if !data.ValidRole(role) {
			return nil, errors.ErrInvalidRole.WithDetail(role)
		}
		content, err := io.ReadAll(part)
		if err != nil {
			return nil, errors.ErrMalformedUpload.WithDetail(err.Error())
		}
		roles[role] = content
	}
}

// judge verifies a publication against what is stored and returns what to
// store: the roles sent, the snapshot if this server signs it, the timestamp.
func (u upload) judge(gun data.GUN, sent map[data.RoleName][]byte) ([]storage.MetaUpdate, error) {
	builder, err := u.withRoot(gun, sent[data.CanonicalRootRole])
	if err != nil {
		return nil, err
	}
	for _, role := range targetsFirst(sent) {
		if err := u.loadAncestors(builder, gun, role, sent); err != nil {
			return nil, err
		}
		if err := builder.Load(role, sent[role], 1, false); err != nil {
			return nil, validation.ErrBadTargets{Msg: err.Error()}
		}
	}
	updates := make([]storage.MetaUpdate, 0, len(sent)+2)
	for role, content := range sent {
		update, err := asUpdate(role, content)
		if err != nil {
			return nil, err
		}
		updates = append(updates, update)
	}

	if snapshot, ok := sent[data.CanonicalSnapshotRole]; ok {
		if err := builder.Load(data.CanonicalSnapshotRole, snapshot, 1, false); err != nil {
			return nil, validation.ErrBadSnapshot{Msg: err.Error()}
		}
	} else {
		update, err := u.signSnapshot(builder, gun)
		if err != nil {
			return nil, err
		}
		updates = append(updates, update)
	}
	timestamp, err := u.signTimestamp(builder, gun)
	if err != nil {
		return nil, err
	}
	return append(updates, timestamp), nil
}

// withRoot returns a builder that holds the root to judge by: the one sent,
// which the stored one must have signed, or else the stored one.
func (u upload) withRoot(gun data.GUN, sent []byte) (tuf.RepoBuilder, error) {
	builder := tuf.NewRepoBuilder(gun, u.keys, trustpinning.TrustPinConfig{})
	_, stored, err := u.store.GetCurrent(gun, data.CanonicalRootRole)
	switch err.(type) {
	case nil:
		if err := builder.Load(data.CanonicalRootRole, stored, 1, true); err != nil {
			return nil, validation.ErrBadRoot{Msg: err.Error()}
		}
	case storage.ErrNotFound:
		if sent == nil {
			return nil, validation.ErrValidation{Msg: "the first publication of a repository must hold a root"}
		}
	default:
		return nil, err
	}
	if sent == nil {
		return builder, nil
	}
	version := builder.GetLoadedVersion(data.CanonicalRootRole)
	builder = builder.BootstrapNewBuilder()
	if err := builder.Load(data.CanonicalRootRole, sent, version, false); err != nil {
		return nil, validation.ErrBadRoot{Msg: err.Error()}
	}
	if builder.GetLoadedVersion(data.CanonicalRootRole) > version+1 {
		return nil, validation.ErrBadRoot{
			Msg: fmt.Sprintf("the root after version %d must be version %d", version, version+1)}
	}
	return builder, nil
}

// loadAncestors loads the stored roles above a delegation, top first. One
// that is neither stored nor sent is left out: loading the delegation says so.
func (u upload) loadAncestors(builder tuf.RepoBuilder, gun data.GUN, role data.RoleName,
	sent map[data.RoleName][]byte) error {
	var above []data.RoleName
	for role != data.CanonicalTargetsRole {
		role = role.Parent()
		above = append([]data.RoleName{role}, above...)
	}
	for _, ancestor := range above {
		if _, comes := sent[ancestor]; comes || builder.IsLoaded(ancestor) {
			continue
		}
		_, stored, err := u.store.GetCurrent(gun, ancestor)
		if _, missing := err.(storage.ErrNotFound); missing {
			continue
		}
		if err != nil {
			return err
		}
		if err := builder.Load(ancestor, stored, 1, true); err != nil {
			return validation.ErrBadTargets{Msg: err.Error()}
		}
	}
	return nil
}

// signSnapshot signs the snapshot of a repository whose snapshot key is kept
// by the server, as `docker trust` sets it up.
func (u upload) signSnapshot(builder tuf.RepoBuilder, gun data.GUN) (storage.MetaUpdate, error) {
	var previous *data.SignedSnapshot
	if err := u.decodeStored(gun, data.CanonicalSnapshotRole, &previous); err != nil {
		return storage.MetaUpdate{}, err
	}
	content, version, err := builder.GenerateSnapshot(previous)
	switch err.(type) {
	case nil:
		return storage.MetaUpdate{
			Role: data.CanonicalSnapshotRole, Version: version, Data: content}, nil
	case signed.ErrInsufficientSignatures, signed.ErrNoKeys, signed.ErrRoleThreshold:
		return storage.MetaUpdate{}, validation.ErrBadHierarchy{
			Missing: data.CanonicalSnapshotRole.String(),
			Msg:     "the publication has no snapshot and its key is not kept here"}
	default:
		return storage.MetaUpdate{}, validation.ErrValidation{Msg: err.Error()}
	}
}

func (u upload) signTimestamp(builder tuf.RepoBuilder, gun data.GUN) (storage.MetaUpdate, error) {
	var previous *data.SignedTimestamp
	if err := u.decodeStored(gun, data.CanonicalTimestampRole, &previous); err != nil {
		return storage.MetaUpdate{}, err
	}
	content, version, err := builder.GenerateTimestamp(previous)
	if err != nil {
		return storage.MetaUpdate{}, validation.ErrBadRoot{Msg: err.Error()}
	}
	return storage.MetaUpdate{
		Role: data.CanonicalTimestampRole, Version: version, Data: content}, nil
}

// decodeStored decodes the stored role into target, a pointer to a pointer
// that stays nil when nothing is stored.
func (u upload) decodeStored(gun data.GUN, role data.RoleName, target any) error {
	_, stored, err := u.store.GetCurrent(gun, role)
	if _, missing := err.(storage.ErrNotFound); missing {
		return nil
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(stored, target)
}

func asUpdate(role data.RoleName, content []byte) (storage.MetaUpdate, error) {
	var meta data.SignedMeta
	if err := json.Unmarshal(content, &meta); err != nil {
		return storage.MetaUpdate{}, errors.ErrMalformedJSON.WithDetail(err.Error())
	}
	return storage.MetaUpdate{Role: role, Version: meta.Signed.Version, Data: content}, nil
}

// targetsFirst lists the targets roles sent, parents before their children.
func targetsFirst(sent map[data.RoleName][]byte) []data.RoleName {
	var roles []data.RoleName
	for role := range sent {
		if role == data.CanonicalTargetsRole || data.IsDelegation(role) {
			roles = append(roles, role)
		}
	}
	sort.Slice(roles, func(i, j int) bool {
		a, b := roles[i].String(), roles[j].String()
		if da, db := strings.Count(a, "/"), strings.Count(b, "/"); da != db {
			return da < db
		}
		return a < b
	})
	return roles
}
