// SPDX-License-Identifier: Apache-2.0

package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/policyreview"
)

// reviewer finds what it is told to find, and notes the results of reviews.
type reviewer struct {
	applied policyreview.Policy
	before  *policyreview.Policy
	finds   []policyreview.Finding
	panics  bool
	results []string
}

func (r *reviewer) PolicyReviewed(result string) {
	r.results = append(r.results, result)
}

func (r *reviewer) handler() *Policies {
	return &Policies{Reviewer: r, Observer: r,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
}

func (r *reviewer) Applied(_ context.Context, applied policyreview.Policy,
	before *policyreview.Policy) []policyreview.Finding {
	r.applied, r.before = applied, before
	if r.panics {
		panic("a mistake of ours")
	}
	return r.finds
}

const aPolicy = `{"apiVersion": "portieris.cloud.ibm.com/v1",
	"kind": "ImagePolicy", "metadata": {"name": "p"},
	"spec": {"repositories": [{"name": "*"}]}}`

func applied(object, before string) *admissionv1.AdmissionRequest {
	request := &admissionv1.AdmissionRequest{
		UID: "1", Operation: admissionv1.Create, Namespace: "team",
		Kind: metav1.GroupVersionKind{Kind: "ImagePolicy"},
		Resource: metav1.GroupVersionResource{
			Group: "portieris.cloud.ibm.com", Version: "v1",
			Resource: "imagepolicies"},
		Object: runtime.RawExtension{Raw: []byte(object)},
	}
	if before != "" {
		request.Operation = admissionv1.Update
		request.OldObject.Raw = []byte(before)
	}
	return request
}

func (r *reviewer) asked(t *testing.T,
	request *admissionv1.AdmissionRequest) *admissionv1.AdmissionResponse {
	t.Helper()
	review := admissionv1.AdmissionReview{Request: request}
	review.APIVersion, review.Kind = "admission.k8s.io/v1", "AdmissionReview"
	body, err := json.Marshal(review)
	if err != nil {
		t.Fatal(err)
	}
	recorder := httptest.NewRecorder()
	r.handler().ServeHTTP(recorder, httptest.NewRequest(http.MethodPost,
		"/validate-policies", bytes.NewReader(body)))
	var answer admissionv1.AdmissionReview
	if err := json.Unmarshal(recorder.Body.Bytes(), &answer); err != nil {
		t.Fatalf("%d %s: %v", recorder.Code, recorder.Body, err)
	}
	if answer.Response.UID != "1" {
		t.Errorf("the uid is %q", answer.Response.UID)
	}
	return answer.Response
}

func TestAPolicyIsReviewedWithItsNamespaceAndWhatItWasBefore(t *testing.T) {
	r := &reviewer{}
	if !r.asked(t, applied(aPolicy, "")).Allowed || r.before != nil ||
		r.applied.Name != "p" || r.applied.Namespace != "team" {
		t.Errorf("reviewed is %+v, before %v", r.applied, r.before)
	}
	r.asked(t, applied(aPolicy, strings.Replace(aPolicy, "*", "r/*", 1)))
	if r.before == nil || r.before.Entries[0].Name != "r/*" {
		t.Errorf("before is %v", r.before)
	}
}

func TestWarningsPassAndErrorsRefuseThePolicy(t *testing.T) {
	r := &reviewer{finds: []policyreview.Finding{
		{Where: "here", Sentence: "it surprises"}}}
	answer := r.asked(t, applied(aPolicy, ""))
	if !answer.Allowed || len(answer.Warnings) != 1 ||
		answer.Warnings[0] != "here: it surprises" {
		t.Errorf("the answer is %+v", answer)
	}
	r.finds = append(r.finds, policyreview.Finding{Where: "there",
		Error: true, Sentence: "it cannot work"})
	answer = r.asked(t, applied(aPolicy, ""))
	r.finds = nil
	r.asked(t, applied(aPolicy, ""))
	if want := []string{"warned", "refused", "accepted"}; !slices.Equal(
		r.results, want) {
		t.Errorf("counted %q, want %q", r.results, want)
	}
	if answer.Allowed || len(answer.Warnings) != 1 ||
		answer.Result.Code != http.StatusUnprocessableEntity ||
		!strings.HasPrefix(answer.Result.Message, "there: it cannot work\n") ||
		!strings.HasSuffix(answer.Result.Message, "[POLICY-INVALID]") {
		t.Errorf("the answer is %+v", answer)
	}
}

func TestNothingIsRefusedThatCouldNotBeReviewed(t *testing.T) {
	foreign := applied(aPolicy, "")
	foreign.Resource.Group = "apps"
	for name, row := range map[string]struct {
		reviewer *reviewer
		request  *admissionv1.AdmissionRequest
		result   string
		warnings int
	}{
		"a failure of ours":     {&reviewer{panics: true}, applied(aPolicy, ""), "unread", 0},
		"no policy":             {&reviewer{}, applied("[]", ""), "unread", 1},
		"another group":         {&reviewer{panics: true}, foreign, "unread", 0},
		"garbage stood before":  {&reviewer{}, applied(aPolicy, "[]"), "unread", 1},
		"an object without all": {&reviewer{}, applied("{}", ""), "accepted", 0},
		"more than is read": {&reviewer{}, applied(strings.Replace(aPolicy,
			`[{`, `[`+strings.Repeat(`{"name": "r"},`, 1<<16)+`{`, 1), ""), "unread", 1},
	} {
		t.Run(name, func(t *testing.T) {
			got := row.reviewer.asked(t, row.request)
			if !got.Allowed || len(got.Warnings) != row.warnings {
				t.Errorf("the answer is %+v", got)
			}
			if got := row.reviewer.results; !slices.Equal(got, []string{row.result}) {
				t.Errorf("counted %q", got)
			}
		})
	}
}

func TestWhatIsNoReviewOfAPolicyGetsASentence(t *testing.T) {
	recorder := httptest.NewRecorder()
	(&reviewer{}).handler().ServeHTTP(recorder, httptest.NewRequest(
		http.MethodGet, "/validate-policies", nil))
	if recorder.Code != http.StatusMethodNotAllowed ||
		!strings.Contains(recorder.Body.String(), "by POST") {
		t.Errorf("%d %s", recorder.Code, recorder.Body)
	}
}
