// SPDX-License-Identifier: Apache-2.0

package tool

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Patient is the release that a doctor looks at.
type Patient interface {
	// StoredSecret returns nil without an error if there is no such Secret.
	StoredSecret(ctx context.Context, namespace, name string) (
		*corev1.Secret, error)
	CABundle(ctx context.Context) ([]byte, error)
	// TryPod asks for a pod in a dry run.
	TryPod(ctx context.Context, pod *corev1.Pod) error
}

// Examination is what a doctor looks at, and where.
type Examination struct {
	Patient
	// Namespace is that of the release.
	Namespace string
	// Address is where the server serves.
	Address string
	// Pods is the namespace in which pods are asked for.
	Pods string
	// Image is one that the policies should admit.
	Image string
	// Wait is how long a renewed certificate may take until it is served, and
	// Every how often it is looked for meanwhile.
	Wait, Every time.Duration
	// Waiting is told once of each look that is not good yet and is repeated.
	Waiting func(error)
}

// Images for the pods that are asked for. The first is matched by no pattern
// but those that match all, the second has no form that any policy takes.
const (
	ImageOfNoRegistry = "doctor.invalid/admitted:1"
	imageOfNoForm     = "doctor.invalid/Denied:1"
)

// Symptom is what one look has shown.
type Symptom struct {
	// Sentence says what is well.
	Sentence string
	// Err says what is not.
	Err error
}

// Doctor looks at a release from outside, as the API server does, and changes
// nothing. What it asks for is asked in a dry run.
func Doctor(ctx context.Context, e Examination) []Symptom {
	served, certificate := e.servesWhatIsStored(ctx)
	symptoms := []Symptom{certificate}
	if certificate.Err == nil {
		symptoms = append(symptoms, e.isTrustedByTheAPIServer(ctx, served))
	}
	return append(symptoms, e.admits(ctx), e.denies(ctx))
}

// Report prints the symptoms and fails if one is bad.
func Report(out io.Writer, symptoms []Symptom) error {
	text, failures := "", 0
	for _, symptom := range symptoms {
		if symptom.Err != nil {
			failures++
			text += fmt.Sprintf("FAILED  %v\n", symptom.Err)
			continue
		}
		text += "ok      " + symptom.Sentence + "\n"
	}
	if _, err := io.WriteString(out, text); err != nil {
		return err
	}
	if failures > 0 {
		return fmt.Errorf("%d of %d looks show a failure", failures,
			len(symptoms))
	}
	return nil
}

func well(format string, args ...any) Symptom {
	return Symptom{Sentence: fmt.Sprintf(format, args...)}
}

func ill(format string, args ...any) Symptom {
	return Symptom{Err: fmt.Errorf(format, args...)}
}

// host is the name by which the API server calls the server.
func (e Examination) host() string { return "portieris." + e.Namespace + ".svc" }

// until repeats a look that needs a kubelet's or cert-manager's time, until it
// is good or the time is over.
func (e Examination) until(ctx context.Context, look func() error) error {
	tick := time.NewTicker(e.Every)
	defer tick.Stop()
	over := time.After(e.Wait)
	for first := true; ; first = false {
		err := look()
		if err == nil {
			return nil
		}
		if first {
			e.Waiting(err)
		}
		select {
		case <-ctx.Done():
			return err
		case <-over:
			return err
		case <-tick.C:
		}
	}
}

func (e Examination) servesWhatIsStored(ctx context.Context) (
	served []*x509.Certificate, symptom Symptom) {
	err := e.until(ctx, func() (err error) {
		stored, err := e.stored(ctx)
		if err != nil {
			return err
		}
		if served, err = e.served(ctx); err != nil {
			return err
		}
		if !bytes.Equal(stored, served[0].Raw) {
			return fmt.Errorf("the certificate that %s serves is not the "+
				"one in the Secret portieris-certs: the server reads a "+
				"renewed one when the kubelet has brought it, a minute or "+
				"two later; if it stays so, restart the Deployment "+
				"portieris-portieris", e.Address)
		}
		return nil
	})
	if err != nil {
		return nil, Symptom{Err: err}
	}
	return served, well("the certificate that is served is the stored one, "+
		"good until %s", served[0].NotAfter.UTC().Format(time.DateOnly))
}

func (e Examination) stored(ctx context.Context) ([]byte, error) {
	secret, err := e.StoredSecret(ctx, e.Namespace, "portieris-certs")
	if err != nil {
		return nil, fmt.Errorf("cannot read the Secret portieris-certs in "+
			"the namespace %s: %w", e.Namespace, err)
	}
	if secret == nil {
		return nil, fmt.Errorf("the namespace %s has no Secret "+
			"portieris-certs: cert-manager has not issued the certificate "+
			"yet, kubectl describe certificate portieris-certs -n %s says "+
			"why", e.Namespace, e.Namespace)
	}
	block, _ := pem.Decode(secret.Data["tls.crt"])
	if block == nil {
		return nil, fmt.Errorf("the Secret portieris-certs holds no " +
			"certificate: delete it, and cert-manager issues a new one")
	}
	return block.Bytes, nil
}

