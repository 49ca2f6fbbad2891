// SPDX-License-Identifier: Apache-2.0

package webhook

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "opendev.org/starlingx/portieris-armada-app/admission/api/v1"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/policyreview"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/reason"
)

// PolicyReviewer says what is wrong with a policy that is applied.
type PolicyReviewer interface {
	Applied(ctx context.Context, applied policyreview.Policy,
		before *policyreview.Policy) []policyreview.Finding
}

// PolicyObserver is told of each review of a policy and of its result:
// accepted, warned, refused, or unread if there was none.
type PolicyObserver interface {
	PolicyReviewed(result string)
}

// Policies answers reviews of policies: it refuses what can never work, and
// warns of what will surprise.
type Policies struct {
	Reviewer PolicyReviewer
	Observer PolicyObserver
	Log      *slog.Logger
}

// ServeHTTP reads one AdmissionReview and answers it.
func (p *Policies) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	review, status, err := read(w, r)
	if err != nil {
		p.Log.Warn("not an AdmissionReview", "error", err,
			"remote", r.RemoteAddr)
		http.Error(w, err.Error(), status)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), budget(r))
	defer cancel()
	response := p.respond(ctx, review.Request)
	response.UID = review.Request.UID
	answer(w, response)
}

// respond reviews one policy. What is none, or cannot be read as one, passes:
// the API server has checked it against its schema.
func (p *Policies) respond(ctx context.Context,
	request *admissionv1.AdmissionRequest) (
	response *admissionv1.AdmissionResponse) {
	started := time.Now()
	response = &admissionv1.AdmissionResponse{Allowed: true}
	result := "unread"
	log := p.Log.With("uid", request.UID, "kind", request.Kind.Kind,
		"namespace", request.Namespace, "name", request.Name,
		"user", request.UserInfo.Username)
	defer func() {
		if problem := recover(); problem != nil {
			log.Error("the review of a policy failed", "cause", problem)
			response = &admissionv1.AdmissionResponse{Allowed: true}
			result = "unread"
		}
		p.Observer.PolicyReviewed(result)
	}()
	if request.Resource.Group != v1.GroupVersion.Group {
		return response
	}
	applied, before, err := decodePolicy(request)
	if err != nil {
		log.Warn("a policy could not be reviewed", "error", err)
		response.Warnings = []string{
			"portieris has not reviewed the policy: " + err.Error()}
		return response
	}
	found := p.Reviewer.Applied(ctx, applied, before)
	response.Warnings = policyreview.Warnings(found)
	errors := policyreview.Errors(found)
	switch {
	case errors != "":
		result = "refused"
		response.Allowed = false
		response.Result = invalid(errors)
	case len(response.Warnings) > 0:
		result = "warned"
	default:
		result = "accepted"
	}
	log.Info("policy reviewed", "allowed", response.Allowed,
		"warnings", len(response.Warnings), "errors", errors,
		"took", time.Since(started).String())
	return response
}

func decodePolicy(request *admissionv1.AdmissionRequest) (
	applied policyreview.Policy, before *policyreview.Policy, err error) {
	applied, err = policyreview.Read(request.Object.Raw)
	if err != nil {
		return applied, nil, err
	}
	applied.Namespace = request.Namespace
	if request.Operation == admissionv1.Update {
		was, err := policyreview.Read(request.OldObject.Raw)
		if err != nil {
			return applied, nil, err
		}
		before = &was
	}
	return applied, before, nil
}

func invalid(errors string) *metav1.Status {
	entry, _ := reason.Lookup(reason.PolicyInvalid)
	return &metav1.Status{
		Status: metav1.StatusFailure,
		Code:   http.StatusUnprocessableEntity,
		Reason: metav1.StatusReasonInvalid,
		Message: fmt.Sprintf("%s\n%s [%s]", errors, entry.Cure,
			reason.PolicyInvalid),
	}
}
