// SPDX-License-Identifier: Apache-2.0

// Package webhook answers AdmissionReviews: it decides which requests are
// about images at all, how much time a decision may take, and how it is told
// to the API server. It never decides whether an image is trusted.
package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	exactjson "k8s.io/apimachinery/pkg/util/json"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/decision"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/reason"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/workload"
)

// maxBody is the largest review that is read. The API server limits an
// object to 3 MiB, and a review of an update holds two.
const maxBody = 8 << 20

// Judge decides about the images of one workload.
type Judge interface {
	All(ctx context.Context, workload decision.Workload,
		images []string) []decision.Decision
}

// Observer is told of everything that was decided: the images of each object
// that was judged, and every answer to the API server.
type Observer interface {
	Decided(decisions []decision.Decision)
	Reviewed(kind string, allowed bool, took time.Duration)
}

// Handler answers reviews posted to it.
type Handler struct {
	Judge    Judge
	Owners   workload.Owners
	Observer Observer
	Log      *slog.Logger
	// Ready tells whether the policies have been read.
	Ready func() bool
	// Exempt tells whether everything is admitted in a namespace.
	Exempt func(namespace string) bool
}

// ServeHTTP reads one AdmissionReview and answers it. What is not a review
// gets a plain error, which the API server reports by the failure policy.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	started := time.Now()
	review, status, err := read(w, r)
	if err != nil {
		h.Log.Warn("not an AdmissionReview", "error", err,
			"remote", r.RemoteAddr)
		denial := reason.Wrap(reason.RequestInvalid, err, "%v", err)
		http.Error(w, fmt.Sprintf("%s [%s]", denial.Sentence, denial.Code),
			status)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), budget(r))
	defer cancel()
	response := h.review(ctx, review.Request, started)
	response.UID = review.Request.UID
	answer(w, response)
}

// review decides about a request and counts it. A panic is a denial: without
// an answer the failure policy would decide, and it may be Ignore.
func (h *Handler) review(ctx context.Context,
	request *admissionv1.AdmissionRequest, started time.Time) (
	response *admissionv1.AdmissionResponse) {
	defer func() {
		if problem := recover(); problem != nil {
			h.Log.Error("the review failed", "uid", request.UID,
				"cause", problem, "stack", string(debug.Stack()))
			response = denied(request, reason.New(reason.Internal,
				"the admission server failed: %v", problem))
		}
	}()
	response = h.respond(ctx, request)
	h.Observer.Reviewed(kindOf(request), response.Allowed,
		time.Since(started))
	return response
}

// read returns the review, or what is wrong with the request and the status
// to answer with.
func read(w http.ResponseWriter, r *http.Request) (
	*admissionv1.AdmissionReview, int, error) {
	if r.Method != http.MethodPost {
		return nil, http.StatusMethodNotAllowed,
			errors.New("an AdmissionReview is sent by POST")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, http.StatusRequestEntityTooLarge, fmt.Errorf(
			"the AdmissionReview is larger than %d bytes", maxBody)
	case err != nil:
		return nil, http.StatusBadRequest, fmt.Errorf(
			"the AdmissionReview could not be read: %w", err)
	}
	review := &admissionv1.AdmissionReview{}
	if err := exactjson.Unmarshal(body, review); err != nil {
		return nil, http.StatusBadRequest, fmt.Errorf(
			"the body is not an AdmissionReview: %w", err)
	}
	if review.APIVersion != admissionv1.SchemeGroupVersion.String() ||
		review.Kind != "AdmissionReview" {
		return nil, http.StatusBadRequest, fmt.Errorf("the body is a %q of "+
			"%q, not an AdmissionReview of admission.k8s.io/v1",
			review.Kind, review.APIVersion)
	}
	if review.Request == nil || review.Request.UID == "" {
		return nil, http.StatusBadRequest, errors.New(
			"the AdmissionReview has no request with a uid")
	}
	return review, 0, nil
}

// kindOf is the kind of the object for metrics, whose labels must be few
// whatever is sent.
func kindOf(request *admissionv1.AdmissionRequest) string {
	if kind, ok := judged(request); ok {
		return kind.Kind
	}
	return "other"
}

// budget is the time for a decision. The API server says in the query how
// long it waits; a second of that is kept so that the answer arrives in time.
func budget(r *http.Request) time.Duration {
	limit, err := time.ParseDuration(r.URL.Query().Get("timeout"))
	if err != nil || limit <= 0 || limit > 30*time.Second {
		limit = 10 * time.Second
	}
	return max(limit-time.Second, limit/2)
}

func answer(w http.ResponseWriter, response *admissionv1.AdmissionResponse) {
	review := admissionv1.AdmissionReview{Response: response}
	review.APIVersion = admissionv1.SchemeGroupVersion.String()
	review.Kind = "AdmissionReview"
	body, err := json.Marshal(review)
	if err != nil {
		http.Error(w, "the answer could not be written: "+err.Error(),
			http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body)
}
