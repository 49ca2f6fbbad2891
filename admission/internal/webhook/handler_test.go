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
	"reflect"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	v1 "opendev.org/starlingx/portieris-armada-app/admission/api/v1"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/decision"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/reason"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/workload"
)

// judge trusts every image with a tag, whose digest it knows; it denies those
// that are called bad, and warns of those called doubtful.
type judge struct {
	workload decision.Workload
	images   []string
	left     time.Duration
}

func (j *judge) All(ctx context.Context, workload decision.Workload,
	images []string) []decision.Decision {
	j.workload, j.images = workload, images
	if deadline, ok := ctx.Deadline(); ok {
		j.left = time.Until(deadline)
	}
	decisions := make([]decision.Decision, len(images))
	for i, image := range images {
		decisions[i].Image = image
		decisions[i].Choice.Source = `ClusterImagePolicy "x"`
		switch {
		case strings.Contains(image, "bad"):
			decisions[i].Denial = reason.New(reason.NotSigned,
				"No valid trust data for v1")
		case strings.Contains(image, "doubtful"):
			decisions[i].Denial = reason.New(reason.NotSigned,
				"No valid trust data for v1")
			decisions[i].Choice.Entry.Mode = v1.ModeWarn
		case strings.Contains(image, "stale"):
			decisions[i].Notice = "trust server https://notary gave no answer"
			decisions[i].Replacement = image + "@digest"
		case strings.Contains(image, ":"):
			decisions[i].Replacement = image + "@digest"
		}
	}
	return decisions
}

type nobody struct{}

func (nobody) Owner(context.Context, workload.Kind, string, string) (
	*workload.Object, error) {
	return nil, nil
}

// observer remembers what it was told.
type observer struct {
	judged   []decision.Decision
	reviewed []string
}

func (o *observer) Decided(decisions []decision.Decision) {
	o.judged = append(o.judged, decisions...)
}

func (o *observer) Reviewed(kind string, allowed bool, _ time.Duration) {
	o.reviewed = append(o.reviewed, kind)
}

// webhook is the handler behind a real server.
type webhook struct {
	*Handler
	judge    *judge
	observer *observer
	server   *httptest.Server
}

func start(t *testing.T) *webhook {
	t.Helper()
	w := &webhook{judge: &judge{}, observer: &observer{}}
	w.Handler = &Handler{
		Judge: w.judge, Owners: nobody{}, Observer: w.observer,
		Log:    slog.New(slog.NewTextHandler(io.Discard, nil)),
		Ready:  func() bool { return true },
		Exempt: func(namespace string) bool { return namespace == "kube-system" },
	}
	w.server = httptest.NewUnstartedServer(w.Handler)
	w.server.EnableHTTP2 = true
	w.server.StartTLS()
	t.Cleanup(w.server.Close)
	return w
}