func (e Examination) served(ctx context.Context) ([]*x509.Certificate, error) {
	dialer := &tls.Dialer{
		NetDialer: &net.Dialer{Timeout: 5 * time.Second},
		// What is served is compared and verified by the callers.
		Config: &tls.Config{ServerName: e.host(), InsecureSkipVerify: true},
	}
	connection, err := dialer.DialContext(ctx, "tcp", e.Address)
	if err != nil {
		return nil, fmt.Errorf("the server cannot be reached at %s: %w; "+
			"kubectl get pods -n %s -l app=portieris shows whether one is "+
			"ready", e.Address, err, e.Namespace)
	}
	chain := connection.(*tls.Conn).ConnectionState().PeerCertificates
	return chain, connection.Close()
}

func (e Examination) isTrustedByTheAPIServer(ctx context.Context,
	served []*x509.Certificate) Symptom {
	err := e.until(ctx, func() error {
		bundle, err := e.CABundle(ctx)
		if err != nil {
			return fmt.Errorf("cannot read the webhook "+
				"image-admission-config: %w; applying the application "+
				"again makes it", err)
		}
		return e.verifies(bundle, served)
	})
	if err != nil {
		return Symptom{Err: err}
	}
	return well("the caBundle of the webhook verifies it for %s", e.host())
}

func (e Examination) verifies(bundle []byte,
	served []*x509.Certificate) error {
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	if !roots.AppendCertsFromPEM(bundle) {
		return errors.New("the webhook image-admission-config has no " +
			"caBundle: cert-manager's cainjector puts it in, see whether it " +
			"runs")
	}
	for _, certificate := range served[1:] {
		between.AddCert(certificate)
	}
	_, err := served[0].Verify(x509.VerifyOptions{Roots: roots,
		Intermediates: between, DNSName: e.host()})
	if err != nil {
		return fmt.Errorf("the caBundle of the webhook does not verify the "+
			"served certificate: %w; delete the Secret portieris-certs, and "+
			"cert-manager issues a new one", err)
	}
	return nil
}

// denial finds our own denial and its code in what the API server says.
var denial = regexp.MustCompile(`denied the request: trust: policy denied ` +
	`the request: (?s:.*)\[([A-Z-]+)\]`)

func (e Examination) admits(ctx context.Context) Symptom {
	err := e.TryPod(ctx, trial(e.Pods, e.Image))
	if err == nil {
		return well("a pod with the image %s is admitted in the namespace %s",
			e.Image, e.Pods)
	}
	found := denial.FindStringSubmatch(err.Error())
	if found != nil && e.Image != ImageOfNoRegistry {
		return ill("a pod with the image %s, which the policies should "+
			"admit, is denied in the namespace %s [%s]: portieris explain "+
			"tells why", e.Image, e.Pods, found[1])
	}
	if found != nil {
		return well("a pod with the image %s is judged in the namespace %s: "+
			"the policies deny it [%s]; --image NAME tries one that they "+
			"admit", e.Image, e.Pods, found[1])
	}
	return ill("a pod in the namespace %s is neither admitted nor denied by "+
		"a policy: %w", e.Pods, err)
}

func (e Examination) denies(ctx context.Context) Symptom {
	err := e.TryPod(ctx, trial(e.Pods, imageOfNoForm))
	if err == nil {
		return ill("a pod with the image %s, which is no image name, is "+
			"admitted in the namespace %s: nothing is judged there; the "+
			"namespace is exempt (the value doctor.namespace, or "+
			"--namespace, names another), or the failurePolicy of the "+
			"webhook is Ignore and no server answers", imageOfNoForm, e.Pods)
	}
	if !strings.Contains(err.Error(),
		"denied the request: trust: policy denied the request: ") {
		return ill("a pod in the namespace %s is not denied by the server, "+
			"but refused: %w", e.Pods, err)
	}
	return well("a pod with an image name of no form is denied")
}

// trial is a pod that no other check than the image's is likely to refuse.
func trial(namespace, image string) *corev1.Pod {
	no, yes, user := false, true, int64(65532)
	// What a quota of the namespace may count.
	little := corev1.ResourceList{
		corev1.ResourceCPU:    resource.MustParse("1m"),
		corev1.ResourceMemory: resource.MustParse("1Mi"),
	}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace,
			GenerateName: "portieris-doctor-"},
		Spec: corev1.PodSpec{
			AutomountServiceAccountToken: &no,
			SecurityContext: &corev1.PodSecurityContext{
				RunAsNonRoot: &yes, RunAsUser: &user,
				SeccompProfile: &corev1.SeccompProfile{
					Type: corev1.SeccompProfileTypeRuntimeDefault},
			},
			Containers: []corev1.Container{{
				Name: "trial", Image: image,
				Resources: corev1.ResourceRequirements{
					Requests: little, Limits: little},
				SecurityContext: &corev1.SecurityContext{
					AllowPrivilegeEscalation: &no,
					Capabilities: &corev1.Capabilities{
						Drop: []corev1.Capability{"ALL"}},
				},
			}},
		},
	}
}
