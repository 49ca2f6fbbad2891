// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"sort"
	"strings"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/host"
)

// Credential is what a pull secret holds for one registry. Its text form
// never shows the secrets in it.
type Credential struct {
	Username      string
	Password      string `json:"-"`
	IdentityToken string `json:"-"`
	Source        string // where it comes from, for messages
}

// String names the credential without its secrets.
func (c Credential) String() string { return c.source() }

// GoString names the credential without its secrets.
func (c Credential) GoString() string { return "registry.Credential(" + c.source() + ")" }

func (c Credential) source() string {
	switch {
	case c.Source != "":
		return c.Source
	case c.anonymous():
		return "nobody"
	default:
		return "user " + c.Username
	}
}

func (c Credential) anonymous() bool { return c.Username == "" && c.IdentityToken == "" }

// Fingerprint tells credentials apart without holding them.
func (c Credential) Fingerprint() [sha256.Size]byte {
	return sha256.Sum256(fmt.Appendf(nil, "%q %q %q", c.Username, c.Password, c.IdentityToken))
}

func basicHeader(c Credential) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(c.Username+":"+c.Password))
}

// ErrSecretType tells that a Secret is of no type that holds registry
// credentials.
var ErrSecretType = errors.New("it is of no type that holds registry credentials")

type authEntry struct {
	Username      string `json:"username"`
	Password      string `json:"password"`
	Auth          string `json:"auth"`
	IdentityToken string `json:"identitytoken"`
}

// CredentialsFor finds in a pull secret the credentials for a registry, the
// best fitting first. image is the registry's host and port, or a full image
// name, which also finds entries for a path below the host. A secret without
// an entry for it yields none and no error.
func CredentialsFor(secretType string, data map[string][]byte, image string) ([]Credential, error) {
	entries, err := authEntries(secretType, data)
	if err != nil {
		return nil, err
	}
	type match struct {
		key   string
		score int
	}
	var matches []match
	for key := range entries {
		if score := fit(key, image); score > 0 {
			matches = append(matches, match{key, score})
		}
	}
	sort.Slice(matches, func(i, j int) bool {
		if matches[i].score != matches[j].score {
			return matches[i].score > matches[j].score
		}
		return matches[i].key < matches[j].key
	})
	var found []Credential
	var problem error
	seen := map[[sha256.Size]byte]bool{}
	for _, m := range matches {
		credential, err := entries[m.key].credential()
		if err != nil {
			problem = fmt.Errorf("its entry %q %w", m.key, err)
			continue
		}
		if mark := credential.Fingerprint(); !credential.anonymous() && !seen[mark] {
			seen[mark] = true
			found = append(found, credential)
		}
	}
	if len(found) == 0 && problem != nil {
		return nil, problem
	}
	return found, nil
}

func authEntries(secretType string, data map[string][]byte) (map[string]authEntry, error) {
	var entries map[string]authEntry
	switch secretType {
	case "kubernetes.io/dockerconfigjson":
		content, ok := data[".dockerconfigjson"]
		if !ok {
			return nil, errors.New("it has no key .dockerconfigjson")
		}
		var config struct {
			Auths map[string]authEntry `json:"auths"`
		}
		if err := json.Unmarshal(content, &config); err != nil {
			return nil, errors.New("its key .dockerconfigjson is no JSON of the form {\"auths\": {...}}")
		}
		entries = config.Auths
	case "kubernetes.io/dockercfg":
		content, ok := data[".dockercfg"]
		if !ok {
			return nil, errors.New("it has no key .dockercfg")
		}
		if err := json.Unmarshal(content, &entries); err != nil {
			return nil, errors.New("its key .dockercfg is no JSON of the form {\"HOST\": {...}}")
		}
	default:
		return nil, fmt.Errorf("%w (it is %q; kubernetes.io/dockerconfigjson and kubernetes.io/dockercfg are)",
			ErrSecretType, secretType)
	}
	return entries, nil
}

// credential reads one entry: auth comes before username and password.
func (e authEntry) credential() (Credential, error) {
	c := Credential{Username: e.Username, Password: e.Password, IdentityToken: e.IdentityToken}
	if e.Auth == "" {
		return c, nil
	}
	text, err := base64.StdEncoding.DecodeString(strings.TrimSpace(e.Auth))
	if err != nil {
		text, err = base64.RawStdEncoding.DecodeString(strings.TrimSpace(e.Auth))
	}
	user, password, found := strings.Cut(string(text), ":")
	if err != nil || !found {
		return Credential{}, errors.New("has an auth that is not user:password in base64")
	}
	c.Username, c.Password = user, strings.TrimRight(password, "\x00")
	return c, nil
}

// fit says how well the key of an entry fits an image: 0 not at all, then
// wildcard, host without the port, host, and the longer path the better.
func fit(key, image string) int {
	keyHost, keyPath := splitKey(key)
	imageHost, name, _ := strings.Cut(strings.TrimSpace(image), "/")
	imageHost = host.Fold(imageHost)
	if keyHost == "" || imageHost == "" {
		return 0
	}
	imageName, _ := host.Split(imageHost)
	score := 0
	switch {
	case keyHost == imageHost:
		score = 3
	case keyHost == imageName:
		score = 2
	case strings.Contains(keyHost, "*") && globHost(keyHost, imageHost):
		score = 1
	default:
		return 0
	}
	if keyPath != "" {
		if name != keyPath && !strings.HasPrefix(name, keyPath+"/") {
			return 0
		}
	}
	return score + 4*len(keyPath)
}

// splitKey reads the key of an entry in the forms that are about: host,
// host:port, a URL, with the API's /v1/ or /v2/ behind or a path of images.
func splitKey(key string) (registry, names string) {
	key = strings.TrimSpace(key)
	if _, rest, found := strings.Cut(key, "://"); found {
		key = rest
	}
	key, names, _ = strings.Cut(key, "/")
	names = strings.Trim(names, "/")
	if names == "v1" || names == "v2" {
		names = ""
	}
	return host.Fold(key), names
}

// globHost matches a host as the kubelet does: label by label, the port as
// it is.
func globHost(pattern, registry string) bool {
	patternName, patternPort := host.Split(pattern)
	hostName, hostPort := host.Split(registry)
	if patternPort != hostPort {
		return false
	}
	wants, has := strings.Split(patternName, "."), strings.Split(hostName, ".")
	if len(wants) != len(has) {
		return false
	}
	for i := range wants {
		if ok, err := path.Match(wants[i], has[i]); err != nil || !ok {
			return false
		}
	}
	return true
}
