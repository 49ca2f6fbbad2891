// SPDX-License-Identifier: Apache-2.0

// Package signing publishes trust data with the notary module's client: what
// tests and the lab need to make a signed, unsigned, expired or rotated tag.
// It never verifies anything.
package signing

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/theupdateframework/notary"
	"github.com/theupdateframework/notary/client"
	"github.com/theupdateframework/notary/cryptoservice"
	"github.com/theupdateframework/notary/passphrase"
	"github.com/theupdateframework/notary/storage"
	"github.com/theupdateframework/notary/trustmanager"
	"github.com/theupdateframework/notary/trustpinning"
	"github.com/theupdateframework/notary/tuf/data"
	"github.com/theupdateframework/notary/tuf/utils"
)

// the passphrase of every private key: they are made for a test and thrown
// away with its folder.
const phrase = "throw-away"

// Signer signs one repository at one server.
type Signer struct {
	repo   client.Repository
	server string
	gun    string
	http   http.RoundTripper
	dir    string
}

// Config tells where to sign and as whom.
type Config struct {
	Server, CAFile, Dir string
	User, Password      string
	Realm               string // of the token service; default: what the server names
}

// Open prepares signing one repository. Keys and state live below Dir.
func Open(c Config, gun string) (*Signer, error) {
	pool, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("read the system's certificates: %w", err)
	}
	if c.CAFile != "" {
		text, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read the CA file: %w", err)
		}
		if !pool.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("%s holds no PEM certificate", c.CAFile)
		}
	}
	plain := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	rt := &bearer{next: plain, user: c.User, password: c.Password, realm: c.Realm}
	repo, err := client.NewFileCachedRepository(c.Dir, data.GUN(gun), c.Server, rt,
		passphrase.ConstantRetriever(phrase), trustpinning.TrustPinConfig{})
	if err != nil {
		return nil, fmt.Errorf("open %s at %s: %w", gun, c.Server, err)
	}
	return &Signer{repo: repo, server: c.Server, gun: gun, http: rt, dir: c.Dir}, nil
}

// Init creates the repository with fresh keys and publishes it. With
// serverSnapshot the server signs the snapshot.
func (s *Signer) Init(serverSnapshot bool) error {
	root, err := s.repo.GetCryptoService().Create(data.CanonicalRootRole, "", data.ECDSAKey)
	if err != nil {
		return fmt.Errorf("make a root key: %w", err)
	}
	var managed []data.RoleName
	if serverSnapshot {
		managed = append(managed, data.CanonicalSnapshotRole)
	}
	if err := s.repo.Initialize([]string{root.ID()}, managed...); err != nil {
		return fmt.Errorf("initialise %s: %w", s.gun, err)
	}
	return s.publish()
}

// Sign signs a tag with a digest in the roles given, targets if none is.
func (s *Signer) Sign(tag, digest string, roles ...string) error {
	sum, err := hex.DecodeString(strings.TrimPrefix(digest, "sha256:"))
	if err != nil || len(sum) != 32 {
		return fmt.Errorf("%q is no sha256 digest", digest)
	}
	target := &client.Target{Name: tag, Hashes: data.Hashes{notary.SHA256: sum}, Length: 1}
	if err := s.repo.AddTarget(target, roleNames(roles)...); err != nil {
		return fmt.Errorf("sign %s: %w", tag, err)
	}
	return s.publish()
}

// Remove takes a tag out of the roles given, targets if none is.
func (s *Signer) Remove(tag string, roles ...string) error {
	if err := s.repo.RemoveTarget(tag, roleNames(roles)...); err != nil {
		return fmt.Errorf("remove %s: %w", tag, err)
	}
	return s.publish()
}

// Key makes a key for a delegation role. The private half stays in the
// signer's folder; the public half is returned as PEM, as a bare key or, with
// certificate, as a certificate.
func (s *Signer) Key(role string, certificate bool) ([]byte, error) {
	private, err := utils.GenerateECDSAKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: private.Public()})
	if certificate {
		cert, err := cryptoservice.GenerateCertificate(private, data.GUN(s.gun),
			time.Now().Add(-time.Hour), time.Now().AddDate(1, 0, 0))
		if err != nil {
			return nil, fmt.Errorf("make a certificate: %w", err)
		}
		public = utils.CertToPEM(cert)
	}
	store, err := trustmanager.NewKeyFileStore(s.dir, passphrase.ConstantRetriever(phrase))
	if err != nil {
		return nil, fmt.Errorf("open the key folder: %w", err)
	}
	info := trustmanager.KeyInfo{Role: data.RoleName(role), Gun: ""}
	if err := store.AddKey(info, private); err != nil {
		return nil, fmt.Errorf("keep key %s: %w", private.ID(), err)
	}
	return public, nil
}