func (w *webhook) post(t *testing.T, query string, body []byte) (
	int, []byte) {
	t.Helper()
	answer, err := w.server.Client().Post(w.server.URL+"/admit"+query,
		"application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := answer.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, text
}

// review posts a request as the API server does and returns its answer.
func (w *webhook) review(t *testing.T,
	request *admissionv1.AdmissionRequest) *admissionv1.AdmissionResponse {
	t.Helper()
	body, err := json.Marshal(admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{
			APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"},
		Request: request,
	})
	if err != nil {
		t.Fatal(err)
	}
	status, text := w.post(t, "?timeout=4s", body)
	if status != http.StatusOK {
		t.Fatalf("status %d: %s", status, text)
	}
	var answer admissionv1.AdmissionReview
	if err := json.Unmarshal(text, &answer); err != nil {
		t.Fatal(err)
	}
	if answer.APIVersion != "admission.k8s.io/v1" ||
		answer.Kind != "AdmissionReview" || answer.Response == nil ||
		answer.Response.UID != request.UID {
		t.Fatalf("no answer to the request: %s", text)
	}
	return answer.Response
}

func podOf(images ...string) runtime.RawExtension {
	pod := corev1.Pod{}
	for _, image := range images {
		pod.Spec.Containers = append(pod.Spec.Containers,
			corev1.Container{Image: image})
	}
	raw, err := json.Marshal(pod)
	if err != nil {
		panic(err)
	}
	return runtime.RawExtension{Raw: raw}
}

// create is the request to create a pod.
func create(images ...string) *admissionv1.AdmissionRequest {
	return &admissionv1.AdmissionRequest{
		UID:       "1",
		Kind:      metav1.GroupVersionKind{Version: "v1", Kind: "Pod"},
		Resource:  metav1.GroupVersionResource{Version: "v1", Resource: "pods"},
		Operation: admissionv1.Create,
		Namespace: "team",
		Name:      "web",
		Object:    podOf(images...),
	}
}

func changed(request *admissionv1.AdmissionRequest,
	change func(*admissionv1.AdmissionRequest)) *admissionv1.AdmissionRequest {
	change(request)
	return request
}

func TestATrustedImageIsAdmittedByItsDigest(t *testing.T) {
	w := start(t)
	got := w.review(t, create("r/app:v1"))
	want := `[{"op":"replace","path":"/spec/containers/0/image",` +
		`"value":"r/app:v1@digest"}]`
	if !got.Allowed || string(got.Patch) != want || got.PatchType == nil ||
		*got.PatchType != admissionv1.PatchTypeJSONPatch {
		t.Errorf("answer %+v with the patch %s, want %s", got, got.Patch, want)
	}
	if len(w.observer.judged) != 1 ||
		!reflect.DeepEqual(w.observer.reviewed, []string{"Pod"}) {
		t.Errorf("counted %+v", w.observer)
	}
}

func TestOneUntrustedImageDeniesTheObject(t *testing.T) {
	got := start(t).review(t, create("r/app:v1", "r/bad:v1", "r/badder:v1"))
	if got.Allowed || got.Patch != nil || got.Result == nil ||
		got.Result.Code != http.StatusForbidden ||
		got.Result.Reason != metav1.StatusReasonForbidden {
		t.Fatalf("answer %+v", got)
	}
	message := got.Result.Message
	if !strings.HasPrefix(message, "trust: policy denied the request: "+
		`Deny "r/bad:v1", No valid trust data for v1. `) ||
		!strings.Contains(message, "\nDeny \"r/badder:v1\", ") ||
		strings.Contains(message, "r/app") {
		t.Errorf("message %q", message)
	}
}

func TestAnImageInModeWarnIsAdmittedWithAWarning(t *testing.T) {
	got := start(t).review(t, create("r/doubtful:v1"))
	if !got.Allowed || got.Patch != nil || len(got.Warnings) != 1 ||
		!strings.Contains(got.Warnings[0], "[NOT-SIGNED]") ||
		strings.Contains(got.Warnings[0], "\n") {
		t.Errorf("answer %+v", got)
	}
}

func TestAnAnswerThatIsNotTheLatestIsAdmittedWithAWarning(t *testing.T) {
	got := start(t).review(t, create("r/stale:v1"))
	if !got.Allowed || got.Patch == nil || len(got.Warnings) != 1 ||
		!strings.Contains(got.Warnings[0], "gave no answer") {
		t.Errorf("answer %+v", got)
	}
}

func TestAnImageTextOfAnyLengthMakesAShortDenialAndLog(t *testing.T) {
	w := start(t)
	var log bytes.Buffer
	w.Log = slog.New(slog.NewTextHandler(&log, nil))
	got := w.review(t, create("r/bad"+strings.Repeat("é", 1<<20)))
	if got.Allowed || len(got.Result.Message) > 2000 || log.Len() > 2000 {
		t.Errorf("a denial of %d and a log of %d characters",
			len(got.Result.Message), log.Len())
	}
}

// broken are owners whose reader panics.
type broken struct{}

func (broken) Owner(context.Context, workload.Kind, string, string) (
	*workload.Object, error) {
	panic("broken")
}

func TestAPanicIsADenial(t *testing.T) {
	w := start(t)
	w.Owners = broken{}
	request := create()
	request.Object.Raw = []byte(`{"metadata": {"ownerReferences": [` +
		`{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", ` +
		`"uid": "7", "controller": true}]}, "spec": ` +
		`{"containers": [{"name": "c", "image": "r/app"}]}}`)
	got := w.review(t, request)
	if got.Allowed || got.Patch != nil || got.Result == nil ||
		!strings.Contains(got.Result.Message, "[INTERNAL]") {
		t.Errorf("answer %+v", got)
	}
}

// ownedBy is a cluster with one controller.
type ownedBy struct{ controller *workload.Object }

func (o ownedBy) Owner(context.Context, workload.Kind, string, string) (
	*workload.Object, error) {
	return o.controller, nil
}

// What was decided about the template of a Deployment is what its pods run,
// whatever the tag means by then.
func TestADeploymentAndItsPodsNeverDisagree(t *testing.T) {
	w := start(t)
	template := func(image string) string {
		return `{"containers": [{"name": "c", "image": "` + image + `"}]}`
	}
	request := create()
	request.Kind = metav1.GroupVersionKind{
		Group: "apps", Version: "v1", Kind: "Deployment"}
	request.Resource = metav1.GroupVersionResource{
		Group: "apps", Version: "v1", Resource: "deployments"}
	request.Object.Raw = []byte(`{"spec": {"template": {"spec": ` +
		template("r/app:v1") + `}}}`)
	var patch []struct{ Op, Path, Value string }
	if err := json.Unmarshal(w.review(t, request).Patch, &patch); err != nil ||
		len(patch) != 1 ||
		patch[0].Path != "/spec/template/spec/containers/0/image" ||
		patch[0].Value != "r/app:v1@digest" {
		t.Fatalf("patch %+v, %v", patch, err)
	}

	kind, _ := workload.ByResource("apps", "v1", "replicasets")
	for name, image := range map[string]string{
		"after the patch":                        patch[0].Value,
		"of a Deployment from before the policy": "r/bad:v1",
	} {
		controller, err := workload.Decode(kind, []byte(
			`{"metadata": {"name": "web", "uid": "7"}, "spec": {"template": `+
				`{"spec": `+template(image)+`}}}`))
		if err != nil {
			t.Fatal(err)
		}
		w.Owners, w.judge.images = ownedBy{controller}, nil
		pod := create()
		pod.Object.Raw = []byte(`{"metadata": {"ownerReferences": [` +
			`{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", ` +
			`"uid": "7", "controller": true}]}, "spec": ` +
			template(image) + `}`)
		got := w.review(t, pod)
		if !got.Allowed || got.Patch != nil || w.judge.images != nil {
			t.Errorf("%s: the pod gets %+v after judging %q", name, got,
				w.judge.images)
		}
		pod.Object.Raw = bytes.ReplaceAll(pod.Object.Raw,
			[]byte(`"7"`), []byte(`"8"`))
		w.review(t, pod)
		if len(w.judge.images) != 1 {
			t.Errorf("%s: a pod of another controller is not judged", name)
		}
	}
}

func TestWhatBringsNoImageIsAdmittedUnseen(t *testing.T) {
	for name, change := range map[string]func(*admissionv1.AdmissionRequest){
		"an exempt namespace": func(r *admissionv1.AdmissionRequest) {
			r.Namespace = "kube-system"
		},
		"a deletion": func(r *admissionv1.AdmissionRequest) {
			r.Operation = admissionv1.Delete
			r.Object.Raw = nil
		},
		"a connection": func(r *admissionv1.AdmissionRequest) {
			r.Operation, r.SubResource = admissionv1.Connect, "exec"
		},
		"a status": func(r *admissionv1.AdmissionRequest) {
			r.Operation, r.SubResource = admissionv1.Update, "status"
		},
		"the jobs of another group": func(r *admissionv1.AdmissionRequest) {
			r.Resource = metav1.GroupVersionResource{
				Group: "batch.volcano.sh", Version: "v1alpha1",
				Resource: "jobs"}
		},
		"a service": func(r *admissionv1.AdmissionRequest) {
			r.Resource.Resource = "services"
		},
		"an update that changes no image": func(r *admissionv1.AdmissionRequest) {
			r.Operation, r.OldObject = admissionv1.Update, r.Object
		},
		"a pod without images": func(r *admissionv1.AdmissionRequest) {
			r.Object = podOf()
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := start(t)
			got := w.review(t, changed(create("r/bad"), change))
			if !got.Allowed || got.Patch != nil || w.judge.images != nil {
				t.Errorf("answer %+v after judging %q", got, w.judge.images)
			}
		})
	}
}

