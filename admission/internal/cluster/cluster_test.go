// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/kubetest"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/policy"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/reason"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/workload"
)

// connect is a running connection that ends with the test.
func connect(t *testing.T, config *rest.Config) *Cluster {
	t.Helper()
	c, err := New(config, "portieris")
	if err != nil {
		t.Fatal(err)
	}
	runs(t, c)
	return c
}

// runs keeps a connection going until the test ends.
func runs(t *testing.T, c *Cluster) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
}

// One API server serves all of these, since it takes seconds to start. All
// questions are asked with the rights that the chart gives.
func TestAgainstARealAPIServer(t *testing.T) {
	server := kubetest.Start(t)
	config := server.Account(t)
	server.Create(t, "apiVersion: v1\nkind: Namespace\nmetadata: {name: team}")

	// Before the kinds exist nothing is known, and nothing is admitted.
	c := connect(t, config)
	if c.Ready() {
		t.Error("ready before the policy kinds exist")
	}
	server.CreatePolicyKinds(t)
	kubetest.Eventually(t, "the policies are read", c.Ready, nil)

	t.Run("a policy counts soon after it is made and until it is deleted",
		func(t *testing.T) { policiesAreFollowed(t, server, c) })
	t.Run("policies of IBM's form are valid",
		func(t *testing.T) { policiesOfIBMsForm(t, server) })
	t.Run("secrets, accounts and owners are found or absent",
		func(t *testing.T) { objectsAreRead(t, server, c) })
	t.Run("names cannot lead to other resources",
		func(t *testing.T) { namesStayNames(t, c) })
	t.Run("replicas that race for a pin end with one",
		func(t *testing.T) { pinsRace(t, config) })
	t.Run("a pin lasts, is replaced, and is forgotten on command",
		func(t *testing.T) { pinsLast(t, server, c) })
	t.Run("a pin that does not parse is not taken for none",
		func(t *testing.T) { pinsAreNotGuessed(t, server, c) })
	t.Run("what one repository may pin is little",
		func(t *testing.T) { pinsAreSmall(t, c) })
	t.Run("who pins waits for nobody elsewhere",
		func(t *testing.T) { pinsDoNotWait(t, config) })
	t.Run("without the rights nothing is pinned",
		func(t *testing.T) { pinsNeedRights(t, config) })
}

const clusterPolicy = `
apiVersion: portieris.cloud.ibm.com/v1
kind: ClusterImagePolicy
metadata: {name: all}
spec:
  repositories:
  - name: "*"
    policy: {trust: {enabled: true, trustServer: "https://notary:4443"}}
`

const teamPolicy = `
apiVersion: portieris.cloud.ibm.com/v1
kind: ImagePolicy
metadata: {name: own, namespace: team}
spec:
  repositories:
  - {name: "r/*"}
`

func policiesAreFollowed(t *testing.T, server *kubetest.Server, c *Cluster) {
	judges := func(namespace string) string {
		set, err := c.Policies(namespace)
		if err != nil {
			t.Fatal(err)
		}
		image, err := policy.Parse("r/app")
		if err != nil {
			t.Fatal(err)
		}
		choice, _ := policy.Choose(set, image)
		return choice.Source
	}
	follows := func(want string) {
		t.Helper()
		kubetest.Eventually(t, "judged by "+want, func() bool {
			return judges("team") == want
		}, func() string { return "judged by " + judges("team") })
	}
	follows("")
	server.Create(t, clusterPolicy)
	follows(`ClusterImagePolicy "all"`)
	server.Create(t, teamPolicy)
	follows(`ImagePolicy "own"`)
	if got := judges("other"); got != `ClusterImagePolicy "all"` {
		t.Errorf("another namespace is judged by %q", got)
	}
	if namespaced, cluster := c.PolicyCounts(); namespaced != 1 ||
		cluster != 1 {
		t.Errorf("counted %d and %d policies", namespaced, cluster)
	}
	const own = "/apis/portieris.cloud.ibm.com/v1/namespaces/team/" +
		"imagepolicies/own"
	if _, err := server.Do("DELETE", own, "", nil); err != nil {
		t.Fatal(err)
	}
	follows(`ClusterImagePolicy "all"`)
}