// Delegate makes the keys, PEM, those of the delegation role and publishes it.
// The role may sign the tags that begin with one of paths, all if there are
// none.
func (s *Signer) Delegate(role string, paths []string, keys ...[]byte) error {
	if len(paths) == 0 {
		paths = []string{""}
	}
	var public []data.PublicKey
	for _, text := range keys {
		key, err := utils.ParsePEMPublicKey(text)
		if err != nil {
			return fmt.Errorf("read a key of %s: %w", role, err)
		}
		public = append(public, key)
	}
	if err := s.repo.AddDelegation(data.RoleName(role), public, paths); err != nil {
		return fmt.Errorf("add %s: %w", role, err)
	}
	return s.publish()
}

// Rotate replaces the key of root, targets or snapshot by a fresh one.
func (s *Signer) Rotate(role string) error {
	var keys []string
	if role == data.CanonicalRootRole.String() {
		root, err := s.repo.GetCryptoService().Create(data.CanonicalRootRole, "", data.ECDSAKey)
		if err != nil {
			return fmt.Errorf("make a root key: %w", err)
		}
		keys = append(keys, root.ID())
	}
	if err := s.repo.RotateKey(data.RoleName(role), false, keys); err != nil {
		return fmt.Errorf("rotate %s: %w", role, err)
	}
	return nil
}

// Delete removes the repository's trust data from the server.
func (s *Signer) Delete() error {
	if err := client.DeleteTrustData(s.dir, data.GUN(s.gun), s.server, s.http, true); err != nil {
		return fmt.Errorf("delete %s: %w", s.gun, err)
	}
	return nil
}

// publish sends what changed. A server that has seen the repository change
// since is asked once more.
func (s *Signer) publish() error {
	if err := s.repo.Publish(); err != nil {
		var gone storage.NetworkError
		if errors.As(err, &gone) {
			return fmt.Errorf("publish %s at %s: %w", s.gun, s.server, gone.Wrapped)
		}
		return fmt.Errorf("publish %s at %s: %w", s.gun, s.server, err)
	}
	return nil
}

// Expire sets how long what is signed from now on is valid.
func Expire(role string, after time.Duration) {
	data.SetDefaultExpiryTimes(map[data.RoleName]time.Duration{data.RoleName(role): after})
}

func roleNames(names []string) []data.RoleName {
	return data.NewRoleList(names)
}

// Bearer returns a RoundTripper that gets tokens for a user where it must.
func Bearer(next http.RoundTripper, user, password string) http.RoundTripper {
	return &bearer{next: next, user: user, password: password}
}

// bearer fetches a token for each request that is answered with 401.
type bearer struct {
	next                  http.RoundTripper
	user, password, realm string
}

func (b *bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		r.Body.Close()
	}
	first := r.Clone(r.Context())
	first.Body = io.NopCloser(bytes.NewReader(body))
	answer, err := b.next.RoundTrip(first)
	if err != nil || answer.StatusCode != http.StatusUnauthorized {
		return answer, err
	}
	challenge := answer.Header.Get("WWW-Authenticate")
	_, _ = io.Copy(io.Discard, answer.Body) // so that the connection is kept
	answer.Body.Close()
	token, err := b.token(challenge)
	if err != nil {
		return nil, err
	}
	second := r.Clone(r.Context())
	second.Body = io.NopCloser(bytes.NewReader(body))
	second.Header.Set("Authorization", "Bearer "+token)
	return b.next.RoundTrip(second)
}

func (b *bearer) token(challenge string) (string, error) {
	params := map[string]string{}
	for rest := strings.TrimPrefix(challenge, "Bearer "); rest != ""; {
		name, after, found := strings.Cut(rest, `="`)
		if !found {
			break
		}
		value, tail, _ := strings.Cut(after, `"`)
		params[strings.TrimLeft(name, ", ")] = value
		rest = tail
	}
	if b.realm != "" {
		params["realm"] = b.realm
	}
	query := url.Values{"service": {params["service"]}, "scope": {params["scope"]}}
	request, err := http.NewRequest(http.MethodGet, params["realm"]+"?"+query.Encode(), nil)
	if err != nil {
		return "", fmt.Errorf("ask for a token: %w", err)
	}
	if b.user != "" {
		request.SetBasicAuth(b.user, b.password)
	}
	answer, err := b.next.RoundTrip(request)
	if err != nil {
		return "", fmt.Errorf("ask for a token: %w", err)
	}
	defer answer.Body.Close()
	var got struct{ Token string }
	if err := json.NewDecoder(io.LimitReader(answer.Body, 1<<20)).Decode(&got); err != nil || got.Token == "" {
		return "", fmt.Errorf("ask %s for a token: status %d", params["realm"], answer.StatusCode)
	}
	return got.Token, nil
}
