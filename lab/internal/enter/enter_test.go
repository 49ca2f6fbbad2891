// SPDX-License-Identifier: Apache-2.0

package enter

import (
	"strings"
	"testing"

	"opendev.org/starlingx/portieris-armada-app/lab/internal/statedir"
)

func environment(base ...string) map[string]string {
	cfg := statedir.Config{Bin: "/b", RegistryPassword: "p",
		Passphrases: map[string]string{"ROOT": "r"}}
	env := map[string]string{}
	for _, e := range Environment("/lab", cfg, base) {
		key, value, _ := strings.Cut(e, "=")
		if _, twice := env[key]; twice {
			panic(key + " is set twice")
		}
		env[key] = value
	}
	return env
}

func TestCommandsOfTheLabComeFirst(t *testing.T) {
	env := environment("PATH=/a:/lab/bin:/c")
	if !strings.HasPrefix(env["PATH"], "/lab/bin:/a:/c:") {
		t.Error(env["PATH"])
	}
}

func TestProxiesOfTheMachineAreDropped(t *testing.T) {
	env := environment("https_proxy=x", "HTTP_PROXY=y", "EDITOR=vi")
	if _, kept := env["https_proxy"]; kept || env["HTTP_PROXY"] != "" {
		t.Error("a proxy is left")
	}
	if env["EDITOR"] != "vi" {
		t.Error("another variable is lost")
	}
}

func TestClusterOfTheCallerIsReplacedByTheLabs(t *testing.T) {
	env := environment("KUBECONFIG=/home/config")
	if env["KUBECONFIG"] != "/lab/pki/admin.conf" {
		t.Error(env["KUBECONFIG"])
	}
	if env["NOTARY_ROOT_PASSPHRASE"] != "r" || env["NOTARY_AUTH"] == "" {
		t.Error("the signing client has no credentials")
	}
}
