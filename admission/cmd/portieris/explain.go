// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/decision"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/tool"
)

// decisionBudget is the time that a decision about one image has, as it has
// in a review with the chart's timeoutSeconds.
const decisionBudget = 9 * time.Second

// readBudget is the time to read the policies.
const readBudget = 30 * time.Second

// explainCommand decides about one image and tells how. It fails if the image
// would be denied.
func explainCommand(args []string, out io.Writer) error {
	var asking asking
	flags := newFlags("explain IMAGE")
	asking.add(flags)
	workload := decision.Workload{}
	flags.StringVar(&workload.Namespace, "namespace", "default",
		"`namespace` in which the image would run")
	flags.StringVar(&workload.ServiceAccount, "service-account", "default",
		"ServiceAccount `name` of the pod, whose pull secrets count")
	flags.Func("pull-secret", "`name` of a pull secret of the pod; may be "+
		"given several times", func(name string) error {
		workload.PullSecrets = append(workload.PullSecrets, name)
		return nil
	})
	verify := flags.Bool("verify", true,
		"ask trust servers and registries; --no-verify does not")
	flags.BoolFunc("no-verify", "ask no trust server and no registry",
		func(string) error { *verify = false; return nil })
	format := flags.String("o", "text", "`format`: text or json")
	images, err := asking.parse(flags, args, out)
	switch {
	case err != nil:
		return err
	case len(images) != 1:
		return usage("explain needs one image, first: portieris explain "+
			"IMAGE --namespace NAMESPACE; it got %q", images)
	case *format != "text" && *format != "json":
		return usage("the format %q is none of text and json", *format)
	}
	ctx, stop := signal.NotifyContext(context.Background(),
		syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	explanation, err := explain(ctx, asking, workload, images[0], *verify)
	if err != nil {
		return usageError{err}
	}
	if err := printExplanation(explanation, *format, out); err != nil {
		return err
	}
	if explanation.Result == tool.Denied {
		return fmt.Errorf("the image is denied [%s]", explanation.Reason.Code)
	}
	return nil
}

func explain(ctx context.Context, asking asking, workload decision.Workload,
	image string, verify bool) (tool.Explanation, error) {
	reading, cancel := context.WithTimeout(ctx, readBudget)
	defer cancel()
	connected, err := asking.connect(reading, workload.Namespace, verify)
	if err != nil {
		return tool.Explanation{}, err
	}
	defer connected.close()
	deciding, cancel := context.WithTimeout(ctx, decisionBudget)
	defer cancel()
	explanation := tool.Explain(deciding, connected.Sources, workload, image)
	if ctx.Err() != nil {
		return explanation, errors.New("interrupted before a decision")
	}
	return explanation, nil
}

func printExplanation(explanation tool.Explanation, format string,
	out io.Writer) error {
	if format == "text" {
		return explanation.Text(out)
	}
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(explanation)
}

// parse reads flags and arguments in any order, so that the image may come
// first, and lets --policies take several files.
func (a *asking) parse(flags *flag.FlagSet, args []string, out io.Writer) (
	rest []string, err error) {
	args, err = spread(args)
	if err != nil {
		return nil, err
	}
	for {
		if err := parse(flags, args, out); err != nil {
			return nil, err
		}
		if flags.NArg() == 0 {
			return rest, nil
		}
		rest = append(rest, flags.Arg(0))
		args = flags.Args()[1:]
	}
}

// spread gives every file that follows --policies a flag of its own.
func spread(args []string) (spread []string, err error) {
	isFlag := func(arg string) bool {
		return strings.HasPrefix(arg, "-") && arg != "-"
	}
	following := false
	for i, arg := range args {
		switch {
		case arg == "--policies" || arg == "-policies":
			if i+1 == len(args) || isFlag(args[i+1]) {
				return nil, usage("--policies needs a file; - is the " +
					"standard input")
			}
			following = true
			continue
		case isFlag(arg):
			following = false
		case following:
			arg = "--policies=" + arg
		}
		spread = append(spread, arg)
	}
	return spread, nil
}
