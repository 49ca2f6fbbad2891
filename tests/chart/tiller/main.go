// SPDX-License-Identifier: Apache-2.0

// Command tiller renders a chart with the engine of Helm 2, as the armada of
// StarlingX up to 8.0 does. Values come from standard input; the arguments
// are the folder of the chart, the version of Kubernetes, and the API
// versions that the cluster serves.
package main

import (
	"fmt"
	"io"
	"os"

	"k8s.io/helm/pkg/chartutil"
	"k8s.io/helm/pkg/proto/hapi/chart"
	"k8s.io/helm/pkg/renderutil"
)

func main() {
	if err := render(os.Args[1], os.Args[2], os.Args[3:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func render(folder, kubernetes string, apis []string) error {
	loaded, err := chartutil.Load(folder)
	if err != nil {
		return err
	}
	values, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	files, err := renderutil.Render(loaded, &chart.Config{Raw: string(values)}, renderutil.Options{
		ReleaseOptions: chartutil.ReleaseOptions{Name: "portieris-portieris", Namespace: "portieris", IsInstall: true},
		KubeVersion:    kubernetes,
		APIVersions:    apis,
	})
	if err != nil {
		return err
	}
	delete(files, "portieris/templates/NOTES.txt")
	for name, text := range files {
		fmt.Printf("---\n# Source: %s\n%s\n", name, text)
	}
	return nil
}
