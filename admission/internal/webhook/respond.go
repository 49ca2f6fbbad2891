// SPDX-License-Identifier: Apache-2.0

package webhook

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/decision"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/reason"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/workload"
)

// maxImages is how many different images of one object are judged.
const maxImages = 200

// respond decides about one request.
func (h *Handler) respond(ctx context.Context,
	request *admissionv1.AdmissionRequest) *admissionv1.AdmissionResponse {
	kind, ok := judged(request)
	if !ok || h.Exempt(request.Namespace) {
		return &admissionv1.AdmissionResponse{Allowed: true}
	}
	if !h.Ready() {
		return h.refuse(request, reason.New(reason.NotReady,
			"the admission server has not read the policies yet"))
	}
	object, before, err := decode(kind, request)
	if err != nil {
		return h.refuse(request,
			reason.Wrap(reason.ObjectInvalid, err, "%v", err))
	}
	uses := workload.ToJudge(ctx, request.Namespace, object, before, h.Owners)
	if len(uses) == 0 {
		return &admissionv1.AdmissionResponse{Allowed: true}
	}
	images := imagesOf(uses)
	if len(images) > maxImages {
		return h.refuse(request, reason.New(reason.TooManyImages,
			"the object names %d different images, more than %d",
			len(images), maxImages))
	}
	decisions := h.Judge.All(ctx, decision.Workload{
		Namespace:      request.Namespace,
		PullSecrets:    object.PullSecrets(),
		ServiceAccount: object.ServiceAccount(),
		DryRun:         request.DryRun != nil && *request.DryRun,
	}, images)
	h.tell(request, decisions)
	return combined(uses, decisions)
}

// judged tells whether the request can bring an image in, and the kind of
// its object.
func judged(request *admissionv1.AdmissionRequest) (workload.Kind, bool) {
	if request.Operation != admissionv1.Create &&
		request.Operation != admissionv1.Update {
		return workload.Kind{}, false
	}
	resource := request.Resource
	if request.SubResource != "" && (resource.Resource != "pods" ||
		request.SubResource != "ephemeralcontainers") {
		return workload.Kind{}, false
	}
	return workload.ByResource(
		resource.Group, resource.Version, resource.Resource)
}

func decode(kind workload.Kind, request *admissionv1.AdmissionRequest) (
	object, before *workload.Object, err error) {
	object, err = workload.Decode(kind, request.Object.Raw)
	if err != nil {
		return nil, nil, err
	}
	if request.Operation == admissionv1.Update &&
		len(request.OldObject.Raw) > 0 {
		before, err = workload.Decode(kind, request.OldObject.Raw)
	}
	return object, before, err
}

func imagesOf(uses []workload.Use) []string {
	seen := map[string]bool{}
	var images []string
	for _, use := range uses {
		if !seen[use.Image] {
			seen[use.Image] = true
			images = append(images, use.Image)
		}
	}
	return images
}

// combined is the answer to a request whose images were judged: one denial
// denies the object, and then nothing is patched.
func combined(uses []workload.Use,
	decisions []decision.Decision) *admissionv1.AdmissionResponse {
	response := &admissionv1.AdmissionResponse{Allowed: true}
	replacements := map[string]string{}
	for _, one := range decisions {
		switch {
		case !one.Allowed():
			response.Allowed = false
		case one.Denial != nil:
			response.Warnings = append(response.Warnings, warning(one))
		default:
			replacements[one.Image] = one.Replacement
			if one.Notice != "" {
				response.Warnings = append(response.Warnings,
					"portieris: "+one.Notice)
			}
		}
	}
	if !response.Allowed {
		response.Result = forbidden(decision.Message(decisions))
		return response
	}
	patch, err := workload.Patch(uses, replacements)
	if err != nil {
		return &admissionv1.AdmissionResponse{Result: forbidden(
			decision.Prefix + "the patch could not be written: " +
				err.Error())}
	}
	if patch != nil {
		jsonPatch := admissionv1.PatchTypeJSONPatch
		response.Patch, response.PatchType = patch, &jsonPatch
	}
	return response
}

// warning is what kubectl shows of an image that only mode warn lets in.
func warning(one decision.Decision) string {
	return fmt.Sprintf("portieris admits %q only because %s is in mode warn: "+
		"%s [%s]", one.Image, one.Choice.Source,
		strings.ReplaceAll(one.Denial.Sentence, "\n", " "), one.Denial.Code)
}

// refuse denies a request that was not judged image by image.
func (h *Handler) refuse(request *admissionv1.AdmissionRequest,
	denial *reason.Denial) *admissionv1.AdmissionResponse {
	h.tell(request, whole(request, denial))
	return denied(request, denial)
}

func denied(request *admissionv1.AdmissionRequest,
	denial *reason.Denial) *admissionv1.AdmissionResponse {
	return &admissionv1.AdmissionResponse{
		Result: forbidden(decision.Message(whole(request, denial))),
	}
}

// whole is the decision about an object in the place of its images.
func whole(request *admissionv1.AdmissionRequest,
	denial *reason.Denial) []decision.Decision {
	return []decision.Decision{
		{Image: objectName(request), Denial: denial},
	}
}

func objectName(request *admissionv1.AdmissionRequest) string {
	return strings.ToLower(request.Kind.Kind) + " " +
		request.Namespace + "/" + request.Name
}

func forbidden(message string) *metav1.Status {
	return &metav1.Status{
		Status:  metav1.StatusFailure,
		Code:    http.StatusForbidden,
		Reason:  metav1.StatusReasonForbidden,
		Message: message,
	}
}

// tell logs and counts the decisions of a request.
func (h *Handler) tell(request *admissionv1.AdmissionRequest,
	decisions []decision.Decision) {
	log := h.Log.With("uid", request.UID, "kind", request.Kind.Kind,
		"namespace", request.Namespace, "name", request.Name,
		"user", request.UserInfo.Username)
	h.Observer.Decided(decisions)
	for _, one := range decisions {
		if one.Denial == nil {
			log.Info("trusted", "image", one.Image, "digest", one.Digest,
				"policy", one.Choice.Source, "entry", one.Choice.Entry.Name,
				"stale", one.Notice != "")
			continue
		}
		log.Warn("not trusted", "image", decision.Shown(one.Image),
			"allowed", one.Allowed(), "code", one.Denial.Code,
			"sentence", one.Denial.Sentence, "cause", one.Denial.Err,
			"policy", one.Choice.Source, "entry", one.Choice.Entry.Name)
	}
}
