// SPDX-License-Identifier: Apache-2.0

// Package observe counts what the server decides and does, and writes its
// log. It never influences a decision and never shows a credential.
package observe

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/decision"
)

// Metrics is everything that /metrics shows.
type Metrics struct {
	registry *prometheus.Registry

	allowed   prometheus.Counter
	denied    prometheus.Counter
	decisions *prometheus.CounterVec
	reviews   *prometheus.HistogramVec
	policies  *prometheus.CounterVec
	expiry    prometheus.Gauge
	reloads   *prometheus.CounterVec
	requests  *prometheus.CounterVec
	waits     prometheus.Histogram

	hosts sync.Mutex
	known map[string]bool // hosts that are labels
}

// NewMetrics makes the metrics of a server of the given version.
func NewMetrics(version string) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		known:    map[string]bool{},
		// The two names that dashboards for IBM Portieris use.
		allowed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "portieris_pod_admission_decision_allow_count",
			Help: "Objects admitted after their images were judged.",
		}),
		denied: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "portieris_pod_admission_decision_deny_count",
			Help: "Objects denied after their images were judged.",
		}),
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "portieris_image_decisions_total",
			Help: "Images judged, by result (trusted, stale, warned, denied) and " +
				"the reason code of a denial.",
		}, []string{"result", "reason"}),
		reviews: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "portieris_review_duration_seconds",
			Help: "Time to answer an AdmissionReview, by kind of the " +
				"object and result.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25,
				.5, 1, 2.5, 5, 10},
		}, []string{"kind", "allowed"}),
		policies: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "portieris_policy_reviews_total",
			Help: "Policies reviewed as they were applied, by result " +
				"(accepted, warned, refused, unread).",
		}, []string{"result"}),
		expiry: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "portieris_serving_certificate_expiry_timestamp_seconds",
			Help: "When the certificate that is served now expires.",
		}),
		reloads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "portieris_reloads_total",
			Help: "Reloads of changed files, by what (certificate, ca) and " +
				"result (ok, failed).",
		}, []string{"what", "result"}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "portieris_trust_server_requests_total",
			Help: "Requests to trust servers, token services and registries, " +
				"by host (the first 100, then other) and status (the HTTP " +
				"status, or error).",
		}, []string{"host", "status"}),
		waits: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "portieris_trust_server_request_duration_seconds",
			Help: "Time until a trust server, token service or registry " +
				"answered.",
			Buckets: []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1,
				2.5, 5, 10},
		}),
	}
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "portieris_build_info",
		Help: "Always 1; the label is the version of the server.",
	}, []string{"version"})
	build.WithLabelValues(version).Set(1)
	m.registry.MustRegister(m.allowed, m.denied, m.decisions, m.reviews,
		m.policies, m.expiry, m.reloads, m.requests, m.waits, build,
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// CountPolicies shows the numbers of policies that the function returns.
func (m *Metrics) CountPolicies(count func() (namespaced, cluster int)) {
	const name, help = "portieris_policies", "Policies known, by kind."
	gauge := func(kind string, value func() int) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: name, Help: help,
			ConstLabels: prometheus.Labels{"kind": kind},
		}, func() float64 { return float64(value()) })
	}
	m.registry.MustRegister(
		gauge("ImagePolicy", func() int {
			namespaced, _ := count()
			return namespaced
		}),
		gauge("ClusterImagePolicy", func() int {
			_, cluster := count()
			return cluster
		}))
}

// Handler serves the metrics.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		Registry: m.registry,
	})
}

// Decided counts the decisions about the images of one object.
func (m *Metrics) Decided(decisions []decision.Decision) {
	counter := m.allowed
	for _, one := range decisions {
		if !one.Allowed() {
			counter = m.denied
		}
		m.decisions.WithLabelValues(labels(one)...).Inc()
	}
	counter.Inc()
}

func labels(one decision.Decision) []string {
	switch {
	case one.Denial == nil && one.Notice != "":
		return []string{"stale", ""}
	case one.Denial == nil:
		return []string{"trusted", ""}
	case one.Allowed():
		return []string{"warned", string(one.Denial.Code)}
	default:
		return []string{"denied", string(one.Denial.Code)}
	}
}

// Reviewed counts one answer to the API server.
func (m *Metrics) Reviewed(kind string, allowed bool, took time.Duration) {
	label := "false"
	if allowed {
		label = "true"
	}
	m.reviews.WithLabelValues(kind, label).Observe(took.Seconds())
}

// PolicyReviewed counts one review of a policy that was applied.
func (m *Metrics) PolicyReviewed(result string) {
	m.policies.WithLabelValues(result).Inc()
}

// Serving records until when the served certificate is valid.
func (m *Metrics) Serving(until time.Time) {
	m.expiry.Set(float64(until.Unix()))
}

// Reloaded counts one reload of a changed file.
func (m *Metrics) Reloaded(what string, err error) {
	result := "ok"
	if err != nil {
		result = "failed"
	}
	m.reloads.WithLabelValues(what, result).Inc()
}

// maxHosts is how many hosts are counted each by its name. Whoever writes
// policies and images chooses hosts, and every one of them stays for ever.
const maxHosts = 100

// Asked counts one request to a trust server, token service or registry. The
// status is 0 if there was no answer.
func (m *Metrics) Asked(host string, status int, took time.Duration) {
	label := "error"
	if status != 0 {
		label = strconv.Itoa(status)
	}
	m.requests.WithLabelValues(m.hostLabel(host), label).Inc()
	m.waits.Observe(took.Seconds())
}

// hostLabel is the host, or "other" when there are too many.
func (m *Metrics) hostLabel(host string) string {
	host = strings.ToValidUTF8(host, "?") // a label of another form panics
	m.hosts.Lock()
	defer m.hosts.Unlock()
	if !m.known[host] {
		if len(m.known) >= maxHosts {
			return "other"
		}
		m.known[host] = true
	}
	return host
}
