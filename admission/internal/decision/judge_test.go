// SPDX-License-Identifier: Apache-2.0

package decision

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "opendev.org/starlingx/portieris-armada-app/admission/api/v1"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/policy"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/reason"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/registry"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/notary"
)

const (
	image  = "r:9001/app:v1"
	wanted = "sha256:" +
		"1111111111111111111111111111111111111111111111111111111111111111"
	key = "-----BEGIN PUBLIC KEY-----\nAA==\n-----END PUBLIC KEY-----\n"
)

// world is everything a judge asks, in memory.
type world struct {
	entries  []v1.Repository
	secrets  map[string]*corev1.Secret
	accounts map[string][]string
	broken   error
	digest   string
	refusal  error
	stale    bool
	panics   bool

	mutex sync.Mutex
	read  map[string]int
	asked []notary.Request
}

func (w *world) Policies(namespace string) (policy.Set, error) {
	return policy.Set{Namespace: namespace,
		Cluster: []*v1.ClusterImagePolicy{{
			ObjectMeta: metav1.ObjectMeta{Name: "x"},
			Spec:       v1.PolicySpec{Repositories: w.entries},
		}}}, nil
}

func (w *world) Secret(_ context.Context, namespace, name string) (
	*corev1.Secret, error) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if w.read == nil {
		w.read = map[string]int{}
	}
	w.read[namespace+"/"+name]++
	return w.secrets[name], w.broken
}

func (w *world) AccountPullSecrets(_ context.Context, _, account string) (
	[]string, error) {
	return w.accounts[account], w.broken
}

func (w *world) Digest(_ context.Context, request notary.Request) (
	string, error) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if w.panics {
		panic("a verifier panics")
	}
	if w.stale {
		request.Notice("the trust server gave no answer")
	}
	request.Notice = nil // cannot be compared
	w.asked = append(w.asked, request)
	return w.digest, w.refusal
}

func (w *world) judge(images ...string) []Decision {
	judge := Judge{Policies: w, Secrets: w, Trust: w}
	return judge.All(context.Background(), Workload{
		Namespace: "team", PullSecrets: []string{"pull"},
		ServiceAccount: "robot",
	}, images)
}

func yes() *bool { value := true; return &value }
func no() *bool  { value := false; return &value }

// trusting is a world whose one entry asks for trust.
func trusting(change func(*v1.Policy)) *world {
	rules := &v1.Policy{Trust: v1.Trust{
		Enabled: yes(), TrustServer: "https://notary:4443"}}
	if change != nil {
		change(rules)
	}
	return &world{
		entries: []v1.Repository{{Name: "*", Policy: rules}},
		digest:  wanted,
	}
}

func pullSecret(host, user string) *corev1.Secret {
	return &corev1.Secret{
		Type: corev1.SecretTypeDockerConfigJson,
		Data: map[string][]byte{corev1.DockerConfigJsonKey: []byte(
			`{"auths": {"` + host + `": {"username": "` + user +
				`", "password": "secret"}}}`)},
	}
}

func TestAnImageIsReplacedByItsSignedDigest(t *testing.T) {
	for name, row := range map[string]struct {
		image  string
		mutate *bool
		want   string
	}{
		"by default":             {image, nil, "r:9001/app@" + wanted},
		"if the entry says so":   {image, yes(), "r:9001/app@" + wanted},
		"not if it says not to":  {image, no(), ""},
		"by its full name":       {"nginx", nil, "docker.io/library/nginx@" + wanted},
		"not if it is a digest":  {"r:9001/app@" + wanted, nil, ""},
		"not if it has a digest": {image + "@" + wanted, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			world := trusting(func(p *v1.Policy) { p.MutateImage = row.mutate })
			got := world.judge(row.image)[0]
			if !got.Allowed() || got.Denial != nil || got.Digest != wanted ||
				got.Replacement != row.want {
				t.Errorf("decided %+v, want the replacement %q", got, row.want)
			}
		})
	}
}

