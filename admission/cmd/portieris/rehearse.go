// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/tool"
)

// rehearseCommand judges every pod that runs, and fails if one of them could
// not be made again.
func rehearseCommand(args []string, out io.Writer) error {
	var asking asking
	flags := newFlags("rehearse")
	asking.add(flags)
	namespace := flags.String("namespace", "",
		"`namespace` whose pods are judged; default: all")
	format := flags.String("o", "text", "`format`: text, json or csv")
	rest, err := asking.parse(flags, args, out)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return usage("rehearse takes flags only, not %q", rest[0])
	}
	if *format != "text" && *format != "json" && *format != "csv" {
		return usage("the format %q is none of text, json and csv", *format)
	}
	ctx, stop := signal.NotifyContext(context.Background(),
		syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	report, err := rehearse(ctx, asking, *namespace)
	if err != nil {
		return usageError{err}
	}
	if err := printReport(report, *format, out); err != nil {
		return err
	}
	if report.Denied > 0 {
		return fmt.Errorf("%d of %s would be denied", report.Denied,
			tool.Counted(report.Images, "image"))
	}
	return nil
}

func rehearse(ctx context.Context, asking asking, namespace string) (
	tool.Rehearsal, error) {
	connected, err := asking.connect(ctx, namespace, true)
	if err != nil {
		return tool.Rehearsal{}, err
	}
	defer connected.close()
	if connected.cluster == nil {
		return tool.Rehearsal{}, errors.New("rehearse needs a cluster whose " +
			"pods it judges: give --kubeconfig or set KUBECONFIG")
	}
	pods := tool.NewPods(connected.Exempt)
	if err := connected.cluster.Pods(ctx, namespace, pods.Add); err != nil {
		return tool.Rehearsal{}, err
	}
	progress := &tool.Progress{Out: os.Stderr, Terminal: terminal(os.Stderr)}
	report, err := tool.Rehearse(ctx, connected.Sources, pods, progress.At)
	if err != nil {
		return report, errors.New("interrupted before all images were judged")
	}
	return report, nil
}

func printReport(report tool.Rehearsal, format string, out io.Writer) error {
	switch format {
	case "json":
		encoder := json.NewEncoder(out)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		return encoder.Encode(report)
	case "csv":
		return report.CSV(out)
	default:
		return report.Text(out)
	}
}

// terminal tells whether somebody looks on.
func terminal(file *os.File) bool {
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
