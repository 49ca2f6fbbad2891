// SPDX-License-Identifier: Apache-2.0

package tool

import (
	"context"
	"crypto/tls"
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/certtest"
)

const (
	webhookSays = `admission webhook "trust.hooks.securityenforcement.` +
		`admission.cloud.ibm.com" denied the request: `
	rejects = webhookSays + `trust: policy denied the request: Deny ` +
		`"doctor.invalid/admitted:1", no. Ask. [REJECTED]`
	invalid = webhookSays + `trust: policy denied the request: Deny ` +
		`"doctor.invalid/Denied:1", no image. [IMAGE-INVALID]`
)

// patient is a release whose answers a test sets.
type patient struct {
	stored   []byte
	bundle   []byte
	admitted error
	denied   error
}

func (p *patient) StoredSecret(_ context.Context, _, _ string) (
	*corev1.Secret, error) {
	if p.stored == nil {
		return nil, nil
	}
	return &corev1.Secret{Data: map[string][]byte{"tls.crt": p.stored}}, nil
}

func (p *patient) CABundle(context.Context) ([]byte, error) {
	return p.bundle, nil
}

func (p *patient) TryPod(_ context.Context, pod *corev1.Pod) error {
	if pod.Spec.Containers[0].Image == imageOfNoForm {
		return p.denied
	}
	return p.admitted
}

// healthy is an examination that finds nothing.
func healthy(t *testing.T, name string) (Examination, *patient) {
	t.Helper()
	chain, key := certtest.Pair(t, name)
	pair, err := tls.X509KeyPair(chain, key)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0",
		&tls.Config{Certificates: []tls.Certificate{pair}})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	t.Cleanup(func() { _ = listener.Close(); <-ended })
	go func() {
		defer close(ended)
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			// The dialer's side is what is looked at.
			_ = connection.(*tls.Conn).Handshake()
			_ = connection.Close()
		}
	}()
	p := &patient{stored: chain, bundle: chain, denied: errors.New(invalid)}
	return Examination{Patient: p, Namespace: "portieris",
		Address: listener.Addr().String(), Pods: "default",
		Image: ImageOfNoRegistry, Every: time.Millisecond,
		Waiting: func(error) {}}, p
}

func examined(e Examination) (string, error) {
	var out strings.Builder
	err := Report(&out, Doctor(context.Background(), e))
	return out.String(), err
}

func TestAReleaseThatIsWellGetsFourGoodLines(t *testing.T) {
	e, _ := healthy(t, "portieris.portieris.svc")
	text, err := examined(e)
	if err != nil || strings.Count(text, "ok      ") != 4 {
		t.Errorf("the doctor says %v\n%s", err, text)
	}
}

func TestPoliciesThatDenyTheTrialAreNoFailure(t *testing.T) {
	e, p := healthy(t, "portieris.portieris.svc")
	p.admitted = errors.New(rejects)
	text, err := examined(e)
	if err != nil || !strings.Contains(text,
		"the policies deny it [REJECTED]; --image NAME tries one") {
		t.Errorf("the doctor says %v\n%s", err, text)
	}
}

func TestWhatIsWrongGetsASentence(t *testing.T) {
	other, _ := certtest.Pair(t, "portieris.portieris.svc")
	for name, row := range map[string]struct {
		serves string
		hurt   func(*Examination, *patient)
		want   string
	}{
		"no certificate is issued": {
			hurt: func(_ *Examination, p *patient) { p.stored = nil },
			want: "has no Secret portieris-certs: cert-manager has not",
		},
		"the stored certificate is none": {
			hurt: func(_ *Examination, p *patient) { p.stored = []byte("x") },
			want: "the Secret portieris-certs holds no certificate",
		},
		"another certificate is served": {
			hurt: func(_ *Examination, p *patient) { p.stored = other },
			want: "is not the one in the Secret portieris-certs",
		},
		"nobody serves": {
			hurt: func(e *Examination, _ *patient) {
				e.Address = "127.0.0.1:1"
			},
			want: "the server cannot be reached at 127.0.0.1:1",
		},
		"the webhook has no CA": {
			hurt: func(_ *Examination, p *patient) { p.bundle = nil },
			want: "has no caBundle: cert-manager's cainjector puts it in",
		},
		"the webhook has another CA": {
			hurt: func(_ *Examination, p *patient) { p.bundle = other },
			want: "does not verify the served certificate",
		},
		"the certificate has another name": {
			serves: "portieris.elsewhere.svc",
			hurt:   func(*Examination, *patient) {},
			want:   "not portieris.portieris.svc",
		},
		"nothing is judged": {
			hurt: func(_ *Examination, p *patient) { p.denied = nil },
			want: "nothing is judged there",
		},
		"the API server refuses before anyone judges": {
			hurt: func(_ *Examination, p *patient) {
				p.denied = errors.New("failed calling webhook")
			},
			want: "not denied by the server, but refused: failed calling",
		},
		"the named image is denied": {
			hurt: func(e *Examination, p *patient) {
				e.Image, p.admitted = "r/i:1", errors.New(rejects)
			},
			want: "r/i:1, which the policies should admit, is denied in " +
				"the namespace default [REJECTED]",
		},
		"the call fails": {
			hurt: func(_ *Examination, p *patient) {
				p.admitted = errors.New("failed calling webhook")
			},
			want: "neither admitted nor denied by a policy: failed calling",
		},
	} {
		t.Run(name, func(t *testing.T) {
			serves := row.serves
			if serves == "" {
				serves = "portieris.portieris.svc"
			}
			e, p := healthy(t, serves)
			row.hurt(&e, p)
			text, err := examined(e)
			if err == nil || !strings.Contains(text, row.want) {
				t.Errorf("the doctor says %v\n%s", err, text)
			}
		})
	}
}

func TestARenewedCertificateIsWaitedFor(t *testing.T) {
	e, p := healthy(t, "portieris.portieris.svc")
	served := p.stored
	p.stored, _ = certtest.Pair(t, "portieris.portieris.svc")
	e.Patient = &late{patient: p, then: served}
	e.Wait = time.Minute
	var waits []string
	e.Waiting = func(err error) { waits = append(waits, err.Error()) }
	if text, err := examined(e); err != nil {
		t.Errorf("the doctor says %v\n%s", err, text)
	}
	if len(waits) != 1 || !strings.Contains(waits[0], "is not the one in") {
		t.Errorf("it says while it waits: %q", waits)
	}
}

// late is a patient that is well at the third look.
type late struct {
	*patient
	looks int
	then  []byte
}

func (l *late) StoredSecret(ctx context.Context, namespace, name string) (
	*corev1.Secret, error) {
	if l.looks++; l.looks == 3 {
		l.stored = l.then
	}
	return l.patient.StoredSecret(ctx, namespace, name)
}

func TestAQuotaFindsWhatItCountsInTheTrialPod(t *testing.T) {
	resources := trial("team", ImageOfNoRegistry).Spec.Containers[0].Resources
	for _, list := range []corev1.ResourceList{
		resources.Requests, resources.Limits} {
		if list.Cpu().IsZero() || list.Memory().IsZero() {
			t.Errorf("the trial pod says too little: %v", resources)
		}
	}
}