func TestAnEntryThatAsksForNothingAdmitsUnseen(t *testing.T) {
	for name, rules := range map[string]*v1.Policy{
		"no policy":        nil,
		"an empty policy":  {},
		"trust turned off": {Trust: v1.Trust{Enabled: no()}},
		"accept anything": {Simple: v1.Simple{
			Requirements: []v1.SimpleRequirement{
				{Type: v1.RequirementAcceptAnything}}}},
	} {
		t.Run(name, func(t *testing.T) {
			world := &world{entries: []v1.Repository{
				{Name: "*", Policy: rules}}}
			got := world.judge(image)[0]
			if got.Denial != nil || got.Replacement != "" ||
				world.asked != nil {
				t.Errorf("decided %+v after asking %v", got, world.asked)
			}
		})
	}
}

func TestEveryDenialNamesItsReason(t *testing.T) {
	for name, row := range map[string]struct {
		image    string
		world    *world
		code     reason.Code
		sentence string
	}{
		"an image that is none": {"r:9001/", trusting(nil),
			reason.ImageInvalid, "does not parse"},
		"no policy for it": {image, &world{entries: []v1.Repository{}},
			reason.NoMatchingPolicy, "no matching repositories"},
		"an entry that rejects": {image, trusting(func(p *v1.Policy) {
			p.Simple.Requirements = []v1.SimpleRequirement{
				{Type: v1.RequirementAcceptAnything},
				{Type: v1.RequirementReject}}
		}), reason.Rejected, `ClusterImagePolicy "x" rejects`},
		"a requirement nobody knows": {image, trusting(func(p *v1.Policy) {
			p.Simple.Requirements = []v1.SimpleRequirement{{Type: "magic"}}
		}), reason.RequirementUnsupported, `"magic"`},
		"a vulnerability verdict": {image, trusting(func(p *v1.Policy) {
			p.Vulnerability.ICCRVA.Enabled = yes()
		}), reason.VulnerabilityUnsupported,
			"IBM's image, which image.repository can name, is the server"},
		"no trust server": {image, trusting(func(p *v1.Policy) {
			p.Trust.TrustServer = ""
		}), reason.TrustServerUnknown,
			"no trust server could be found for the registry r:9001"},
		"a trust server without a scheme": {image, trusting(
			func(p *v1.Policy) { p.Trust.TrustServer = "notary:4443" }),
			reason.PolicyInvalid, "not of the form https://"},
		"a trust server in the clear": {image, trusting(
			func(p *v1.Policy) { p.Trust.TrustServer = "http://notary" }),
			reason.PolicyInvalid, "plain HTTP"},
		"a verifier's refusal": {image, &world{
			entries: trusting(nil).entries,
			refusal: reason.New(reason.NotSigned, "No valid trust data for v1"),
		}, reason.NotSigned, "No valid trust data for v1"},
		"a verifier's failure": {image, &world{
			entries: trusting(nil).entries, refusal: errors.New("disk full"),
		}, reason.Internal, "disk full"},
		"a verifier's panic": {image, &world{
			entries: trusting(nil).entries, panics: true,
		}, reason.Internal, "a verifier panics"},
		"a digest that is none": {image, &world{
			entries: trusting(nil).entries, digest: "sha256:",
		}, reason.TrustDataInvalid, `the digest "sha256:"`},
		"a digest that is not the one asked for": {"r:9001/app@" +
			strings.Replace(wanted, "1", "2", 1), trusting(nil),
			reason.TrustDataInvalid, "not that of an image to run"},
		"an answer that Kubernetes owes": {image, &world{
			entries: trusting(nil).entries, broken: errors.New("no route"),
		}, reason.KubernetesError, "no route"},
	} {
		t.Run(name, func(t *testing.T) {
			got := row.world.judge(row.image)[0]
			if got.Allowed() || got.Denial.Code != row.code ||
				!strings.Contains(got.Denial.Sentence, row.sentence) {
				t.Fatalf("decided %+v %v, want %s ...%s...", got, got.Denial,
					row.code, row.sentence)
			}
			if got.Digest != "" || got.Replacement != "" {
				t.Errorf("a denied image has a digest: %+v", got)
			}
		})
	}
}

