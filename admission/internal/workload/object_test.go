// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"encoding/json"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// podSpec names an image in every place that can.
const podSpec = `{
  "initContainers": [{"name": "i", "image": "r/init"}],
  "containers": [{"name": "a", "image": "r/app"}, {"name": "b"}],
  "ephemeralContainers": [{"name": "d", "image": "r/debug"}],
  "volumes": [{"name": "e", "emptyDir": {}},
              {"name": "v", "image": {"reference": "r/files"}}],
  "imagePullSecrets": [{"name": "one"}, {}, {"name": "two"}],
  "serviceAccountName": "robot"}`

// object wraps a pod specification as its kind does.
func object(kind Kind, spec string) []byte {
	text := spec
	for i := len(kind.path) - 1; i >= 0; i-- {
		text = fmt.Sprintf("{%q: %s}", kind.path[i], text)
	}
	return []byte(text)
}

func decoded(t *testing.T, kind Kind, raw []byte) *Object {
	t.Helper()
	object, err := Decode(kind, raw)
	if err != nil {
		t.Fatal(err)
	}
	return object
}

func TestEveryPlaceOfEveryKindIsSeen(t *testing.T) {
	if len(kinds) != 8 {
		t.Fatalf("%d kinds, want 8", len(kinds))
	}
	for _, kind := range kinds {
		t.Run(kind.Kind, func(t *testing.T) {
			raw := object(kind, podSpec)
			got := decoded(t, kind, raw)
			var images []string
			for _, use := range got.Uses() {
				images = append(images, use.Image)
				if value := lookUp(t, raw, use.Pointer); value != use.Image {
					t.Errorf("%s holds %q, want %q",
						use.Pointer, value, use.Image)
				}
			}
			want := []string{"r/init", "r/app", "r/debug", "r/files"}
			if !reflect.DeepEqual(images, want) {
				t.Errorf("images %q, want %q", images, want)
			}
			if names := got.PullSecrets(); !reflect.DeepEqual(
				names, []string{"one", "two"}) {
				t.Errorf("pull secrets %q", names)
			}
			if got.ServiceAccount() != "robot" {
				t.Errorf("account %q", got.ServiceAccount())
			}
		})
	}
}

// lookUp follows a JSON pointer without tokens that need unescaping.
func lookUp(t *testing.T, raw []byte, pointer string) string {
	t.Helper()
	var at any
	if err := json.Unmarshal(raw, &at); err != nil {
		t.Fatal(err)
	}
	for token := range strings.SplitSeq(pointer[1:], "/") {
		switch level := at.(type) {
		case map[string]any:
			at = level[token]
		case []any:
			var index int
			if _, err := fmt.Sscan(token, &index); err != nil {
				t.Fatal(err)
			}
			at = level[index]
		}
	}
	value, _ := at.(string)
	return value
}

func TestOtherKindsOfTheSamePluralAreNotFound(t *testing.T) {
	for _, resource := range [][3]string{
		{"batch.volcano.sh", "v1alpha1", "jobs"},
		{"batch", "v1beta1", "cronjobs"},
		{"extensions", "v1beta1", "deployments"},
		{"", "v1", "services"},
		{"apps", "v1", "controllerrevisions"},
	} {
		_, found := ByResource(resource[0], resource[1], resource[2])
		if found {
			t.Errorf("%v is found", resource)
		}
	}
}

func TestByOwnerKnowsTheVersionsThatAreJudged(t *testing.T) {
	for reference, want := range map[[2]string]bool{
		{"apps/v1", "ReplicaSet"}:          true,
		{"v1", "ReplicationController"}:    true,
		{"batch/v1", "Job"}:                true,
		{"batch/v1beta1", "CronJob"}:       false,
		{"v1", "Node"}:                     false,
		{"apps/v1", "Pod"}:                 false,
		{"example.com/v1", "Deployment"}:   false,
		{"", ""}:                           false,
		{"apps/v1/extra", "ReplicaSet"}:    false,
		{"batch.volcano.sh/v1", "CronJob"}: false,
	} {
		_, found := ByOwner(metav1.OwnerReference{
			APIVersion: reference[0], Kind: reference[1]})
		if found != want {
			t.Errorf("%v found: %v", reference, found)
		}
	}
}

func TestAnObjectWithoutAPodSpecificationNamesNoImage(t *testing.T) {
	for _, kind := range kinds {
		for _, raw := range []string{"{}", `{"spec": {}}`, `{"spec": null}`} {
			if uses := decoded(t, kind, []byte(raw)).Uses(); uses != nil {
				t.Errorf("%s %s names %v", kind.Kind, raw, uses)
			}
		}
	}
}

func TestAnObjectOfTheWrongShapeIsAnError(t *testing.T) {
	for _, kind := range kinds {
		for _, raw := range [][]byte{
			nil, []byte("null "[:0]), []byte(`[]`), []byte(`{"spec": 1}`),
			object(kind, `{"containers": "none"}`),
			object(kind, `{"containers": [{"image": 5}]}`),
		} {
			if _, err := Decode(kind, raw); err == nil {
				t.Errorf("%s %q is read without an error", kind.Kind, raw)
			}
		}
	}
}

// Whoever reaches the server can make it read an object.
func TestAnObjectOfManyEmptyEntriesTakesLittleMemory(t *testing.T) {
	many := strings.Repeat("{},", 1<<18)
	for _, resource := range [][3]string{
		{"", "v1", "pods"}, {"apps", "v1", "deployments"},
		{"batch", "v1", "cronjobs"},
	} {
		kind, _ := ByResource(resource[0], resource[1], resource[2])
		for _, raw := range []string{
			string(object(kind, `{"containers": [`+many+`{}]}`)),
			string(object(kind, `{"volumes": [`+many+`{}]}`)),
			`{"metadata": {"ownerReferences": [` + many + `{}]}}`,
			string(object(kind, `{"containers": [{"env": [`+many+`{}]}]}`)),
			string(object(kind, `{"tolerations": [`+many+`{}]}`)),
			`{"metadata": {"managedFields": [` + many + `{}]}}`,
		} {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, _ = Decode(kind, []byte(raw))
			runtime.ReadMemStats(&after)
			if took := after.TotalAlloc - before.TotalAlloc; took > 16<<20 {
				t.Errorf("%s %.60s...: %d bytes took %d",
					kind.Kind, raw, len(raw), took)
			}
		}
	}
}

func TestAListOfMoreThanThereCanBeIsAnError(t *testing.T) {
	kind, _ := ByResource("", "v1", "pods")
	_, err := Decode(kind, object(kind, `{"containers": [`+
		strings.Repeat("{},", maxEntries)+`{}]}`))
	if err == nil || !strings.Contains(err.Error(), "more than 10000 entries") {
		t.Errorf("got %v", err)
	}
}

// The API server tells image from Image; so must whoever judges what it runs.
func TestNamesOfFieldsAreComparedExactly(t *testing.T) {
	kind, _ := ByResource("", "v1", "pods")
	uses := decoded(t, kind, object(kind, `{"containers": [
		{"name": "a", "image": "r/real", "IMAGE": "r/other"}]}`)).Uses()
	if len(uses) != 1 || uses[0].Image != "r/real" {
		t.Errorf("uses %v", uses)
	}
}
