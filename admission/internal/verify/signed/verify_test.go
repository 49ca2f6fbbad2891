// SPDX-License-Identifier: Apache-2.0

package signed

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/gpgtest"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/notarytest"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/notationtest"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/reason"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/registry"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/attached"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/notation"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/sigstore"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/simple"
)

var manifest = []byte(`{"schemaVersion":2,` +
	`"mediaType":"application/vnd.docker.distribution.manifest.v2+json",` +
	`"config":{"mediaType":"application/vnd.docker.container.image.v1+json",` +
	`"size":2,"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e` +
	`8310c060f61caaff8a"},"layers":[]}`)

func digestOf(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// shelf is a registry and a signature store in one, over TLS, that wants the
// password of its user.
type shelf struct {
	mutex  sync.Mutex
	files  map[string][]byte
	status int // of every answer, if not 0
	asked  []string
	host   string
	sent   atomic.Int32 // requests to it, whether it has seen them or not
}

func newShelf(t *testing.T) (*shelf, *Verifier) {
	t.Helper()
	authority := notarytest.NewAuthority(t)
	s := &shelf{files: map[string][]byte{}}
	server := authority.Serve(t, s)
	s.host = strings.TrimPrefix(server.URL, "https://")
	transport := registry.New(registry.Options{
		Observe: func(registry.Exchange) { s.sent.Add(1) }})
	if err := transport.SetCA(authority.PEM); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(transport.CloseIdle)
	s.manifest("v1", manifest)
	return s, &Verifier{Transport: transport}
}

func (s *shelf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if user, password, ok := r.BasicAuth(); !ok || user != "u" ||
		password != "p" {
		w.Header().Set("WWW-Authenticate", `Basic realm="shelf"`)
		http.Error(w, "who are you", http.StatusUnauthorized)
		return
	}
	s.asked = append(s.asked, strings.TrimPrefix(r.URL.Path, "/v2/team/app/"))
	if s.status != 0 {
		http.Error(w, "as you wish", s.status)
		return
	}
	body, ok := s.files[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	var manifest struct{ MediaType string }
	if json.Unmarshal(body, &manifest) == nil && manifest.MediaType != "" {
		w.Header().Set("Content-Type", manifest.MediaType)
	}
	_, _ = w.Write(body)
}

func (s *shelf) put(path string, content []byte) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.files[path] = content
}

func (s *shelf) remove(part string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for path := range s.files {
		if strings.Contains(path, part) {
			delete(s.files, path)
		}
	}
}

func (s *shelf) manifest(tag string, content []byte) {
	s.put("/v2/team/app/manifests/"+tag, content)
	s.put("/v2/team/app/manifests/"+digestOf(content), content)
}

// request asks for team/app:v1.
func (s *shelf) request() Request {
	return Request{
		Host: s.host, Name: s.host + "/team/app", Tag: "v1",
		Credentials: []registry.Credential{
			{Username: "u", Password: "p", Source: "secret team/pull"}},
		StoreURL: "https://" + s.host + "/store/",
		StoreCredentials: []registry.Credential{
			{Username: "u", Password: "p", Source: "secret team/store"}},
	}
}

// wants is one requirement: any of the keys for team/app.
func (s *shelf) wants(keys []sigstore.Key) []CosignKeys {
	return []CosignKeys{{Keys: keys, Repository: s.host + "/team/app"}}
}

// cosigned adds a signature as cosign 2 keeps it, and returns its key.
func (s *shelf) cosigned(t *testing.T, digest string) []sigstore.Key {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	payload := fmt.Sprintf(`{"critical":{"identity":{"docker-reference":`+
		`%q},"image":{"docker-manifest-digest":%q},"type":`+
		`"cosign container image signature"},"optional":null}`,
		s.host+"/team/app", digest)
	sum := sha256.Sum256([]byte(payload))
	signature, err := ecdsa.SignASN1(rand.Reader, private, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	signatures, err := json.Marshal(map[string]any{
		"schemaVersion": 2,
		"layers": []any{map[string]any{
			"mediaType": "application/vnd.dev.cosign.simplesigning.v1+json",
			"digest":    digestOf([]byte(payload)),
			"size":      len(payload),
			"annotations": map[string]string{
				"dev.cosignproject.cosign/signature": base64.
					StdEncoding.EncodeToString(signature)},
		}}})
	if err != nil {
		t.Fatal(err)
	}
	s.manifest(strings.Replace(digest, ":", "-", 1)+".sig", signatures)
	s.put("/v2/team/app/blobs/"+digestOf([]byte(payload)), []byte(payload))
	raw, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	keys, err := sigstore.ParseKeys(pem.EncodeToMemory(
		&pem.Block{Type: "PUBLIC KEY", Bytes: raw}))
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// notationSigned adds a signature as notation keeps it where there is no
// referrers API, and returns the trust in its signer.
func (s *shelf) notationSigned(t *testing.T, content []byte,
	edit ...func(*x509.Certificate)) *notation.Trust {
	t.Helper()
	image := attached.Descriptor{Digest: digestOf(content),
		Size: int64(len(content)), MediaType: "application/" +
			"vnd.docker.distribution.manifest.v2+json"}
	authority := notationtest.NewAuthority(t)
	envelope := authority.Signer(t, edit...).Sign(t, notationtest.JWS, image)
	s.put("/v2/team/app/blobs/"+digestOf(envelope), envelope)
	manifest, err := json.Marshal(notationtest.Manifest(image,
		attached.Descriptor{MediaType: notationtest.JWS,
			Digest: digestOf(envelope), Size: int64(len(envelope))}))
	if err != nil {
		t.Fatal(err)
	}
	s.manifest("any", manifest)
	list, err := json.Marshal(map[string]any{"manifests": []any{
		attached.Descriptor{MediaType: attached.ManifestType,
			ArtifactType: notationtest.SignatureType,
			Digest:       digestOf(manifest), Size: int64(len(manifest))}}})
	if err != nil {
		t.Fatal(err)
	}
	s.manifest(strings.Replace(image.Digest, ":", "-", 1), list)
	trust, err := notation.NewTrust(
		notation.Authorities{Signers: authority.Chain}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return trust
}

// gpgSigned adds a signature of the image made by the real gpg and skopeo, and
// returns the key ring.
func (s *shelf) gpgSigned(t *testing.T) []byte {
	t.Helper()
	home := gpgtest.New(t, "a")
	s.putSignature(manifest, home.Sign("a", s.host+"/team/app:v1", manifest))
	return home.Ring("a")
}

// putSignature puts the first GPG signature of an image into the store.
func (s *shelf) putSignature(manifest, signature []byte) {
	s.put("/store/team/app@"+strings.Replace(digestOf(manifest), ":", "=", 1)+
		"/signature-1", signature)
}

func TestAnImageWithTheSignaturesItNeedsHasADigest(t *testing.T) {
	s, verifier := newShelf(t)
	keys := s.cosigned(t, digestOf(manifest))
	trust := s.notationSigned(t, manifest)
	ring := s.gpgSigned(t)
	for name, change := range map[string]func(*Request){
		"of a cosign key": func(r *Request) {
			r.Cosign = s.wants(keys)
		},
		"of a cosign key, by digest": func(r *Request) {
			r.Tag, r.Digest = "", digestOf(manifest)
			r.Cosign = s.wants(keys)
		},
		"of gpg": func(r *Request) {
			r.SignedBy = []simple.Requirement{{KeyRing: ring}}
		},
		"of gpg, by digest": func(r *Request) {
			r.Digest = digestOf(manifest)
			r.SignedBy = []simple.Requirement{{KeyRing: ring}}
		},
		"of notation": func(r *Request) {
			r.Notation = []*notation.Trust{trust}
		},
		"of notation, by digest": func(r *Request) {
			r.Tag, r.Digest = "", digestOf(manifest)
			r.Notation = []*notation.Trust{trust}
		},
		"of all": func(r *Request) {
			r.Cosign = s.wants(keys)
			r.Notation = []*notation.Trust{trust}
			r.SignedBy = []simple.Requirement{{KeyRing: ring}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			request := s.request()
			change(&request)
			digest, err := verifier.Digest(context.Background(), request)
			if err != nil || digest != digestOf(manifest) {
				t.Errorf("the digest is %q, %v", digest, err)
			}
		})
	}
}

func TestEveryFindingHasItsReason(t *testing.T) {
	for name, row := range map[string]struct {
		change func(*testing.T, *shelf, *Request)
		code   reason.Code
	}{
		"no cosign signature": {func(t *testing.T, s *shelf, r *Request) {
			r.Cosign = []CosignKeys{{Keys: s.cosigned(t, digestOf([]byte("x")))}}
		}, reason.NotSigned},
		"one of another key": {func(t *testing.T, s *shelf, r *Request) {
			other := s.cosigned(t, digestOf(manifest))
			s.cosigned(t, digestOf(manifest))
			r.Cosign = []CosignKeys{{Keys: other}}
		}, reason.SignatureRefused},
		"one of two keys": {func(t *testing.T, s *shelf, r *Request) {
			other := s.cosigned(t, digestOf(manifest))
			r.Cosign = []CosignKeys{
				{Keys: s.cosigned(t, digestOf(manifest))}, {Keys: other}}
		}, reason.SignatureRefused},
		"one for another repository": {func(t *testing.T, s *shelf, r *Request) {
			r.Cosign = []CosignKeys{{Keys: s.cosigned(t, digestOf(manifest)),
				Repository: "registry.example.com/other"}}
		}, reason.SignatureRefused},
		"no notation signature": {func(t *testing.T, s *shelf, r *Request) {
			r.Notation = []*notation.Trust{
				s.notationSigned(t, []byte("another"))}
		}, reason.NotSigned},
		"one of another authority": {func(t *testing.T, s *shelf, r *Request) {
			other := s.notationSigned(t, manifest)
			s.notationSigned(t, manifest)
			r.Notation = []*notation.Trust{other}
		}, reason.SignatureRefused},
		"another image under the digest": {func(t *testing.T, s *shelf, r *Request) {
			r.Notation = []*notation.Trust{s.notationSigned(t, manifest)}
			r.Tag, r.Digest = "", digestOf([]byte("another"))
			s.put("/v2/team/app/manifests/"+r.Digest, manifest)
		}, reason.RegistryError},
		"no image under the digest": {func(t *testing.T, s *shelf, r *Request) {
			r.Notation = []*notation.Trust{s.notationSigned(t, manifest)}
			r.Tag, r.Digest = "", digestOf([]byte("another"))
		}, reason.ImageNotFound},
		"no gpg signature": {func(t *testing.T, s *shelf, r *Request) {
			ring := s.gpgSigned(t)
			s.remove("/store/")
			r.SignedBy = []simple.Requirement{{KeyRing: ring}}
		}, reason.NotSigned},
		"a ring that is none": {func(_ *testing.T, _ *shelf, r *Request) {
			r.SignedBy = []simple.Requirement{{KeyRing: []byte("no ring")}}
		}, reason.KeyInvalid},
		"no store": {func(t *testing.T, s *shelf, r *Request) {
			r.StoreURL = ""
			r.SignedBy = []simple.Requirement{{KeyRing: s.gpgSigned(t)}}
		}, reason.PolicyInvalid},
		"no such image": {func(t *testing.T, s *shelf, r *Request) {
			r.Tag = "v2"
			r.Cosign = s.wants(s.cosigned(t, digestOf(manifest)))
		}, reason.ImageNotFound},
		"no such image for gpg": {func(t *testing.T, s *shelf, r *Request) {
			r.Tag = "v2"
			r.SignedBy = []simple.Requirement{{KeyRing: s.gpgSigned(t)}}
		}, reason.ImageNotFound},
		"no credentials": {func(t *testing.T, s *shelf, r *Request) {
			r.Credentials = nil
			r.Cosign = s.wants(s.cosigned(t, digestOf(manifest)))
		}, reason.NoCredentials},
		"no credentials for the store": {func(t *testing.T, s *shelf, r *Request) {
			r.StoreCredentials = nil
			r.SignedBy = []simple.Requirement{{KeyRing: s.gpgSigned(t)}}
		}, reason.NoCredentials},
		"a wrong password": {func(t *testing.T, s *shelf, r *Request) {
			r.Credentials[0].Password = "wrong"
			r.Cosign = s.wants(s.cosigned(t, digestOf(manifest)))
		}, reason.CredentialsRefused},
		"a registry that fails": {func(t *testing.T, s *shelf, r *Request) {
			s.status = http.StatusBadGateway
			r.Cosign = s.wants(s.cosigned(t, digestOf(manifest)))
		}, reason.RegistryError},
		"a registry that is not there": {func(t *testing.T, s *shelf, r *Request) {
			r.Host = "127.0.0.1:1"
			r.Name = r.Host + "/team/app"
			r.Cosign = s.wants(s.cosigned(t, digestOf(manifest)))
		}, reason.RegistryUnreachable},
	} {
		t.Run(name, func(t *testing.T) {
			s, verifier := newShelf(t)
			request := s.request()
			row.change(t, s, &request)
			digest, err := verifier.Digest(context.Background(), request)
			var denial *reason.Denial
			if !errors.As(err, &denial) || denial.Code != row.code ||
				digest != "" {
				t.Errorf("the digest is %q, %v; want %s", digest, err,
					row.code)
			}
		})
	}
}

func TestAStoreThatRefusesIsNotTakenForTheRegistry(t *testing.T) {
	s, verifier := newShelf(t)
	request := s.request()
	request.SignedBy = []simple.Requirement{{KeyRing: s.gpgSigned(t)}}
	request.StoreCredentials[0].Password = "wrong"
	_, err := verifier.Digest(context.Background(), request)
	if err == nil || !strings.Contains(err.Error(), "storeSecret") ||
		!strings.Contains(err.Error(), "secret team/store") {
		t.Errorf("the error is %v", err)
	}
}

func TestARegistryOfAnotherAuthorityIsNotTrusted(t *testing.T) {
	s, _ := newShelf(t)
	request := s.request()
	request.Cosign = s.wants(s.cosigned(t, digestOf(manifest)))
	stranger := &Verifier{Transport: registry.New(registry.Options{})}
	_, err := stranger.Digest(context.Background(), request)
	var denial *reason.Denial
	if !errors.As(err, &denial) ||
		denial.Code != reason.RegistryCertificate {
		t.Errorf("the error is %v", err)
	}
}

func TestATimeThatIsUpIsTheRegistrysDelay(t *testing.T) {
	s, verifier := newShelf(t)
	request := s.request()
	request.Cosign = s.wants(s.cosigned(t, digestOf(manifest)))
	ctx, cancel := context.WithTimeout(context.Background(), 0)
	defer cancel()
	_, err := verifier.Digest(ctx, request)
	var denial *reason.Denial
	if !errors.As(err, &denial) || denial.Code != reason.RegistryTimeout {
		t.Errorf("the error is %v", err)
	}
}

func TestDockerHubIsAskedAtItsRegistry(t *testing.T) {
	place := (&Verifier{}).repository(Request{Host: "docker.io",
		Name: "docker.io/library/nginx"})
	if place.Base() != "https://registry-1.docker.io/v2/library/nginx/" ||
		place.scope != "repository:library/nginx:pull" {
		t.Errorf("asked at %s for %s", place.Base(), place.scope)
	}
}

func TestARefusalNamesTheCallersOwnSecrets(t *testing.T) {
	shared := &registry.Error{Kind: registry.Refused, URL: "https://r", Tried: []string{"secret theirs/x"}}
	r := Request{Host: "r", Name: "r/app", Tag: "v1",
		Credentials:      []registry.Credential{{Username: "u", Source: "secret mine/pull"}},
		StoreCredentials: []registry.Credential{{Username: "u", Source: "secret mine/store"}}}
	for want, err := range map[string]error{
		"of secret mine/pull": shared, "of secret mine/store": &storeError{shared},
	} {
		got := denial(r, err).Error()
		if !strings.Contains(got, want) || strings.Contains(got, "theirs") {
			t.Errorf("denied: %s", got)
		}
	}
}