func TestTheVerifierIsAskedForWhatTheEntryAndTheImageSay(t *testing.T) {
	world := trusting(func(p *v1.Policy) {
		p.Trust.TrustServer += "/"
		p.Trust.SignerSecrets = []v1.SignerSecret{{Name: "alice"}}
	})
	world.secrets = map[string]*corev1.Secret{
		"alice": {Data: map[string][]byte{
			"name": []byte("alice\n"), "publicKey": []byte(key)}},
		"pull":    pullSecret("r:9001", "pod"),
		"account": pullSecret("r:9001", "account"),
	}
	world.accounts = map[string][]string{"robot": {"pull", "account"}}
	world.judge(image)
	want := []notary.Request{{
		TrustServer: "https://notary:4443",
		GUN:         "r:9001/app",
		Tag:         "v1",
		Signers:     []notary.Signer{{Name: "alice", PublicKey: []byte(key)}},
		Credentials: []registry.Credential{
			{Username: "pod", Password: "secret", Source: "secret team/pull"},
			{Username: "account", Password: "secret",
				Source: "secret team/account"},
		},
	}}
	if !reflect.DeepEqual(world.asked, want) {
		t.Errorf("asked %v, want %v", world.asked, want)
	}
}

func TestAnEarlierAnswerOfTheTrustServerIsNoticedUnlessItIsDenied(t *testing.T) {
	world := trusting(func(*v1.Policy) {})
	world.stale = true
	if got := world.judge(image)[0]; got.Denial != nil || got.Notice == "" {
		t.Errorf("decided %+v", got)
	}
	world.refusal = reason.New(reason.NotSigned, "no")
	if got := world.judge(image)[0]; got.Denial == nil || got.Notice != "" {
		t.Errorf("decided %+v", got)
	}
}

func TestASignerSecretThatIsOfNoUseIsNamed(t *testing.T) {
	for name, row := range map[string]struct {
		data map[string][]byte
		code reason.Code
		want string
	}{
		"missing":       {nil, reason.SignerMissing, "does not exist"},
		"without name":  {map[string][]byte{"publicKey": []byte(key)}, reason.SignerInvalid, `no key "name"`},
		"without key":   {map[string][]byte{"name": []byte("a")}, reason.SignerInvalid, `"publicKey"`},
		"key is no PEM": {map[string][]byte{"name": []byte("a"), "publicKey": []byte("MFkw")}, reason.SignerInvalid, "no PEM"},
	} {
		t.Run(name, func(t *testing.T) {
			world := trusting(func(p *v1.Policy) {
				p.Trust.SignerSecrets = []v1.SignerSecret{{Name: "alice"}}
			})
			if row.data != nil {
				world.secrets = map[string]*corev1.Secret{
					"alice": {Data: row.data}}
			}
			got := world.judge(image)[0].Denial
			if got == nil || got.Code != row.code ||
				!strings.Contains(got.Sentence, row.want) ||
				!strings.Contains(got.Sentence, `"alice" in the namespace "team"`) {
				t.Errorf("denial %v, want %s naming the Secret and %q",
					got, row.code, row.want)
			}
		})
	}
}

func TestAPullSecretThatIsOfNoUseIsNamedOnlyIfItMatters(t *testing.T) {
	world := trusting(nil)
	world.secrets = map[string]*corev1.Secret{
		"pull": {Type: corev1.SecretTypeOpaque}}
	if got := world.judge(image)[0]; got.Denial != nil {
		t.Errorf("denied although the trust server wants no credentials: %v",
			got.Denial)
	}
	world.refusal = reason.New(reason.NoCredentials,
		"no valid ImagePullSecret defined")
	got := world.judge(image)[0].Denial
	if got == nil || got.Code != reason.PullSecretInvalid ||
		!strings.HasPrefix(got.Sentence, "no valid ImagePullSecret defined") ||
		!strings.Contains(got.Sentence, `the pull secret "pull"`) {
		t.Errorf("denial %v does not name the pull secret", got)
	}
}

