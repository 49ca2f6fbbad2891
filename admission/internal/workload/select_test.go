// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// cluster holds one owner, or fails.
type cluster struct {
	owner *Object
	err   error
	asked []string
}

func (c *cluster) Owner(_ context.Context, kind Kind, namespace,
	name string) (*Object, error) {
	c.asked = append(c.asked,
		fmt.Sprintf("%s %s/%s", kind.Kind, namespace, name))
	return c.owner, c.err
}

func pod(images ...string) *Object {
	kind, _ := ByResource("", "v1", "pods")
	return with(kind, images...)
}

func with(kind Kind, images ...string) *Object {
	object := &Object{Kind: kind}
	for _, image := range images {
		object.Pod.Containers = append(object.Pod.Containers,
			corev1.Container{Image: image})
	}
	return object
}

// ownedBy makes a pod claim a ReplicaSet as its controller.
func ownedBy(pod *Object, uid types.UID) *Object {
	controller := true
	pod.Metadata.OwnerReferences = []metav1.OwnerReference{{
		APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "web", UID: uid,
		Controller: &controller,
	}}
	return pod
}

func replicaSet(uid types.UID, images ...string) *Object {
	kind, _ := ByResource("apps", "v1", "replicasets")
	owner := with(kind, images...)
	owner.Metadata.UID = uid
	return owner
}

func TestToJudgeLeavesOutOnlyWhatWasJudgedBefore(t *testing.T) {
	for name, row := range map[string]struct {
		object, before *Object
		cluster        cluster
		want           []string
	}{
		"a new object is judged whole": {
			object: pod("r/a", "r/b"), want: []string{"r/a", "r/b"}},
		"an update without a new image is not judged": {
			object: pod("r/a"), before: pod("r/a")},
		"an update is judged by its new images": {
			object: pod("r/a", "r/b"), before: pod("r/a"),
			want: []string{"r/b"}},
		"another tag is a new image": {
			object: pod("r/a:2"), before: pod("r/a:1"),
			want: []string{"r/a:2"}},
		"an image in the controller's template is not judged again": {
			object:  ownedBy(pod("r/a"), "1"),
			cluster: cluster{owner: replicaSet("1", "r/a")}},
		"an image beside those of the controller is": {
			object:  ownedBy(pod("r/a", "r/sidecar"), "1"),
			cluster: cluster{owner: replicaSet("1", "r/a")},
			want:    []string{"r/sidecar"}},
		"a controller that does not exist is not believed": {
			object: ownedBy(pod("r/a"), "1"), want: []string{"r/a"}},
		"a controller with another uid is not believed": {
			object:  ownedBy(pod("r/a"), "1"),
			cluster: cluster{owner: replicaSet("2", "r/a")},
			want:    []string{"r/a"}},
		"a reference without a uid is not believed": {
			object:  ownedBy(pod("r/a"), ""),
			cluster: cluster{owner: replicaSet("", "r/a")},
			want:    []string{"r/a"}},
		"a controller that cannot be read is not believed": {
			object:  ownedBy(pod("r/a"), "1"),
			cluster: cluster{err: errors.New("no answer")},
			want:    []string{"r/a"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, use := range ToJudge(context.Background(), "team",
				row.object, row.before, &row.cluster) {
				got = append(got, use.Image)
			}
			if !reflect.DeepEqual(got, row.want) {
				t.Errorf("judges %q, want %q", got, row.want)
			}
		})
	}
}

func TestOnlyTheControllerIsLookedUpAndOnlyOnce(t *testing.T) {
	seen := &cluster{owner: replicaSet("1", "r/a")}
	object := ownedBy(pod("r/a", "r/b"), "1")
	object.Metadata.OwnerReferences = append([]metav1.OwnerReference{
		{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "other", UID: "9"},
	}, object.Metadata.OwnerReferences...)
	ToJudge(context.Background(), "team", object, nil, seen)
	if want := []string{"ReplicaSet team/web"}; !reflect.DeepEqual(
		seen.asked, want) {
		t.Errorf("asked for %q, want %q", seen.asked, want)
	}
}

func TestNoOwnerIsLookedUpForAnUpdateOfNothing(t *testing.T) {
	seen := &cluster{}
	object := ownedBy(pod("r/a"), "1")
	ToJudge(context.Background(), "team", object, pod("r/a"), seen)
	if seen.asked != nil {
		t.Errorf("asked for %q", seen.asked)
	}
}

func TestPatchReplacesEveryPlaceOfAnImageAndNothingElse(t *testing.T) {
	uses := pod("r/a:1", "r/b:1", "r/a:1", "r/c").Uses()
	patch, err := Patch(uses, map[string]string{
		"r/a:1": "r/a@sha256:1", "r/b:1": "", "r/c": "r/c"})
	want := `[{"op":"replace","path":"/spec/containers/0/image",` +
		`"value":"r/a@sha256:1"},{"op":"replace",` +
		`"path":"/spec/containers/2/image","value":"r/a@sha256:1"}]`
	if err != nil || string(patch) != want {
		t.Errorf("patch %s, %v; want %s", patch, err, want)
	}
}

func TestThereIsNoPatchIfNothingChanges(t *testing.T) {
	patch, err := Patch(pod("r/a").Uses(), nil)
	if patch != nil || err != nil {
		t.Errorf("patch %s, %v", patch, err)
	}
}
