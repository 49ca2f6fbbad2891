// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"path"
	"strings"
	"time"
)

// many begins the names of the repositories that share one trust data: to
// sign each of some thousands with the real programs takes many minutes. The
// certificate of a root key may be for all names that begin alike.
const many = registry + "/many/"

// forged is the trust data of all repositories that begin with many.
type forged struct {
	files map[string][]byte // by role
}

type tufKey struct {
	private *ecdsa.PrivateKey
	id      string
	public  map[string]any
}

// forge signs trust data with the tag v1.
func forge() (*forged, error) {
	root, err := newTUFKey(true)
	if err != nil {
		return nil, err
	}
	other, err := newTUFKey(false)
	if err != nil {
		return nil, err
	}
	role := func(key *tufKey) map[string]any {
		return map[string]any{"keyids": []string{key.id}, "threshold": 1}
	}
	f := &forged{files: map[string][]byte{}}
	digest := sha256.Sum256([]byte(many))
	for _, one := range []struct {
		role    string
		key     *tufKey
		content func() map[string]any
	}{
		{"root", root, func() map[string]any {
			return map[string]any{"consistent_snapshot": false,
				"keys": map[string]any{root.id: root.public, other.id: other.public},
				"roles": map[string]any{"root": role(root), "targets": role(other),
					"snapshot": role(other), "timestamp": role(other)}}
		}},
		{"targets", other, func() map[string]any {
			return map[string]any{
				"delegations": map[string]any{"keys": map[string]any{}, "roles": []any{}},
				"targets": map[string]any{"v1": map[string]any{"length": 1,
					"hashes": map[string]any{"sha256": digest[:]}}}}
		}},
		{"snapshot", other, func() map[string]any { return map[string]any{"meta": f.describe("root", "targets")} }},
		{"timestamp", other, func() map[string]any { return map[string]any{"meta": f.describe("snapshot")} }},
	} {
		content := one.content()
		content["_type"] = strings.ToUpper(one.role[:1]) + one.role[1:]
		content["version"] = 1
		content["expires"] = time.Now().AddDate(0, 0, 2).UTC().Format(time.RFC3339)
		if f.files[one.role], err = one.key.signed(content); err != nil {
			return nil, err
		}
	}
	return f, nil
}

func (f *forged) describe(roles ...string) map[string]any {
	meta := map[string]any{}
	for _, role := range roles {
		sum := sha256.Sum256(f.files[role])
		meta[role] = map[string]any{"length": len(f.files[role]), "hashes": map[string]any{"sha256": sum[:]}}
	}
	return meta
}

func newTUFKey(certified bool) (*tufKey, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	kind := "ecdsa"
	public, err := x509.MarshalPKIXPublicKey(private.Public())
	if certified && err == nil {
		kind = "ecdsa-x509"
		template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: many + "*"},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(0, 0, 2),
			KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}}
		public, err = x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
		public = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: public})
	}
	if err != nil {
		return nil, err
	}
	key := &tufKey{private: private, public: map[string]any{"keytype": kind,
		"keyval": map[string]any{"private": nil, "public": public}}}
	text, err := json.Marshal(key.public)
	sum := sha256.Sum256(text)
	key.id = hex.EncodeToString(sum[:])
	return key, err
}

func (k *tufKey) signed(content map[string]any) ([]byte, error) {
	text, err := json.Marshal(content)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	r, s, err := ecdsa.Sign(rand.Reader, k.private, sum[:])
	if err != nil {
		return nil, err
	}
	signature := append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	return json.Marshal(map[string]any{"signed": json.RawMessage(text),
		"signatures": []any{map[string]any{"keyid": k.id, "method": "ecdsa", "sig": signature}}})
}

// ServeHTTP answers for every repository alike.
func (f *forged) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	role, _, _ := strings.Cut(path.Base(r.URL.Path), ".")
	file, ok := f.files[role]
	if !ok || !strings.HasPrefix(r.URL.Path, "/v2/"+many) {
		http.NotFound(w, r)
		return
	}
	_, _ = w.Write(file)
}

// startForged serves the trust data and returns its URL.
func (p *parts) startForged() (string, error) {
	trust, err := forge()
	if err != nil {
		return "", err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	go func() { _ = http.ServeTLS(listener, trust, p.file("tls.crt"), p.file("tls.key")) }()
	return "https://" + listener.Addr().String(), nil
}