func TestWarnAdmitsWithTheDenial(t *testing.T) {
	world := trusting(nil)
	world.entries[0].Mode = v1.ModeWarn
	world.refusal = reason.New(reason.NotSigned, "No valid trust data for v1")
	got := world.judge(image)[0]
	if !got.Allowed() || got.Denial == nil || got.Replacement != "" {
		t.Errorf("decided %+v, want allowed with a denial", got)
	}
}

func TestEachImageAndEachSecretIsAskedForOnce(t *testing.T) {
	world := trusting(nil)
	world.secrets = map[string]*corev1.Secret{"pull": pullSecret("r:9001", "u")}
	var images []string
	for range 3 {
		images = append(images, "r:9001/a", "r:9001/b", "r:9001/c", "r:9001/d",
			"r:9001/e", "r:9001/f", "r:9001/g", "r:9001/h", "r:9001/i")
	}
	decisions := world.judge(images...)
	if len(decisions) != 9 || len(world.asked) != 9 {
		t.Errorf("%d decisions and %d questions, want 9",
			len(decisions), len(world.asked))
	}
	for i, decision := range decisions {
		if decision.Image != images[i] {
			t.Errorf("decision %d is about %q, want %q",
				i, decision.Image, images[i])
		}
	}
	if world.read["team/pull"] != 1 {
		t.Errorf("the pull secret was read %d times", world.read["team/pull"])
	}
}

func TestATrustServerOfTheClusterServesEntriesWithoutOne(t *testing.T) {
	world := trusting(nil)
	server := world.entries[0]
	server.Name = "r:9001/*"
	without := v1.Repository{Name: "r:9001/app", Policy: &v1.Policy{
		Trust: v1.Trust{Enabled: yes()}}}
	world.entries = []v1.Repository{server, without}
	if got := world.judge(image)[0]; got.Denial != nil ||
		got.Choice.Entry.Name != "r:9001/app" {
		t.Errorf("decided %+v %v", got, got.Denial)
	}
	if len(world.asked) != 1 ||
		world.asked[0].TrustServer != "https://notary:4443" {
		t.Errorf("asked %v", world.asked)
	}
}

func TestWellKnownRegistriesNeedNoTrustServer(t *testing.T) {
	for host, want := range map[string]string{
		"docker.io":          "https://notary.docker.io",
		"quay.io":            "https://quay.io:443",
		"evil-docker.io":     "",
		"docker.io.evil.com": "",
		"r:9001":             "",
	} {
		if got := wellKnown(host); got != want {
			t.Errorf("%s has the trust server %q, want %q", host, got, want)
		}
	}
}

func TestADeadlineThatPassesIsItsOwnReason(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	world := trusting(nil)
	world.refusal = ctx.Err()
	judge := Judge{Policies: world, Secrets: world, Trust: world}
	got := judge.All(ctx, Workload{}, []string{image})[0].Denial
	if got == nil || got.Code != reason.Timeout {
		t.Errorf("denial %v, want %s", got, reason.Timeout)
	}
}

func TestTheMessageHoldsASentenceForEachDeniedImage(t *testing.T) {
	message := Message([]Decision{
		{Image: "r/a", Denial: reason.New(reason.NotSigned,
			"No valid trust data for v1")},
		{Image: "r/b"},
		{Image: "r/c", Denial: reason.New(reason.NoPolicy,
			"no image policies or cluster polices")},
	})
	lines := strings.Split(message, "\n")
	if len(lines) != 2 ||
		!strings.HasPrefix(lines[0], "trust: policy denied the request: "+
			`Deny "r/a", No valid trust data for v1. `) ||
		!strings.HasSuffix(lines[0], "[NOT-SIGNED]") ||
		!strings.HasPrefix(lines[1], `Deny "r/c", no image policies`) {
		t.Errorf("message %q", message)
	}
}

func TestAPasswordInATrustServersAddressIsNotShown(t *testing.T) {
	problem := ServerProblem("https://user:hunter2@notary:4443")
	if problem == "" || strings.Contains(problem, "hunter2") {
		t.Errorf("problem %q", problem)
	}
}
