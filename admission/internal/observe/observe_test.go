// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	v1 "opendev.org/starlingx/portieris-armada-app/admission/api/v1"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/decision"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/policy"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/reason"
)

func shown(t *testing.T, metrics *Metrics) string {
	t.Helper()
	recorder := httptest.NewRecorder()
	metrics.Handler().ServeHTTP(recorder,
		httptest.NewRequest("GET", "/metrics", nil))
	text, err := io.ReadAll(recorder.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestWhatHappensIsCounted(t *testing.T) {
	metrics := NewMetrics("2.0.1")
	denial := reason.New(reason.NotSigned, "no")
	warned := decision.Decision{Denial: denial, Choice: policy.Choice{
		Entry: v1.Repository{Mode: v1.ModeWarn}}}
	metrics.Decided([]decision.Decision{{}, {}})
	metrics.Decided([]decision.Decision{warned})
	metrics.Decided([]decision.Decision{{}, {Denial: denial}})
	metrics.Decided([]decision.Decision{{Notice: "no answer"}})
	metrics.Reviewed("Pod", true, time.Millisecond)
	metrics.PolicyReviewed("warned")
	metrics.Serving(time.Unix(1234567890, 0))
	metrics.Reloaded("ca", errors.New("no PEM"))
	metrics.Reloaded("certificate", nil)
	metrics.Asked("notary:4443", 200, time.Millisecond)
	metrics.Asked("notary:4443", 0, time.Second)
	metrics.CountPolicies(func() (int, int) { return 3, 1 })
	text := shown(t, metrics)
	for _, line := range []string{
		"portieris_pod_admission_decision_allow_count 3",
		"portieris_pod_admission_decision_deny_count 1",
		`portieris_image_decisions_total{reason="",result="trusted"} 3`,
		`portieris_image_decisions_total{reason="",result="stale"} 1`,
		`portieris_image_decisions_total{reason="NOT-SIGNED",result="warned"} 1`,
		`portieris_image_decisions_total{reason="NOT-SIGNED",result="denied"} 1`,
		`portieris_review_duration_seconds_count{allowed="true",kind="Pod"} 1`,
		`portieris_policy_reviews_total{result="warned"} 1`,
		"portieris_serving_certificate_expiry_timestamp_seconds 1.23456789e+09",
		`portieris_reloads_total{result="failed",what="ca"} 1`,
		`portieris_reloads_total{result="ok",what="certificate"} 1`,
		`portieris_trust_server_requests_total{host="notary:4443",status="200"} 1`,
		`portieris_trust_server_requests_total{host="notary:4443",status="error"} 1`,
		`portieris_policies{kind="ImagePolicy"} 3`,
		`portieris_policies{kind="ClusterImagePolicy"} 1`,
		`portieris_build_info{version="2.0.1"} 1`,
	} {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("the metrics lack %s", line)
		}
	}
}

func TestHostsOfPoliciesAndImagesDoNotFillTheMetrics(t *testing.T) {
	metrics := NewMetrics("2.0.1")
	for i := range 10 * maxHosts {
		metrics.Asked(fmt.Sprintf("r%d.example.com", i), 404, time.Second)
	}
	metrics.Asked("r0.example.com", 404, time.Second)
	text := shown(t, metrics)
	const name = "portieris_trust_server_requests_total"
	if got := strings.Count(text, "\n"+name+"{"); got != maxHosts+1 {
		t.Errorf("%d series, want %d", got, maxHosts+1)
	}
	for _, line := range []string{
		`{host="other",status="404"} ` + fmt.Sprint(9*maxHosts),
		`{host="r0.example.com",status="404"} 2`,
	} {
		if !strings.Contains(text, "\n"+name+line+"\n") {
			t.Errorf("the metrics lack %s", line)
		}
	}
}

func TestAHostThatIsNoTextIsCounted(t *testing.T) {
	metrics := NewMetrics("2.0.1")
	metrics.Asked("\xff:443", 0, time.Second)
	if text := shown(t, metrics); !strings.Contains(text,
		`{host="?:443",status="error"} 1`) {
		t.Error("the request is not counted")
	}
}

func TestTheLogIsAsDetailedAsAskedFor(t *testing.T) {
	var out bytes.Buffer
	log, err := NewLog(&out, "warn")
	if err != nil {
		t.Fatal(err)
	}
	log.Info("unseen")
	log.Warn("seen", "image", "r/app\"\n")
	if text := out.String(); strings.Contains(text, "unseen") ||
		!strings.Contains(text, `"image":"r/app\"\n"`) ||
		strings.Count(text, "\n") != 1 {
		t.Errorf("log %q", text)
	}
}

func TestALogLevelThatIsNoneIsNamed(t *testing.T) {
	for _, level := range []string{"", "verbose", "INFO+1", "4"} {
		_, err := NewLog(io.Discard, level)
		if err == nil || !strings.Contains(err.Error(), "debug, info, warn") {
			t.Errorf("the level %q gives %v", level, err)
		}
	}
}