// Every field that IBM's policies have, and the two values that are odd: a
// null policy and a null list.
func policiesOfIBMsForm(t *testing.T, server *kubetest.Server) {
	const entry = `
  - name: icr.io/*
    policy:
      mutateImage: false
      trust:
        enabled: true
        trustServer: https://notary:4443
        signerSecrets: [{name: alice}]
      simple:
        storeURL: https://store
        storeSecret: store
        requirements:
        - type: signedBy
          keySecret: key
          keySecretNamespace: keys
          signedIdentity:
            type: remapIdentity
            dockerReference: r/a:1
            dockerRepository: r/a
            prefix: r
            signedPrefix: s
        - type: signedBy
          keySecret: key
          signedIdentity: {type: ""}
        - {type: insecureAcceptAnything}
        - {type: reject}
      vulnerability: {ICCRVA: {enabled: true, account: a}}
  - name: empty/*
    policy: null
  - policy: {simple: {requirements: null}}
`
	for _, kind := range []string{"ImagePolicy", "ClusterImagePolicy"} {
		namespace := ""
		if kind == "ImagePolicy" {
			namespace = ", namespace: default"
		}
		head := "apiVersion: portieris.cloud.ibm.com/v1\nkind: " + kind +
			"\nmetadata: {name: ibm" + namespace + "}\n"
		if _, err := server.Try(head+"spec:\n  repositories:"+entry,
			"fieldValidation", "Strict", "dryRun", "All"); err != nil {
			t.Errorf("the %s is refused: %v", kind, err)
		}
		for _, wrong := range []string{
			"{simple: {requirements: [{type: magic}]}}",
			"{simple: {requirements: [{}]}}",
			"{simple: {requirements: [{type: signedBy, " +
				"signedIdentity: {type: near}}]}}",
			"{trust: {enabled: maybe}}",
		} {
			_, err := server.Try(head+"spec:\n  repositories:\n"+
				"  - {name: r, policy: "+wrong+"}", "dryRun", "All")
			if err == nil {
				t.Errorf("the %s with %s is accepted", kind, wrong)
			}
		}
	}
}

const objects = `
apiVersion: v1
kind: Secret
metadata: {name: pull, namespace: team}
type: kubernetes.io/dockerconfigjson
stringData: {.dockerconfigjson: "{}"}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: robot, namespace: team}
imagePullSecrets: [{name: pull}]
---
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: web, namespace: team}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "r/app:v1"}]}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly, namespace: team}
spec:
  schedule: "0 0 * * *"
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          containers: [{name: job, image: "r/job:v1"}]
`

func objectsAreRead(t *testing.T, server *kubetest.Server, c *Cluster) {
	ctx := context.Background()
	server.Create(t, objects)
	secret, err := c.Secret(ctx, "team", "pull")
	if err != nil || string(secret.Data[".dockerconfigjson"]) != "{}" ||
		secret.Type != "kubernetes.io/dockerconfigjson" {
		t.Errorf("the Secret is %v, %v", secret, err)
	}
	if secret, err := c.Secret(ctx, "team", "absent"); secret != nil ||
		err != nil {
		t.Errorf("the absent Secret is %v, %v", secret, err)
	}
	names, err := c.AccountPullSecrets(ctx, "team", "robot")
	if err != nil || !reflect.DeepEqual(names, []string{"pull"}) {
		t.Errorf("the account's pull secrets are %q, %v", names, err)
	}
	if names, err := c.AccountPullSecrets(ctx, "team", "absent"); names !=
		nil || err != nil {
		t.Errorf("the absent account's pull secrets are %q, %v", names, err)
	}
	for _, row := range [][4]string{
		{"apps/v1", "ReplicaSet", "web", "r/app:v1"},
		{"batch/v1", "CronJob", "nightly", "r/job:v1"},
		{"apps/v1", "Deployment", "web", ""},
	} {
		kind, _ := workload.ByOwner(metav1.OwnerReference{
			APIVersion: row[0], Kind: row[1]})
		owner, err := c.Owner(ctx, kind, "team", row[2])
		image := ""
		if owner != nil && owner.Metadata.UID != "" {
			image = owner.Uses()[0].Image
		}
		if err != nil || image != row[3] {
			t.Errorf("the %s holds %q, %v; want %q", row[1], image, err,
				row[3])
		}
	}
}

