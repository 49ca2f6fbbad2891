// SPDX-License-Identifier: Apache-2.0

package tool

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/reason"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/notary"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/workload"
)

func pod(namespace string, images ...string) *workload.Object {
	kind, _ := workload.ByResource("", "v1", "pods")
	made := &workload.Object{Kind: kind,
		Metadata: metav1.ObjectMeta{Namespace: namespace}}
	made.Pod.ImagePullSecrets = []corev1.LocalObjectReference{{Name: "pull"}}
	for _, image := range images {
		made.Pod.Containers = append(made.Pod.Containers,
			corev1.Container{Image: image})
	}
	return made
}

func rehearsed(t testing.TB, sources Sources, pods ...*workload.Object) Rehearsal {
	t.Helper()
	gathered := NewPods(sources.Exempt)
	for _, pod := range pods {
		gathered.Add(pod)
	}
	report, err := Rehearse(context.Background(), sources, gathered,
		func(int, int) {})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestARehearsalSumsUpByImageAndReason(t *testing.T) {
	sources := files(t, trusting, `
apiVersion: portieris.cloud.ibm.com/v1
kind: ImagePolicy
metadata: {name: soft, namespace: soft}
spec:
  repositories:
  - name: "*"
    mode: warn
    policy: {trust: {enabled: true, trustServer: "https://notary:4443"}}
`)
	sources.Trust = verifier{}
	got := rehearsed(t, sources,
		pod("a", image, "r:9001/bad:v2"),
		pod("a", image, image),
		pod("b", "r:9001/bad:v2"),
		pod("soft", "r:9001/bad:v2", "r:9001/soft:v3"),
		pod("exempt", "r:9001/bad:v2"))
	if got.Pods != 4 || got.ExemptPods != 1 || got.Images != 3 ||
		got.Denied != 1 || got.Warned != 1 || got.Admitted != 1 {
		t.Errorf("the sums are %+v", got)
	}
	want := []Row{
		{Image: "r:9001/bad:v2", Result: Denied, Pods: 2,
			Policy: `ClusterImagePolicy "usual"`, Entry: "r:9001/*",
			Namespaces: []string{"a", "b"}},
		{Image: "r:9001/bad:v2", Result: Warned, Pods: 1,
			Policy: `ImagePolicy "soft"`, Entry: "*",
			Namespaces: []string{"soft"}},
		{Image: "r:9001/soft:v3", Result: Warned, Pods: 1,
			Policy: `ImagePolicy "soft"`, Entry: "*",
			Namespaces: []string{"soft"}},
		{Image: image, Result: Admitted, Pods: 2,
			Policy: `ClusterImagePolicy "usual"`, Entry: "r:9001/*",
			Namespaces: []string{"a"}},
	}
	for i := range got.Rows {
		row := &got.Rows[i]
		if (row.Reason != nil) != (row.Result != Admitted) ||
			(row.Reason != nil && row.Reason.Code != reason.NotSigned) {
			t.Errorf("the reason of %+v is %+v", row, row.Reason)
		}
		row.Reason = nil
	}
	if !reflect.DeepEqual(got.Rows, want) {
		t.Errorf("the rows are\n%+v, want\n%+v", got.Rows, want)
	}
}

func TestTheReportIsForPeopleAndForPrograms(t *testing.T) {
	sources := files(t, trusting)
	sources.Trust = verifier{}
	report := rehearsed(t, sources, pod("a", image, "r:9001/bad:v2"),
		pod("b", "r:9001/bad:v2"), pod("exempt", "x"))
	var text, table bytes.Buffer
	if err := errors.Join(report.Text(&text), report.CSV(&table)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"DENIED r:9001/bad:v2 [NOT-SIGNED]\n" +
			"  in 2 pods of 2 namespaces: a, b\n" +
			"  by ClusterImagePolicy \"usual\", entry \"r:9001/*\"\n" +
			"  No valid trust data for v2\n",
		"2 pods, 2 images: 1 admitted, 0 admitted with a warning, 1 denied",
		"not judged: 1 pod in exempt namespaces",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, &text)
		}
	}
	lines, err := csv.NewReader(&table).ReadAll()
	if err != nil || len(lines) != 3 || !reflect.DeepEqual(lines[1][:5],
		[]string{"r:9001/bad:v2", "denied", "NOT-SIGNED", "2", "a b"}) {
		t.Errorf("the table is %q, %v", lines, err)
	}
}

