// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Owners reads the object that owns another.
type Owners interface {
	// Owner returns nil without an error if there is no such object.
	Owner(ctx context.Context, kind Kind, namespace, name string) (
		*Object, error)
}

// ToJudge lists the places of an object whose images need a decision. An
// image that stood in the object before the update is left out, and so is one
// that stands in the template of the object's controller: that was judged
// when the controller was made. A controller is believed only if it exists
// with the uid that the object claims; whatever cannot be proved is judged.
func ToJudge(ctx context.Context, namespace string, object, before *Object,
	owners Owners) []Use {
	known := map[string]bool{}
	if before != nil {
		known = before.images()
	}
	uses := without(object.Uses(), known)
	if len(uses) == 0 {
		return nil
	}
	return without(uses, controllerImages(ctx, namespace, object, owners))
}

func without(uses []Use, known map[string]bool) []Use {
	var rest []Use
	for _, use := range uses {
		if !known[use.Image] {
			rest = append(rest, use)
		}
	}
	return rest
}

func controllerImages(ctx context.Context, namespace string, object *Object,
	owners Owners) map[string]bool {
	reference := metav1.GetControllerOf(&object.Metadata)
	if reference == nil {
		return nil
	}
	kind, ok := ByOwner(*reference)
	if !ok {
		return nil
	}
	owner, err := owners.Owner(ctx, kind, namespace, reference.Name)
	if err != nil || owner == nil || !same(owner, reference.UID) {
		return nil
	}
	return owner.images()
}

func same(owner *Object, uid types.UID) bool {
	return uid != "" && owner.Metadata.UID == uid
}
