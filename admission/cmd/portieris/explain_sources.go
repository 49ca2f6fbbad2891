// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"k8s.io/client-go/rest"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/cluster"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/registry"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/tool"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/notary"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/signed"
)

// asking is where a command finds what it decides from.
type asking struct {
	kubeconfig string
	server     string // namespace of the admission server
	exempt     string
	ca         string
	policies   []string
}

func (a *asking) add(flags *flag.FlagSet) {
	flags.StringVar(&a.kubeconfig, "kubeconfig", "",
		"kubeconfig `file`; default: $KUBECONFIG, else the pod's own account")
	flags.StringVar(&a.server, "server-namespace", ownNamespace(),
		"`namespace` of the admission server, where root keys are pinned "+
			"($PORTIERIS_NAMESPACE)")
	flags.StringVar(&a.exempt, "exempt-namespaces",
		os.Getenv("PORTIERIS_EXEMPT_NAMESPACES"),
		"comma separated `namespaces` in which everything is admitted "+
			"($PORTIERIS_EXEMPT_NAMESPACES)")
	flags.StringVar(&a.ca, "ca-file", "",
		"PEM `file` of the certificate authorities of trust servers and "+
			"registries; default: /etc/certs/ca.pem, if there is one")
	flags.Func("policies", "`files` of policies in place of the cluster's, "+
		"- is the standard input; they may hold Secrets too",
		func(path string) error {
			a.policies = append(a.policies, path)
			return nil
		})
}

// connection is what a command decides from, and must be closed.
type connection struct {
	tool.Sources
	// cluster is nil if there is none.
	cluster *cluster.Cluster
	close   func()
}

// connect finds the policies, the cluster and the verifiers. Without a
// cluster the policies must come from files. The namespace is that of objects
// in files that name none.
func (a *asking) connect(ctx context.Context, namespace string,
	verify bool) (*connection, error) {
	c := &connection{close: func() {}}
	files, err := a.readFiles(namespace)
	if err != nil {
		return nil, err
	}
	if err := a.findCluster(c); err != nil {
		return nil, err
	}
	if err := a.fill(ctx, c, files, verify); err != nil {
		return nil, err
	}
	if !verify {
		return c, nil
	}
	return c, a.addVerifiers(c)
}

// readFiles returns nil if no files are given.
func (a *asking) readFiles(namespace string) (*tool.Snapshot, error) {
	if len(a.policies) == 0 {
		return nil, nil
	}
	files := tool.NewSnapshot()
	policies := 0
	for _, path := range a.policies {
		found, err := readFile(files, path, namespace)
		if err != nil {
			return nil, err
		}
		policies += found
	}
	if policies == 0 {
		return nil, fmt.Errorf("there is no ImagePolicy and no "+
			"ClusterImagePolicy in %q", a.policies)
	}
	return files, nil
}

func readFile(files *tool.Snapshot, path, namespace string) (
	found int, err error) {
	file := os.Stdin
	if path != "-" {
		if file, err = os.Open(path); err != nil {
			return 0, fmt.Errorf("cannot read the file: %w", err)
		}
		defer func() { err = errors.Join(err, file.Close()) }()
	}
	found, err = files.AddFile(io.LimitReader(file, 64<<20), namespace)
	if err != nil {
		return 0, fmt.Errorf("cannot use %s: %w; portieris lint tells more",
			path, err)
	}
	return found, nil
}

// findCluster leaves it out if none is known and files are given.
func (a *asking) findCluster(c *connection) error {
	config, err := cluster.Config(a.kubeconfig)
	if errors.Is(err, rest.ErrNotInCluster) && len(a.policies) > 0 {
		return nil
	}
	if errors.Is(err, rest.ErrNotInCluster) {
		return fmt.Errorf("%w; without one, give files by --policies", err)
	}
	if err != nil {
		return err
	}
	c.cluster, err = cluster.New(config, a.server)
	return err
}

// fill takes policies from the files if there are any, else from the cluster,
// and Secrets from both.
func (a *asking) fill(ctx context.Context, c *connection,
	files *tool.Snapshot, verify bool) error {
	exempt := settings{namespace: a.server, exempt: a.exempt}.exempts()
	c.Exempt = exempt
	var secrets tool.Layers
	policies := files
	if files != nil {
		secrets = append(secrets, files)
	}
	switch {
	case c.cluster != nil:
		skipped, err := c.cluster.SkippedNamespaces(ctx)
		if err != nil {
			return err
		}
		c.Exempt = func(name string) bool { return exempt(name) || skipped[name] }
		secrets = append(secrets, c.cluster)
	case !verify:
		standIns, err := tool.NewStandIns()
		if err != nil {
			return err
		}
		secrets = append(secrets, standIns)
	}
	if policies == nil {
		own, all, err := c.cluster.ListPolicies(ctx)
		if err != nil {
			return err
		}
		policies = tool.NewSnapshot()
		policies.AddPolicies(own, all)
	}
	c.Policies, c.Secrets = policies, secrets
	return nil
}

// addVerifiers makes the verifiers that the server has. What a trust server
// said is kept for as long as may be, since the command soon ends.
func (a *asking) addVerifiers(c *connection) error {
	transport := registry.New(registry.Options{})
	c.close = transport.CloseIdle
	path := a.ca
	if path == "" {
		path = filepath.Join("/etc/certs", "ca.pem")
	}
	pem, err := os.ReadFile(path)
	switch {
	case err == nil:
		if err := transport.SetCA(pem); err != nil {
			return fmt.Errorf("cannot use the certificate authorities of "+
				"%s: %w", path, err)
		}
	case a.ca != "" || !errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("cannot read the file: %w", err)
	}
	options := notary.Options{Transport: transport, Freshness: maxFreshness}
	if c.cluster != nil {
		options.Pins = c.cluster.Pins()
	}
	c.Trust = notary.New(options)
	c.Signatures = &signed.Verifier{Transport: transport}
	return nil
}
