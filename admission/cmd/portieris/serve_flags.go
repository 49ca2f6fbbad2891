// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// maxFreshness is the longest time for which a revoked signature may go
// unnoticed.
const maxFreshness = time.Minute

// maxStaleness is the longest time for which a trust server that gives no
// answer may be done without.
const maxStaleness = 24 * time.Hour

// accountNamespace is the file in which every pod finds its namespace.
const accountNamespace = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

// settings is how the server is told to serve.
type settings struct {
	kubeconfig     string
	namespace      string
	exempt         string
	freshness      time.Duration
	staleness      time.Duration
	logLevel       string
	listen         string
	metricsListen  string
	certificateDir string
	linger         time.Duration
	// reloadEvery is how often files are looked at for changes.
	reloadEvery time.Duration
}

// parseSettings reads the flags, whose defaults come from the environment.
func parseSettings(args []string, out io.Writer) (settings, error) {
	s := settings{reloadEvery: time.Second}
	freshness, err := durationFromEnvironment("PORTIERIS_TRUST_FRESHNESS", "10s")
	if err != nil {
		return s, err
	}
	staleness, err := durationFromEnvironment("PORTIERIS_TRUST_STALENESS", "0s")
	if err != nil {
		return s, err
	}
	flags := newFlags("serve")
	flags.StringVar(&s.kubeconfig, "kubeconfig", "",
		"kubeconfig `file`; default: $KUBECONFIG, else the pod's own account")
	flags.StringVar(&s.namespace, "namespace", ownNamespace(),
		"`namespace` of the server, where root keys are pinned "+
			"($PORTIERIS_NAMESPACE)")
	flags.StringVar(&s.exempt, "exempt-namespaces",
		os.Getenv("PORTIERIS_EXEMPT_NAMESPACES"),
		"comma separated `namespaces` in which everything is admitted "+
			"($PORTIERIS_EXEMPT_NAMESPACES)")
	flags.DurationVar(&s.freshness, "trust-freshness", freshness,
		"how long verified trust data is not asked for again, 0s to 60s "+
			"($PORTIERIS_TRUST_FRESHNESS)")
	flags.DurationVar(&s.staleness, "trust-staleness", staleness,
		"for how long an earlier answer may stand in for a trust server that "+
			"gives none, 0s (never) to 24h ($PORTIERIS_TRUST_STALENESS)")
	flags.StringVar(&s.logLevel, "log-level",
		environment("PORTIERIS_LOG_LEVEL", "info"),
		"debug, info, warn or error ($PORTIERIS_LOG_LEVEL)")
	flags.StringVar(&s.listen, "listen", ":8000",
		"`address` of admission and health checks, by TLS")
	flags.StringVar(&s.metricsListen, "metrics-listen", ":8080",
		"`address` of the metrics, by plain HTTP")
	flags.StringVar(&s.certificateDir, "cert-dir", "/etc/certs",
		"`directory` of tls.crt, tls.key and, if there is one, ca.pem")
	flags.DurationVar(&s.linger, "linger", 5*time.Second,
		"how long to go on serving after being asked to stop")
	ignoreLogFlags(flags)
	if err := parse(flags, args, out); err != nil {
		return s, err
	}
	// IBM's image passes this one on from a shell that is not there.
	if rest := flags.Args(); len(rest) > 0 && rest[0] != "2>&1" {
		return s, usage("serve takes flags only, not %q", rest[0])
	}
	if s.freshness < 0 || s.freshness > maxFreshness {
		return s, usage("the trust freshness %s is not between 0s and %s",
			s.freshness, maxFreshness)
	}
	if s.staleness < 0 || s.staleness > maxStaleness {
		return s, usage("the trust staleness %s is not between 0s and %s",
			s.staleness, maxStaleness)
	}
	return s, nil
}

// newFlags is a set of flags that prints nothing by itself. The name may be
// followed by the arguments of the command.
func newFlags(name string) *flag.FlagSet {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Usage = func() {}
	return flags
}

// parse reads flags. It prints them only if -h asks for that, which is
// flag.ErrHelp; a mistake leaves the output to programs that read it.
func parse(flags *flag.FlagSet, args []string, out io.Writer) error {
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		_, _ = fmt.Fprintf(out, "portieris %s [FLAGS]\n\n", flags.Name())
		flags.SetOutput(out)
		flags.PrintDefaults()
		return err
	case err != nil:
		name, _, _ := strings.Cut(flags.Name(), " ")
		return usage("%w; portieris %s -h lists the flags", err, name)
	}
	return nil
}

// ignoreLogFlags accepts the flags of IBM's logging library, so that the
// arguments made for its image work for this one.
func ignoreLogFlags(flags *flag.FlagSet) {
	const text = "accepted for IBM's arguments, without effect"
	for _, name := range []string{"alsologtostderr", "logtostderr"} {
		flags.Bool(name, false, text)
	}
	for _, name := range []string{"log_backtrace_at", "log_dir", "log_link",
		"logbuflevel", "stderrthreshold", "v", "vmodule"} {
		flags.String(name, "", text)
	}
}

func environment(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

func durationFromEnvironment(name, otherwise string) (time.Duration, error) {
	value := environment(name, otherwise)
	duration, err := time.ParseDuration(value)
	if err != nil {
		return 0, usage("%s is %q, which is no duration such as 10s",
			name, value)
	}
	return duration, nil
}

func ownNamespace() string {
	if namespace := os.Getenv("PORTIERIS_NAMESPACE"); namespace != "" {
		return namespace
	}
	if content, err := os.ReadFile(accountNamespace); err == nil {
		return strings.TrimSpace(string(content))
	}
	return "portieris"
}

// exempts returns the function that tells which namespaces are exempt: those
// of the list and the server's own, which could otherwise never start again.
func (s settings) exempts() func(namespace string) bool {
	exempt := map[string]bool{s.namespace: true}
	for name := range strings.SplitSeq(s.exempt, ",") {
		if name = strings.TrimSpace(name); name != "" {
			exempt[name] = true
		}
	}
	return func(namespace string) bool { return exempt[namespace] }
}
