// SPDX-License-Identifier: Apache-2.0

package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion is the group and version of the policies.
var GroupVersion = schema.GroupVersion{
	Group: "portieris.cloud.ibm.com", Version: "v1",
}

// AddToScheme makes the policies known to a scheme.
func AddToScheme(scheme *runtime.Scheme) {
	scheme.AddKnownTypes(GroupVersion,
		&ImagePolicy{}, &ImagePolicyList{},
		&ClusterImagePolicy{}, &ClusterImagePolicyList{})
	metav1.AddToGroupVersion(scheme, GroupVersion)
}
