// SPDX-License-Identifier: Apache-2.0

package tool

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/decision"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/reason"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/workload"
)

// atOnce is how many images are judged at the same time, which is how many
// idle connections the transport keeps to one server.
const atOnce = 16

// Pods gathers the images that pods run, each only once for all pods to which
// the same policies and the same credentials apply. It grows with what is
// different among the pods, not with their number.
type Pods struct {
	count, exempt int
	images        map[string]bool
	runs          map[run]int
	exempts       func(namespace string) bool
}

// run is an image with everything its decision depends on.
type run struct {
	image, namespace, account string
	// pullSecrets are joined by a character that no name has.
	pullSecrets string
}

func (r run) workload() decision.Workload {
	w := decision.Workload{Namespace: r.namespace, ServiceAccount: r.account,
		DryRun: true}
	if r.pullSecrets != "" {
		w.PullSecrets = strings.Split(r.pullSecrets, " ")
	}
	return w
}

// NewPods returns Pods that leave out those in exempt namespaces.
func NewPods(exempts func(namespace string) bool) *Pods {
	return &Pods{images: map[string]bool{}, runs: map[run]int{},
		exempts: exempts}
}

// Add adds one pod.
func (p *Pods) Add(pod *workload.Object) {
	if p.exempts(pod.Metadata.Namespace) {
		p.exempt++
		return
	}
	p.count++
	pullSecrets := strings.Join(pod.PullSecrets(), " ")
	seen := map[string]bool{}
	for _, use := range pod.Uses() {
		if seen[use.Image] {
			continue
		}
		seen[use.Image] = true
		p.images[use.Image] = true
		p.runs[run{use.Image, pod.Metadata.Namespace, pod.ServiceAccount(),
			pullSecrets}]++
	}
}

// Row is what becomes of one image, for one reason, in all pods that run it.
type Row struct {
	Image  string  `json:"image"`
	Result Result  `json:"result"`
	Reason *Reason `json:"reason,omitempty"`
	// Policy and Entry are those that judged it, if they are the same for all.
	Policy string `json:"policy"`
	Entry  string `json:"entry"`
	// Pods is how many pods run it, in these namespaces.
	Pods       int      `json:"pods"`
	Namespaces []string `json:"namespaces"`
}

// Rehearsal is what becomes of all images.
type Rehearsal struct {
	Pods int `json:"pods"`
	// ExemptPods are not judged.
	ExemptPods int `json:"exemptPods"`
	Images     int `json:"images"`
	// Denied, Warned and Admitted count images; one that fares differently
	// in different namespaces counts where it fares worst.
	Denied   int `json:"denied"`
	Warned   int `json:"warned"`
	Admitted int `json:"admitted"`
	// Rows begin with what is denied, most pods first.
	Rows []Row `json:"rows"`
}

// Rehearse decides about every image as admission does, without a trace. It
// tells progress after each decision how many of how many are made. The error
// is that of the context.
func Rehearse(ctx context.Context, sources Sources, pods *Pods,
	progress func(done, total int)) (Rehearsal, error) {
	runs := slices.SortedFunc(maps.Keys(pods.runs), func(a, b run) int {
		return cmp.Or(strings.Compare(a.image, b.image),
			strings.Compare(a.namespace, b.namespace),
			strings.Compare(a.account, b.account),
			strings.Compare(a.pullSecrets, b.pullSecrets))
	})
	sources.Secrets = &once{source: sources.Secrets, ctx: ctx}
	judge := sources.judge(nil)
	made := make([]decision.Decision, len(runs))
	var next, done atomic.Int64
	var telling sync.Mutex
	var workers sync.WaitGroup
	for range min(atOnce, len(runs)) {
		workers.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(runs)); i = next.Add(1) - 1 {
				made[i] = judgeRun(ctx, judge, runs[i])
				telling.Lock()
				progress(int(done.Add(1)), len(runs))
				telling.Unlock()
			}
		})
	}
	workers.Wait()
	if err := ctx.Err(); err != nil {
		return Rehearsal{}, err
	}
	return pods.report(runs, made), nil
}

// runBudget is the time for one decision, as in a review with the chart's
// timeoutSeconds.
const runBudget = 9 * time.Second

func judgeRun(ctx context.Context, judge *decision.Judge,
	run run) decision.Decision {
	ctx, cancel := context.WithTimeout(ctx, runBudget)
	defer cancel()
	return judge.All(ctx, run.workload(), []string{run.image})[0]
}

// report sums up by image and reason.
func (p *Pods) report(runs []run, made []decision.Decision) Rehearsal {
	type key struct {
		image  string
		result Result
		code   reason.Code
	}
	rows := map[key]*Row{}
	report := Rehearsal{Pods: p.count, ExemptPods: p.exempt,
		Images: len(p.images), Rows: []Row{}}
	worst := map[string]Result{}
	for i, run := range runs {
		k := key{image: run.image, result: result(made[i], false)}
		if made[i].Denial != nil {
			k.code = made[i].Denial.Code
		}
		row := rows[k]
		if row == nil {
			row = &Row{Image: k.image, Result: k.result,
				Reason: newReason(made[i].Denial),
				Policy: made[i].Choice.Source,
				Entry:  made[i].Choice.Entry.Name}
			rows[k] = row
		}
		row.Pods += p.runs[run]
		// The runs are sorted, so only the last one can be the same.
		if last := len(row.Namespaces) - 1; last < 0 ||
			row.Namespaces[last] != run.namespace {
			row.Namespaces = append(row.Namespaces, run.namespace)
		}
		if row.Policy != made[i].Choice.Source ||
			row.Entry != made[i].Choice.Entry.Name {
			row.Policy, row.Entry = "", ""
		}
		if severity(k.result) > severity(worst[run.image]) {
			worst[run.image] = k.result
		}
	}
	for _, result := range worst {
		switch result {
		case Denied:
			report.Denied++
		case Warned:
			report.Warned++
		default:
			report.Admitted++
		}
	}
	for _, row := range rows {
		report.Rows = append(report.Rows, *row)
	}
	slices.SortFunc(report.Rows, func(a, b Row) int {
		return cmp.Or(
			cmp.Compare(severity(b.Result), severity(a.Result)),
			cmp.Compare(b.Pods, a.Pods),
			strings.Compare(a.Image, b.Image),
			strings.Compare(a.code(), b.code()))
	})
	return report
}

func (r Row) code() string {
	if r.Reason == nil {
		return ""
	}
	return string(r.Reason.Code)
}

func severity(result Result) int {
	switch result {
	case Denied:
		return 3
	case Warned:
		return 2
	case "":
		return 0
	default:
		return 1
	}
}

// once reads every Secret and ServiceAccount at most once, for as long as the
// context lives, whoever asks first.
type once struct {
	source   decision.Secrets
	ctx      context.Context
	secrets  sync.Map
	accounts sync.Map
}

func (o *once) Secret(_ context.Context, namespace, name string) (
	*corev1.Secret, error) {
	read, _ := o.secrets.LoadOrStore(namespace+"/"+name, sync.OnceValues(
		func() (*corev1.Secret, error) {
			return o.source.Secret(o.ctx, namespace, name)
		}))
	return read.(func() (*corev1.Secret, error))()
}

func (o *once) AccountPullSecrets(_ context.Context,
	namespace, account string) ([]string, error) {
	read, _ := o.accounts.LoadOrStore(namespace+"/"+account, sync.OnceValues(
		func() ([]string, error) {
			return o.source.AccountPullSecrets(o.ctx, namespace, account)
		}))
	return read.(func() ([]string, error))()
}
