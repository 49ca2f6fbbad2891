// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// question is a review and the answer that was found to be right, so that the
// client, which shares the processors with the server, has little to do.
type question struct {
	body   []byte
	mu     sync.Mutex
	answer []byte
}

// review asks the admission server about a pod with the images. It must be
// admitted, with every image changed to its digest.
func (p *parts) review(images ...string) error {
	asked, err := p.question(images)
	if err != nil {
		return err
	}
	response, err := p.client.Post(p.server.admit, "application/json", bytes.NewReader(asked.body))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	asked.mu.Lock()
	defer asked.mu.Unlock()
	if bytes.Equal(got, asked.answer) {
		return nil
	}
	if err := admitted(got, len(images)); err != nil {
		return err
	}
	asked.answer = got
	return nil
}

func admitted(review []byte, images int) error {
	var got struct {
		Response struct {
			Allowed bool
			Patch   []byte
			Status  struct{ Message string }
		}
	}
	if err := json.Unmarshal(review, &got); err != nil {
		return err
	}
	if !got.Response.Allowed {
		return errors.New("denied: " + got.Response.Status.Message)
	}
	if n := strings.Count(string(got.Response.Patch), "@sha256:"); n != images {
		return fmt.Errorf("%d of %d images were changed to their digest", n, images)
	}
	return nil
}

func (p *parts) question(images []string) (*question, error) {
	key := strings.Join(images, " ")
	if asked, ok := p.questions.Load(key); ok {
		return asked.(*question), nil
	}
	containers := make([]map[string]string, len(images))
	for i, image := range images {
		containers[i] = map[string]string{"name": "c" + strconv.Itoa(i), "image": image + ":v1"}
	}
	body, err := json.Marshal(map[string]any{
		"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
		"request": map[string]any{
			"uid":       "705ab4f5-6393-11e8-b7cc-42010a800002",
			"kind":      map[string]string{"group": "", "version": "v1", "kind": "Pod"},
			"resource":  map[string]string{"group": "", "version": "v1", "resource": "pods"},
			"namespace": namespace, "name": "pod", "operation": "CREATE",
			"object": map[string]any{"apiVersion": "v1", "kind": "Pod",
				"metadata": map[string]string{"name": "pod", "namespace": namespace},
				"spec": map[string]any{"containers": containers, "serviceAccountName": "default",
					"imagePullSecrets": []map[string]string{{"name": "pull"}}}},
		},
	})
	asked, _ := p.questions.LoadOrStore(key, &question{body: body})
	return asked.(*question), err
}

// bare makes the one request that a check cannot do without: the timestamp of
// a repository, on a connection that is kept, with a token at hand.
func (p *parts) bare(image, token string) error {
	r, err := http.NewRequest(http.MethodGet, "https://"+p.trust.address()+"/v2/"+image+"/_trust/tuf/timestamp.json", nil)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	answer, err := p.client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("the trust server answered %d", answer.StatusCode)
	}
	return nil
}

func (p *parts) token(image string) (string, error) {
	r, err := http.NewRequest(http.MethodGet, p.tokensDirect+"?service=lab-notary&scope=repository:"+image+":pull", nil)
	if err != nil {
		return "", err
	}
	r.SetBasicAuth(user, password)
	answer, err := p.client.Do(r)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	var got struct{ Token string }
	return got.Token, errors.Join(json.NewDecoder(answer.Body).Decode(&got), nil)
}

// median runs what is measured n times, one after another.
func median(n int, run func(i int) error) (time.Duration, error) {
	times := make([]time.Duration, 0, n)
	for i := range n {
		started := time.Now()
		if err := run(i); err != nil {
			return 0, err
		}
		times = append(times, time.Since(started))
	}
	slices.Sort(times)
	return times[n/2], nil
}

// rate runs what is measured with several clients for a time and returns how
// often it ran a second.
func rate(clients int, length time.Duration, run func() error) (float64, error) {
	var mu sync.Mutex
	var failed error
	total := 0
	started := time.Now()
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			count := 0
			var err error
			for err == nil && time.Since(started) < length {
				if err = run(); err == nil {
					count++
				}
			}
			mu.Lock()
			defer mu.Unlock()
			total += count
			if failed == nil {
				failed = err
			}
		})
	}
	all.Wait()
	return float64(total) / time.Since(started).Seconds(), failed
}

// asked returns how many requests the server has made to the trust server and
// its token service.
func (p *parts) asked() (int, error) {
	return p.sum(p.server.metrics, "portieris_trust_server_requests_total{")
}

// askedKube returns how many Secrets and ServiceAccounts were read from the
// API server.
func (p *parts) askedKube() (int, error) {
	secrets, err := p.sum(p.kube+"/metrics", `apiserver_request_total{`, `resource="secrets"`, `verb="GET"`)
	if err != nil {
		return 0, err
	}
	accounts, err := p.sum(p.kube+"/metrics", `apiserver_request_total{`, `resource="serviceaccounts"`, `verb="GET"`)
	return secrets + accounts, err
}

func (p *parts) goroutines() (int, error) { return p.sum(p.server.metrics, "go_goroutines ") }

// sum adds up the metrics of a page that begin with a text and hold others.
func (p *parts) sum(page, begin string, holds ...string) (int, error) {
	r, err := http.NewRequest(http.MethodGet, page, nil)
	if err != nil {
		return 0, err
	}
	if strings.HasPrefix(page, p.kube) {
		r.Header.Set("Authorization", "Bearer "+adminToken)
	}
	answer, err := p.client.Do(r)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	sum := 0.0
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		line := lines.Text()
		if !strings.HasPrefix(line, begin) ||
			slices.ContainsFunc(holds, func(text string) bool { return !strings.Contains(line, text) }) {
			continue
		}
		fields := strings.Fields(line)
		value, err := strconv.ParseFloat(fields[len(fields)-1], 64)
		if err != nil {
			return 0, err
		}
		sum += value
	}
	return int(sum), lines.Err()
}

// usage returns the open files and the resident memory of the server.
func (p *parts) usage() (descriptors int, kilobytes int, err error) {
	proc := filepath.Join("/proc", strconv.Itoa(p.server.process.Process.Pid))
	entries, err := os.ReadDir(filepath.Join(proc, "fd"))
	if err != nil {
		return 0, 0, err
	}
	status, err := os.ReadFile(filepath.Join(proc, "status"))
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(status)) {
		if text, found := strings.CutPrefix(line, "VmRSS:"); found {
			kilobytes, err = strconv.Atoi(strings.Fields(text)[0])
		}
	}
	return len(entries), kilobytes, err
}
