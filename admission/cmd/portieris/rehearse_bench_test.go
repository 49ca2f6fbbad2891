// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/kubetest"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/notarytest"
)

// BenchmarkRehearseRealParts judges many pods of 300 signed images with a real
// API server and a real trust server, from a standing start: every image is
// asked for once in each run. The time must not grow faster than the number
// of pods.
func BenchmarkRehearseRealParts(b *testing.B) {
	b.Setenv("KUBECONFIG", "")
	const images, workers = 300, 8
	kube := kubetest.Start(b)
	kube.CreatePolicyKinds(b)
	notary := notarytest.StartOpen(b, notarytest.NewAuthority(b))
	repository := func(i int) string { return fmt.Sprintf("%s%d", gun, i) }
	for i := range images {
		notary.Signer(b, repository(i)).Init().Sign("v1", digest)
	}
	kube.Create(b, fmt.Sprintf(`apiVersion: portieris.cloud.ibm.com/v1
kind: ClusterImagePolicy
metadata: {name: all}
spec:
  repositories:
  - name: registry.local:9001/*
    policy: {trust: {enabled: true, trustServer: "%s"}}
`, notary.URL))
	directory := b.TempDir()
	put(b, directory, "ca.pem", notary.PEM)
	put(b, directory, "kubeconfig", []byte(fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "%s", insecure-skip-tls-verify: true}}]
users: [{name: u, user: {token: %s}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
`, kube.Config.Host, kube.Config.BearerToken)))
	asking := asking{kubeconfig: filepath.Join(directory, "kubeconfig"),
		server: "portieris", ca: filepath.Join(directory, "ca.pem")}
	made := 0
	for _, pods := range []int{1000, 10000} {
		parallel(workers, pods-made, func(i int) {
			name := fmt.Sprintf("p-%d", made+i)
			if _, err := kube.Try(strings.Replace(
				named(pod("default", repository((made+i)%images)+":v1"), name),
				"  imagePullSecrets: [{name: pull}]\n", "", 1)); err != nil {
				b.Error(err)
			}
		})
		made = pods
		b.Run(fmt.Sprintf("%d pods", pods), func(b *testing.B) {
			for b.Loop() {
				report, err := rehearse(context.Background(), asking, "")
				if err != nil || report.Pods != pods ||
					report.Admitted != images {
					b.Fatalf("rehearsed %d pods, %d admitted, %v; %+v",
						report.Pods, report.Admitted, err, report.Rows[0])
				}
			}
			b.ReportMetric(b.Elapsed().Seconds()*1e6/float64(b.N)/
				float64(pods), "us/pod")
		})
	}
}

// parallel does a number of things, several at once.
func parallel(workers, count int, do func(i int)) {
	next := make(chan int)
	var working sync.WaitGroup
	for range workers {
		working.Go(func() {
			for i := range next {
				do(i)
			}
		})
	}
	for i := range count {
		next <- i
	}
	close(next)
	working.Wait()
}