func namesStayNames(t *testing.T, c *Cluster) {
	for _, name := range []string{"", ".", "..", "a/b",
		"../configmaps/portieris-trust-pins-00", "pull%2f..", "?watch=true"} {
		secret, err := c.Secret(context.Background(), "team", name)
		if secret != nil || err != nil {
			t.Errorf("the Secret %q is %v, %v", name, secret, err)
		}
	}
}

const server, gun = "https://notary:4443", "r:9001/app"

func pinsRace(t *testing.T, config *rest.Config) {
	const replicas, repositories = 3, 10
	results := make([][]string, replicas*repositories)
	var all sync.WaitGroup
	for replica := range replicas {
		c, err := New(config, "portieris")
		if err != nil {
			t.Fatal(err)
		}
		pins := c.Pins()
		for repository := range repositories {
			all.Go(func() {
				stored, err := pins.Put(context.Background(), server,
					fmt.Sprintf("r/race%d", repository),
					[]string{fmt.Sprintf("key%d", replica)})
				if err != nil {
					t.Errorf("replica %d: %v", replica, err)
				}
				results[repository*replicas+replica] = stored
			})
		}
	}
	all.Wait()
	for repository := range repositories {
		of := results[repository*replicas : (repository+1)*replicas]
		for _, stored := range of {
			if len(stored) != 1 || !reflect.DeepEqual(stored, of[0]) {
				t.Errorf("repository %d is pinned to %q", repository, of)
			}
		}
	}
}

func pinsLast(t *testing.T, s *kubetest.Server, c *Cluster) {
	ctx := context.Background()
	pins := c.Pins()
	if ids, err := pins.Get(ctx, server, gun); ids != nil || err != nil {
		t.Fatalf("pinned to %q, %v before anything is", ids, err)
	}
	if ids, err := pins.Put(ctx, server, gun, []string{"b", "a"}); err !=
		nil || !reflect.DeepEqual(ids, []string{"a", "b"}) {
		t.Fatalf("pinned to %q, %v", ids, err)
	}
	if ids, err := pins.Put(ctx, server, gun, []string{"c"}); err != nil ||
		!reflect.DeepEqual(ids, []string{"a", "b"}) {
		t.Errorf("the second to pin gets %q, %v", ids, err)
	}
	pinned(t, pins, "a", "b")
	// A replica that has just started and watches nothing yet sees it too.
	started, err := New(s.Config, "portieris")
	if err != nil {
		t.Fatal(err)
	}
	pinned(t, started.Pins(), "a", "b")

	err = pins.Replace(ctx, server, gun, []string{"x"}, []string{"y"})
	var denial *reason.Denial
	if !errors.As(err, &denial) || denial.Code != reason.RootChanged {
		t.Errorf("a rotation from keys that are not pinned gives %v", err)
	}
	for range 2 { // the second time as another replica that follows
		err = pins.Replace(ctx, server, gun, []string{"b", "a"},
			[]string{"c"})
		if err != nil {
			t.Errorf("the rotation fails: %v", err)
		}
	}
	pinned(t, pins, "c")

	_, patch, _ := strings.Cut(pins.ResetCommand(server, gun), " -p '")
	if _, err := s.Do("PATCH",
		"/api/v1/namespaces/portieris/configmaps/"+place(key(server, gun)),
		"application/json-patch+json",
		raw(strings.TrimSuffix(patch, "'"))); err != nil {
		t.Fatalf("the command does not work: %v", err)
	}
	pinned(t, pins)
}

// raw is JSON as it stands.
type raw string

func (r raw) MarshalJSON() ([]byte, error) { return []byte(r), nil }

// pinned waits until the key ids are the pinned ones.
func pinned(t *testing.T, pins *Pins, want ...string) {
	t.Helper()
	var got []string
	kubetest.Eventually(t, fmt.Sprintf("pinned to %q", want), func() bool {
		var err error
		got, err = pins.Get(context.Background(), server, gun)
		return err == nil && reflect.DeepEqual(got, want)
	}, func() string { return fmt.Sprintf("pinned to %q", got) })
}