func TestTheTableHoldsNoFormulaOfAPodsAuthor(t *testing.T) {
	for image, want := range map[string]string{
		`=HYPERLINK("https://evil.example.com")`: `"=HYPERLINK(\"https://evil.example.com\")"`,
		"=1+1":                                   "'=1+1", "@x": "'@x", "r:9001/app": "r:9001/app",
		"a\x1b[2J": `"a\x1b[2J"`,
	} {
		var table bytes.Buffer
		report := Rehearsal{Rows: []Row{{Image: image}}}
		if err := report.CSV(&table); err != nil {
			t.Fatal(err)
		}
		lines, err := csv.NewReader(&table).ReadAll()
		if err != nil || len(lines) != 2 || lines[1][0] != want {
			t.Errorf("%q stands there as %q, %v", image, lines, err)
		}
	}
}

func TestManyNamespacesAreNotAllNamed(t *testing.T) {
	got := few([]string{"a", "b", "c", "d", "e", "f"})
	if got != "6 namespaces: a, b, c, d, e, ..." {
		t.Errorf("named %q", got)
	}
}

// fleet is pods that run so many images, in a number of namespaces.
func fleet(pods, images, namespaces int) []*workload.Object {
	made := make([]*workload.Object, pods)
	for i := range made {
		made[i] = pod(fmt.Sprintf("n%d", i%namespaces),
			fmt.Sprintf("r:9001/app%d:v1", i%images))
	}
	return made
}

// counting counts what is read of Secrets.
type counting struct {
	Layers
	secrets, accounts atomic.Int64
}

func (c *counting) Secret(ctx context.Context, namespace, name string) (
	*corev1.Secret, error) {
	c.secrets.Add(1)
	return c.Layers.Secret(ctx, namespace, name)
}

func (c *counting) AccountPullSecrets(ctx context.Context,
	namespace, account string) ([]string, error) {
	c.accounts.Add(1)
	return c.Layers.AccountPullSecrets(ctx, namespace, account)
}

// What is asked depends on what is different, not on how many pods there are.
func TestTenThousandPodsAskNoMoreThanTheirImages(t *testing.T) {
	for _, pods := range []int{300, 10000} {
		sources := files(t, trusting)
		secrets := &counting{}
		sources.Secrets = secrets
		var asked atomic.Int64
		sources.Trust = verifier{func(notary.Request) { asked.Add(1) }}
		report := rehearsed(t, sources, fleet(pods, 300, 3)...)
		if report.Pods != pods || report.Images != 300 ||
			report.Admitted != 300 {
			t.Errorf("the sums are %+v", report)
		}
		if asked.Load() != 300 || secrets.secrets.Load() != 3 ||
			secrets.accounts.Load() != 3 {
			t.Errorf("%d pods: asked %d times, read %d Secrets and %d "+
				"accounts; want 300, 3 and 3", pods, asked.Load(),
				secrets.secrets.Load(), secrets.accounts.Load())
		}
	}
}

func TestARehearsalThatIsInterruptedHasNoReport(t *testing.T) {
	sources := files(t, trusting)
	ctx, cancel := context.WithCancel(context.Background())
	sources.Trust = verifier{func(notary.Request) { cancel() }}
	pods := NewPods(sources.Exempt)
	pods.Add(pod("a", image))
	_, err := Rehearse(ctx, sources, pods, func(int, int) {})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
}

func TestARehearsalOfNothingIsEmpty(t *testing.T) {
	if got := rehearsed(t, files(t, trusting)); got.Rows == nil ||
		got.Pods != 0 {
		t.Errorf("the report is %+v", got)
	}
}

func TestProgressIsALineATenthOrABar(t *testing.T) {
	var lines, bar bytes.Buffer
	plain := &Progress{Out: &lines}
	drawn := &Progress{Out: &bar, Terminal: true}
	for done := 1; done <= 300; done++ {
		plain.At(done, 300)
		drawn.At(done, 300)
	}
	if got := strings.Count(lines.String(), "\n"); got != 10 ||
		!strings.HasSuffix(lines.String(), "300 of 300 checks done\n") {
		t.Errorf("%d lines: %s", got, &lines)
	}
	full := "\r[" + strings.Repeat("#", 40) + "] 300 of 300 checks\n"
	if strings.Count(bar.String(), "\n") != 1 ||
		!strings.HasSuffix(bar.String(), full) {
		t.Errorf("the bar is %q", &bar)
	}
}

// The time for one pod must not grow with their number: compare the two.
func BenchmarkRehearse(b *testing.B) {
	for _, pods := range []int{1000, 10000} {
		b.Run(fmt.Sprintf("%d pods", pods), func(b *testing.B) {
			sources := files(b, trusting)
			sources.Trust = verifier{}
			objects := fleet(pods, 300, 20)
			for b.Loop() {
				rehearsed(b, sources, objects...)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/
				float64(b.N)/float64(pods), "ns/pod")
		})
	}
}
