// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"fmt"
	"io"
	"log/slog"

	"k8s.io/klog/v2"
)

// NewLog makes the server's log, one JSON object a line, and lets the
// Kubernetes client write to it too. The level is one of debug, info, warn
// and error.
func NewLog(to io.Writer, level string) (*slog.Logger, error) {
	var minimum slog.Level
	switch level {
	case "debug", "info", "warn", "error":
		if err := minimum.UnmarshalText([]byte(level)); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("the log level %q is none of debug, info, "+
			"warn and error", level)
	}
	log := slog.New(slog.NewJSONHandler(to, &slog.HandlerOptions{
		Level: minimum,
	}))
	klog.SetSlogLogger(log.With("part", "kubernetes client"))
	return log, nil
}