func pinsAreNotGuessed(t *testing.T, s *kubetest.Server, c *Cluster) {
	for i, broken := range []string{"", "garbage", "{}", `{"rootKeyIDs":[]}`} {
		gun := fmt.Sprintf("r/broken%d", i)
		put := func() error {
			_, err := c.Pins().Put(context.Background(), server, gun,
				[]string{"a"})
			return err
		}
		if err := put(); err != nil {
			t.Fatal(err)
		}
		name := key(server, gun)
		if _, err := s.Do("PATCH",
			"/api/v1/namespaces/portieris/configmaps/"+place(name),
			"application/merge-patch+json", map[string]any{
				"data": map[string]string{name: broken}}); err != nil {
			t.Fatal(err)
		}
		err := put()
		var denial *reason.Denial
		if !errors.As(err, &denial) || denial.Code != reason.PinsUnavailable {
			t.Errorf("the value %q gives %v", broken, err)
		}
	}
}

func pinsAreSmall(t *testing.T, c *Cluster) {
	many := make([]string, 100)
	for i := range many {
		many[i] = fmt.Sprintf("%064x", i)
	}
	_, err := c.Pins().Put(context.Background(), server, "r/many", many)
	var denial *reason.Denial
	if !errors.As(err, &denial) || denial.Code != reason.TrustDataInvalid {
		t.Errorf("a root of %d keys gives %v", len(many), err)
	}
	_, err = c.Pins().Put(context.Background(), server, "r/many", many[:10])
	if err != nil {
		t.Errorf("a root of 10 keys gives %v", err)
	}
}

// silentFor answers nothing about one ConfigMap.
type silentFor struct {
	http.RoundTripper
	place string
	asked chan struct{}
}

func (s silentFor) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasSuffix(r.URL.Path, "/"+s.place) {
		close(s.asked)
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	return s.RoundTripper.RoundTrip(r)
}

func pinsDoNotWait(t *testing.T, config *rest.Config) {
	const stuck, other = "r/stuck", "r/other"
	asked := make(chan struct{})
	mine := rest.CopyConfig(config)
	mine.Wrap(func(under http.RoundTripper) http.RoundTripper {
		return silentFor{under, place(key(server, stuck)), asked}
	})
	c, err := New(mine, "portieris")
	if err != nil {
		t.Fatal(err)
	}
	pins := c.Pins()
	ctx, giveUp := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		_, err := pins.Put(ctx, server, stuck, []string{"a"})
		ended <- err
	}()
	<-asked
	if _, err := pins.Put(context.Background(), server, other,
		[]string{"a"}); err != nil {
		t.Error(err)
	}
	giveUp()
	if err := <-ended; err == nil {
		t.Error("pinned without an answer")
	}
}

func pinsNeedRights(t *testing.T, config *rest.Config) {
	powerless := rest.CopyConfig(config)
	powerless.Impersonate.UserName = "system:serviceaccount:team:default"
	c, err := New(powerless, "portieris")
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Pins().Put(context.Background(), server, "r/new",
		[]string{"a"})
	var denial *reason.Denial
	if !errors.As(err, &denial) || denial.Code != reason.PinsUnavailable ||
		!strings.Contains(denial.Sentence, "is forbidden: User") {
		t.Errorf("the error is %v", err)
	}
}

func TestTenThousandRepositoriesFillNoConfigMap(t *testing.T) {
	const full = 1 << 20 // bytes that etcd and the API server accept
	sizes := map[string]int{}
	for i := range 10000 {
		gun := fmt.Sprintf("registry.local:9001/some/longer/path/app%d", i)
		name := key(server, gun)
		value, err := json.Marshal(pin{Server: server, GUN: gun,
			RootKeyIDs: []string{strings.Repeat("0", 64)}})
		if err != nil {
			t.Fatal(err)
		}
		sizes[place(name)] += len(name) + len(value)
	}
	if len(sizes) != 256 {
		t.Errorf("they stand in %d ConfigMaps", len(sizes))
	}
	for place, size := range sizes {
		if size > full/20 {
			t.Errorf("%s has %d bytes", place, size)
		}
	}
}
