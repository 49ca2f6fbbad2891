// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/registry"
)

const configJSON = "kubernetes.io/dockerconfigjson"

func secret(entries ...string) map[string][]byte {
	return map[string][]byte{".dockerconfigjson": []byte(`{"auths":{` + strings.Join(entries, ",") + `}}`)}
}

func entry(key, user string) string {
	return fmt.Sprintf(`%q:{"username":%q,"password":"p"}`, key, user)
}

func TestAPullSecretIsFoundByEveryWayToWriteItsHost(t *testing.T) {
	for _, test := range []struct {
		key, image string
		fits       bool
	}{
		{"registry.local:9001", "registry.local:9001", true},
		{"registry.local:9001", "registry.local:9001/team/app", true},
		{"registry.local", "registry.local:9001", true},
		{"https://registry.local:9001", "registry.local:9001", true},
		{"https://registry.local:9001/", "registry.local:9001", true},
		{"https://registry.local:9001/v1/", "registry.local:9001", true},
		{"https://registry.local:9001/v2", "registry.local:9001", true},
		{"Registry.Local:9001", "registry.local:9001", true},
		{"registry.local:9002", "registry.local:9001", false},
		{"registry.local:9001", "registry.local", false},
		{"local:9001", "registry.local:9001", false},
		{"docker.io", "docker.io", true},
		{"https://index.docker.io/v1/", "docker.io", true},
		{"index.docker.io", "docker.io/library/nginx", true},
		{"registry-1.docker.io", "docker.io", true},
		{"*.example.com", "a.example.com", true},
		{"*.example.com:5000", "a.example.com:5000", true},
		{"*.example.com", "a.example.com:5000", false},
		{"*.example.com", "a.b.example.com", false},
		{"r.example.com/team", "r.example.com/team/app", true},
		{"r.example.com/team", "r.example.com/team", true},
		{"r.example.com/team", "r.example.com/teams/app", false},
		{"r.example.com/team", "r.example.com", false},
		{"[fd00::1]:5000", "[fd00::1]:5000", true},
		{"[fd00::1]:5000", "[FD00:0::1]:5000/team/app", true},
		{"[fd00::1]", "[fd00::1]:5000", true},
		{"https://[fd00::1]:5000/v2/", "[fd00::1]:5000", true},
		{"[fd00::2]:5000", "[fd00::1]:5000", false},
		{"[fd00::1]:5000", "[fd00::1]", false},
		{"", "registry.local", false},
	} {
		got, err := registry.CredentialsFor(configJSON, secret(entry(test.key, "u")), test.image)
		if err != nil || (len(got) == 1) != test.fits {
			t.Errorf("key %q for %q: %v, %v", test.key, test.image, got, err)
		}
	}
}

func TestTheBestFittingCredentialComesFirst(t *testing.T) {
	got, err := registry.CredentialsFor(configJSON, secret(
		entry("r.example.com", "host"), entry("*.example.com:5000", "wildcard"),
		entry("r.example.com:5000", "port"), entry("https://r.example.com:5000/v1/", "url"),
		entry("r.example.com:5000/team", "path"), entry("other.example.com", "other"),
	), "r.example.com:5000/team/app")
	if err != nil {
		t.Fatal(err)
	}
	var users []string
	for _, c := range got {
		users = append(users, c.Username)
	}
	if want := []string{"path", "url", "port", "host", "wildcard"}; !slices.Equal(users, want) {
		t.Errorf("the order is %v, want %v", users, want)
	}
}

func TestAuthCountsMoreThanUserNameAndPassword(t *testing.T) {
	auth := base64.StdEncoding.EncodeToString([]byte("user:pa:ss\x00"))
	got, err := registry.CredentialsFor("kubernetes.io/dockercfg", map[string][]byte{".dockercfg": []byte(
		`{"r":{"username":"x","password":"y","auth":"` + auth + `","identitytoken":"t"}}`)}, "r")
	want := registry.Credential{Username: "user", Password: "pa:ss", IdentityToken: "t"}
	if err != nil || len(got) != 1 || got[0] != want {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestTheSameCredentialIsTriedOnce(t *testing.T) {
	got, err := registry.CredentialsFor(configJSON, secret(entry("r", "u"), entry("https://r", "u")), "r")
	if err != nil || len(got) != 1 {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestAPullSecretThatCannotBeUsedIsExplained(t *testing.T) {
	for name, test := range map[string]struct {
		kind, word string
		data       map[string][]byte
	}{
		"wrong type":   {"Opaque", "Opaque", secret()},
		"key missing":  {configJSON, ".dockerconfigjson", nil},
		"no JSON":      {configJSON, "no JSON", map[string][]byte{".dockerconfigjson": []byte("{")}},
		"wrong form":   {configJSON, "no JSON", map[string][]byte{".dockerconfigjson": []byte(`{"auths":[]}`)}},
		"old, missing": {"kubernetes.io/dockercfg", ".dockercfg", nil},
		"bad base64":   {configJSON, "base64", secret(`"r":{"auth":"***"}`)},
		"no colon":     {configJSON, "user:password", secret(`"r":{"auth":"` + base64.StdEncoding.EncodeToString([]byte("user")) + `"}`)},
	} {
		got, err := registry.CredentialsFor(test.kind, test.data, "r")
		if err == nil || len(got) != 0 || !strings.Contains(err.Error(), test.word) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
		if isType := errors.Is(err, registry.ErrSecretType); isType != (name == "wrong type") {
			t.Errorf("%s: the error is about the type: %t", name, isType)
		}
	}
}

func TestABrokenEntryDoesNotHideAGoodOne(t *testing.T) {
	got, err := registry.CredentialsFor(configJSON, secret(`"r":{"auth":"***"}`, entry("https://r", "u")), "r")
	if err != nil || len(got) != 1 {
		t.Errorf("got %v, %v", got, err)
	}
}

func FuzzPullSecret(f *testing.F) {
	f.Add([]byte(`{"auths":{"r:1":{"auth":"dTpw"}}}`), "r:1/x")
	f.Add([]byte(`{"auths":{"*.r":{"username":"u","password":"p"},"[":null}}`), "a.r")
	f.Fuzz(func(t *testing.T, content []byte, image string) {
		got, err := registry.CredentialsFor(configJSON, map[string][]byte{".dockerconfigjson": content}, image)
		if err != nil && len(got) > 0 {
			t.Error("credentials and an error")
		}
		for _, c := range got {
			if c.Username == "" && c.IdentityToken == "" {
				t.Error("a credential of nobody")
			}
		}
	})
}