func TestEphemeralContainersAreJudged(t *testing.T) {
	w := start(t)
	request := changed(create("r/app"), func(r *admissionv1.AdmissionRequest) {
		r.Operation, r.SubResource = admissionv1.Update, "ephemeralcontainers"
		r.OldObject = podOf("r/app")
		r.Object.Raw = []byte(`{"spec": {"containers": [{"image": "r/app"}],
			"ephemeralContainers": [{"name": "d", "image": "r/debug:v1"}]}}`)
	})
	got := w.review(t, request)
	if !reflect.DeepEqual(w.judge.images, []string{"r/debug:v1"}) ||
		!strings.Contains(string(got.Patch), "/spec/ephemeralContainers/0/image") {
		t.Errorf("judged %q, patch %s", w.judge.images, got.Patch)
	}
}

func TestTheJudgeIsToldOfTheWorkload(t *testing.T) {
	w := start(t)
	yes := true
	w.review(t, changed(create(), func(r *admissionv1.AdmissionRequest) {
		r.DryRun = &yes
		r.Object.Raw = []byte(`{"spec": {"containers": [{"image": "r/app"}],
			"imagePullSecrets": [{"name": "pull"}],
			"serviceAccountName": "robot"}}`)
	}))
	want := decision.Workload{Namespace: "team", DryRun: true,
		PullSecrets: []string{"pull"}, ServiceAccount: "robot"}
	if !reflect.DeepEqual(w.judge.workload, want) {
		t.Errorf("told %+v, want %+v", w.judge.workload, want)
	}
	if w.judge.left <= 0 || w.judge.left > 3*time.Second {
		t.Errorf("%s are left of the 4 s of the API server", w.judge.left)
	}
}

