// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/kubetest"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/workload"
)

// What commands ask once needs no informer, and no more rights than the
// server has.
func TestListsOfARealAPIServer(t *testing.T) {
	server := kubetest.Start(t)
	c, err := New(server.Account(t), "portieris")
	if err != nil {
		t.Fatal(err)
	}
	t.Run("policies of which there is no kind are named as the cause",
		func(t *testing.T) {
			_, _, err := c.ListPolicies(t.Context())
			if err == nil || !strings.Contains(err.Error(), "not installed") {
				t.Errorf("the error is %v", err)
			}
		})
	server.CreatePolicyKinds(t)
	server.Create(t, "apiVersion: v1\nkind: Namespace\nmetadata: {name: team}")
	t.Run("all policies are listed", func(t *testing.T) {
		server.Create(t, clusterPolicy+"---"+teamPolicy)
		own, all, err := c.ListPolicies(t.Context())
		if err != nil || len(own) != 1 || own[0].Namespace != "team" ||
			len(all) != 1 || len(all[0].Spec.Repositories) != 1 {
			t.Errorf("listed %+v, %+v, %v", own, all, err)
		}
	})
	t.Run("namespaces that the webhook leaves out are listed",
		func(t *testing.T) {
			server.Create(t, "apiVersion: v1\nkind: Namespace\nmetadata:\n"+
				"  name: out\n  labels: {securityenforcement.admission.cloud."+
				"ibm.com/namespace: skip}")
			got, err := c.SkippedNamespaces(t.Context())
			if err != nil || len(got) != 1 || !got["out"] {
				t.Errorf("listed %v, %v", got, err)
			}
		})
	t.Run("pods that have not ended are listed, over many pages",
		func(t *testing.T) { podsAreListed(t, server, c) })
	t.Run("what may not be listed is named", func(t *testing.T) {
		config := *server.Config
		config.BearerToken = "nobody's"
		c, err := New(&config, "portieris")
		if err != nil {
			t.Fatal(err)
		}
		_, _, policies := c.ListPolicies(t.Context())
		_, namespaces := c.SkippedNamespaces(t.Context())
		pods := c.Pods(t.Context(), "", func(*workload.Object) {})
		for want, got := range map[string]error{
			"cannot read the policies":   policies,
			"cannot read the namespaces": namespaces,
			"cannot list the pods":       pods,
		} {
			if got == nil || !strings.HasPrefix(got.Error(), want) {
				t.Errorf("the error is %v, want %s", got, want)
			}
		}
	})
}

func podsAreListed(t *testing.T, server *kubetest.Server, c *Cluster) {
	for i := range 5 {
		server.Create(t, fmt.Sprintf(`apiVersion: v1
kind: Pod
metadata: {name: p%d, namespace: team}
spec: {containers: [{name: c, image: "i%d"}], imagePullSecrets: [{name: s}]}
`, i, i))
	}
	server.Create(t, "apiVersion: v1\nkind: Pod\nmetadata: {name: other, "+
		"namespace: out}\nspec: {containers: [{name: c, image: io}]}")
	if _, err := server.Do("PATCH",
		"/api/v1/namespaces/team/pods/p3/status",
		"application/merge-patch+json", map[string]any{
			"status": map[string]string{"phase": "Failed"}}); err != nil {
		t.Fatal(err)
	}
	for namespace, want := range map[string][]string{
		"":     {"out/other io []", "team/p0 i0 [s]", "team/p1 i1 [s]", "team/p2 i2 [s]", "team/p4 i4 [s]"},
		"team": {"team/p0 i0 [s]", "team/p1 i1 [s]", "team/p2 i2 [s]", "team/p4 i4 [s]"},
		"none": nil,
	} {
		var got []string
		err := c.pods(t.Context(), namespace, 2, func(pod *workload.Object) {
			got = append(got, fmt.Sprintf("%s/%s %s %v", pod.Metadata.Namespace,
				pod.Metadata.Name, pod.Uses()[0].Image, pod.PullSecrets()))
		})
		slices.Sort(got)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("of %q listed %q, %v; want %q", namespace, got, err, want)
		}
	}
}
