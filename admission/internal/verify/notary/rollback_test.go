// SPDX-License-Identifier: Apache-2.0

package notary_test

import (
	"encoding/json"
	"net/http"
	"path"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/theupdateframework/notary/tuf"
	"github.com/theupdateframework/notary/tuf/data"
	"github.com/theupdateframework/notary/tuf/signed"
	"github.com/theupdateframework/notary/tuf/testutils"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/notarytest"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/reason"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/registry"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/notary"
)

const (
	gun      = "registry.local:9001/team/app"
	releases = data.RoleName("targets/releases")
)

// insider is a trust server in the hands of somebody who has all keys, as a
// server has those of snapshot and timestamp: what it offers always verifies.
type insider struct {
	t    *testing.T
	repo *tuf.Repo
	keys signed.CryptoService

	mu    sync.Mutex
	files map[string][]byte // by role
}

func newInsider(t *testing.T) *insider {
	t.Helper()
	repo, keys, err := testutils.EmptyRepo(gun, releases)
	if err != nil {
		t.Fatal(err)
	}
	i := &insider{t: t, repo: repo, keys: keys, files: map[string][]byte{}}
	if _, err := repo.SignRoot(data.DefaultExpires("root"), nil); err != nil {
		t.Fatal(err)
	}
	return i
}

// signs signs a tag anew in the role and returns the role's file.
func (i *insider) signs(role data.RoleName, tag, digest string) *data.SignedTargets {
	i.t.Helper()
	meta, err := data.NewFileMeta(strings.NewReader(digest), "sha256")
	if err != nil {
		i.t.Fatal(err)
	}
	if _, err := i.repo.AddTargets(role, data.Files{tag: meta}); err != nil {
		i.t.Fatal(err)
	}
	if _, err := i.repo.SignTargets(role, data.DefaultExpires("targets")); err != nil {
		i.t.Fatal(err)
	}
	return i.copied(i.repo.Targets[role], role)
}

func (i *insider) copied(file *data.SignedTargets, role data.RoleName) *data.SignedTargets {
	i.t.Helper()
	raw, err := file.ToSigned()
	if err != nil {
		i.t.Fatal(err)
	}
	copied, err := data.TargetsFromSigned(raw, role)
	if err != nil {
		i.t.Fatal(err)
	}
	copied.Signatures = raw.Signatures
	return copied
}

// offers signs snapshot and timestamp anew and serves them, and in the place
// of a role's file the given one, or none.
func (i *insider) offers(releasing *data.SignedTargets) {
	i.t.Helper()
	delete(i.repo.Targets, releases)
	delete(i.repo.Snapshot.Signed.Meta, releases.String())
	if releasing != nil {
		i.repo.Targets[releases] = i.copied(releasing, releases)
	}
	if _, err := i.repo.SignSnapshot(data.DefaultExpires("snapshot")); err != nil {
		i.t.Fatal(err)
	}
	if _, err := i.repo.SignTimestamp(data.DefaultExpires("timestamp")); err != nil {
		i.t.Fatal(err)
	}
	files := map[string][]byte{}
	add := func(role data.RoleName, file interface{ ToSigned() (*data.Signed, error) }) {
		raw, err := file.ToSigned()
		if err == nil {
			files[role.String()], err = json.Marshal(raw)
		}
		if err != nil {
			i.t.Fatal(err)
		}
	}
	add("root", i.repo.Root)
	add("snapshot", i.repo.Snapshot)
	add("timestamp", i.repo.Timestamp)
	for role, file := range i.repo.Targets {
		add(role, file)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.files = files
}

var checksum = regexp.MustCompile(`\.[0-9a-f]{64}$`)

func (i *insider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, file, _ := strings.Cut(r.URL.Path, "/_trust/tuf/")
	role := checksum.ReplaceAllString(strings.TrimSuffix(file, path.Ext(file)), "")
	i.mu.Lock()
	defer i.mu.Unlock()
	body, known := i.files[role]
	if !known {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	_, _ = w.Write(body)
}

// delegatesAnew takes the role's keys away and lets another one sign.
func (i *insider) delegatesAnew(role data.RoleName) {
	i.t.Helper()
	before, err := i.repo.GetDelegationRole(role)
	if err != nil {
		i.t.Fatal(err)
	}
	key, err := testutils.CreateKey(i.keys, gun, role, data.ECDSAKey)
	if err != nil {
		i.t.Fatal(err)
	}
	if err := i.repo.UpdateDelegationKeys(role, data.KeyList{key}, before.ListKeyIDs(), 1); err != nil {
		i.t.Fatal(err)
	}
	i.repo.Targets[role] = data.NewTargets()
	if _, err := i.repo.SignTargets("targets", data.DefaultExpires("targets")); err != nil {
		i.t.Fatal(err)
	}
}

// meets makes a verifier and a request for the tag v1 of the insider's.
func (i *insider) meets() (*bed, notary.Request) {
	i.t.Helper()
	a := notarytest.NewAuthority(i.t)
	transport := registry.New(registry.Options{})
	if err := transport.SetCA(a.PEM); err != nil {
		i.t.Fatal(err)
	}
	i.t.Cleanup(transport.CloseIdle)
	return &bed{Verifier: notary.New(notary.Options{Transport: transport})},
		notary.Request{TrustServer: a.Serve(i.t, i).URL, GUN: gun, Tag: "v1"}
}

// Most tags are signed in a delegation; whoever has the server alone must not
// be able to bring back what was signed there once.
func TestAnOldDelegationOfferedAgainIsDenied(t *testing.T) {
	for name, between := range map[string]func(*insider){
		"at once":              func(*insider) {},
		"after it was missing": func(i *insider) { i.offers(nil) },
	} {
		t.Run(name, func(t *testing.T) {
			i := newInsider(t)
			i.signs("targets", "other", "other")
			first := i.signs(releases, "v1", "flawed")
			i.offers(first)
			b, r := i.meets()
			b.admits(t, r, digest("flawed"))
			second := i.signs(releases, "v1", "mended")
			i.offers(second)
			b.admits(t, r, digest("mended"))

			between(i)
			_, _ = b.Digest(t.Context(), r)
			i.offers(first)
			b.denies(t, r, reason.TrustDataRolledBack, "of the role targets/releases", "was seen before")
			i.offers(second)
			b.admits(t, r, digest("mended"))
		})
	}
}

func TestADelegationMadeAnewBeginsWithItsFirstVersion(t *testing.T) {
	i := newInsider(t)
	i.signs("targets", "other", "other")
	i.signs(releases, "v1", "one")
	i.offers(i.signs(releases, "v1", "two"))
	b, r := i.meets()
	b.admits(t, r, two)
	i.delegatesAnew(releases)
	i.offers(i.signs(releases, "v1", "three"))
	b.admits(t, r, three)
}