func TestWhatCannotBeJudgedIsDeniedWithASentence(t *testing.T) {
	var many []string
	for i := range maxImages + 1 {
		many = append(many, "r/app"+strings.Repeat("x", i))
	}
	for name, row := range map[string]struct {
		request *admissionv1.AdmissionRequest
		ready   bool
		want    string
	}{
		"an object of another shape": {
			changed(create(), func(r *admissionv1.AdmissionRequest) {
				r.Object.Raw = []byte(`{"spec": {"containers": 5}}`)
			}), true, "[OBJECT-INVALID]"},
		"an old object of another shape": {
			changed(create("r/app"), func(r *admissionv1.AdmissionRequest) {
				r.Operation = admissionv1.Update
				r.OldObject.Raw = []byte(`{"spec": 1}`)
			}), true, "[OBJECT-INVALID]"},
		"more images than are judged": {
			create(many...), true, "[TOO-MANY-IMAGES]"},
		"anything before the policies are read": {
			create("r/app"), false, "[NOT-READY]"},
	} {
		t.Run(name, func(t *testing.T) {
			w := start(t)
			w.Ready = func() bool { return row.ready }
			got := w.review(t, row.request)
			if got.Allowed || got.Result.Code != http.StatusForbidden ||
				!strings.HasPrefix(got.Result.Message, decision.Prefix+
					`Deny "pod team/web", `) ||
				!strings.HasSuffix(got.Result.Message, row.want) {
				t.Errorf("answer %+v", got)
			}
		})
	}
}

func TestWhatIsNoReviewIsRefused(t *testing.T) {
	w := start(t)
	for name, row := range map[string]struct {
		body   string
		status int
	}{
		"nothing":             {"", http.StatusBadRequest},
		"no JSON":             {"hello", http.StatusBadRequest},
		"another kind":        {`{"apiVersion": "v1", "kind": "Pod"}`, http.StatusBadRequest},
		"an old version":      {`{"apiVersion": "admission.k8s.io/v1beta1", "kind": "AdmissionReview", "request": {"uid": "1"}}`, http.StatusBadRequest},
		"a review of nothing": {`{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}`, http.StatusBadRequest},
		"a request unnamed":   {`{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {}}`, http.StatusBadRequest},
		"a flood":             {strings.Repeat(" ", maxBody+1), http.StatusRequestEntityTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			status, text := w.post(t, "", []byte(row.body))
			if status != row.status ||
				!strings.Contains(string(text), "[REQUEST-INVALID]") {
				t.Errorf("status %d: %s; want %d", status, text, row.status)
			}
		})
	}
	answer, err := w.server.Client().Get(w.server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("GET has the status %d", answer.StatusCode)
	}
}

func TestTheBudgetIsWhatTheAPIServerWaitsLessASecond(t *testing.T) {
	for query, want := range map[string]time.Duration{
		"":                9 * time.Second,
		"?timeout=10s":    9 * time.Second,
		"?timeout=30s":    29 * time.Second,
		"?timeout=2s":     time.Second,
		"?timeout=1s":     500 * time.Millisecond,
		"?timeout=0s":     9 * time.Second,
		"?timeout=-5s":    9 * time.Second,
		"?timeout=9h":     9 * time.Second,
		"?timeout=soon":   9 * time.Second,
		"?timeout=1500ms": 750 * time.Millisecond,
	} {
		request := httptest.NewRequest(http.MethodPost, "/admit"+query, nil)
		if got := budget(request); got != want {
			t.Errorf("budget of %q is %s, want %s", query, got, want)
		}
	}
}

func FuzzAdmissionReview(f *testing.F) {
	raw, err := json.Marshal(admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{
			APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"},
		Request: create("r/app:v1", "r/bad"),
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add([]byte(`{"apiVersion": "admission.k8s.io/v1", ` +
		`"kind": "AdmissionReview", "request": {"uid": "1"}}`))
	handler := &Handler{
		Judge: &judge{}, Owners: nobody{}, Observer: &observer{},
		Log:    slog.New(slog.NewTextHandler(io.Discard, nil)),
		Ready:  func() bool { return true },
		Exempt: func(string) bool { return false },
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodPost,
			"/admit", bytes.NewReader(body)))
		if recorder.Code != http.StatusOK {
			return
		}
		var answer admissionv1.AdmissionReview
		err := json.Unmarshal(recorder.Body.Bytes(), &answer)
		if err != nil || answer.Response == nil {
			t.Fatalf("the answer does not parse: %v", err)
		}
		if !answer.Response.Allowed && answer.Response.Result == nil {
			t.Error("a denial has no sentence")
		}
	})
}
