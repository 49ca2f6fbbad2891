// SPDX-License-Identifier: Apache-2.0

package notary

import (
	"strings"
	"testing"
	"time"

	"github.com/theupdateframework/notary/tuf/data"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/reason"
)

func TestADelegationReleasesNoTagItMayNotSign(t *testing.T) {
	// The client would not sign such a tag; whoever holds the key can.
	sum := strings.Repeat("ab", 32)
	v := &view{roles: []*role{
		{name: "targets", paths: data.DelegationRole{Paths: []string{""}}, expires: tomorrow},
		{name: "targets/releases", paths: data.DelegationRole{Paths: []string{"prod-"}}, expires: tomorrow,
			targets: map[string]string{"prod-1": sum, "dev-1": sum}},
	}}
	if got, err := v.judge(time.Now(), "prod-1", "", nil); err != nil || got != "sha256:"+sum {
		t.Errorf("prod-1: %q, %v", got, err)
	}
	if got, err := v.judge(time.Now(), "dev-1", "", nil); err == nil || reason.From(err).Code != reason.NotSigned {
		t.Errorf("dev-1: %q, %v", got, err)
	}
	v.roles[1].targets = map[string]string{"dev-1": sum}
	if got, err := v.judge(time.Now(), "", "sha256:"+sum, nil); err == nil || reason.From(err).Code != reason.DigestNotSigned {
		t.Errorf("by digest: %q, %v", got, err)
	}
}

func TestADelegationWhoseSignaturesDoNotVerifyIsNamed(t *testing.T) {
	v := &view{roles: []*role{
		{name: "targets", paths: data.DelegationRole{Paths: []string{""}}, expires: tomorrow},
		{name: "targets/releases", broken: true, expires: tomorrow},
	}}
	_, err := v.judge(time.Now(), "v1", "", nil)
	if got := reason.From(err); got.Code != reason.TrustDataInvalid || !strings.Contains(got.Sentence, "targets/releases") {
		t.Errorf("%s %s", got.Code, got)
	}
}
