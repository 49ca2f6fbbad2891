// SPDX-License-Identifier: Apache-2.0

// Command cm runs cert-manager's controllers and cainjector, composed of its public packages.
// Flags that it does not know are ignored, so that the chart's arguments can stay.
package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	admissionreg "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apiext "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	apireg "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	cmapi "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	"github.com/cert-manager/cert-manager/pkg/controller"
	"github.com/cert-manager/cert-manager/pkg/controller/cainjector"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/approver"
	crca "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/ca"
	crself "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/selfsigned"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/issuing"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/keymanager"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/readiness"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/requestmanager"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/revisionmanager"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/trigger"
	_ "github.com/cert-manager/cert-manager/pkg/controller/clusterissuers"
	_ "github.com/cert-manager/cert-manager/pkg/controller/issuers"
	_ "github.com/cert-manager/cert-manager/pkg/issuer/ca"
	_ "github.com/cert-manager/cert-manager/pkg/issuer/selfsigned"
	logf "github.com/cert-manager/cert-manager/pkg/logs"
)

var _ = crca.CRControllerName
var _ = crself.CRControllerName

func fatal(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "cm:", err)
		os.Exit(1)
	}
}

func main() {
	mode := filepath.Base(os.Args[0])
	args := os.Args[1:]
	if mode != "controller" && mode != "cainjector" && len(args) > 0 {
		mode, args = args[0], args[1:]
	}
	fs := flag.NewFlagSet(mode, flag.ExitOnError)
	kubeconfig := fs.String("kubeconfig", "", "")
	ns := fs.String("cluster-resource-namespace", "cert-manager", "")
	addr := fs.String("healthz-listen-address", "0.0.0.0:9403", "")
	klog.InitFlags(fs)
	var known []string
	for _, a := range args {
		n := strings.TrimLeft(strings.SplitN(a, "=", 2)[0], "-")
		if fs.Lookup(n) != nil {
			known = append(known, a)
		}
	}
	fs.Parse(known)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	log := klog.Background()
	ctx = logf.NewContext(ctx, log)
	ctrl.SetLogger(log)
	if *addr != "" {
		go http.ListenAndServe(*addr, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "ok") }))
	}
	switch mode {
	case "controller":
		fatal(controllers(ctx, *kubeconfig, *ns))
	case "cainjector":
		fatal(injector(ctx, *kubeconfig))
	default:
		fatal(fmt.Errorf("no mode %q", mode))
	}
}

func controllers(ctx context.Context, kubeconfig, ns string) error {
	f, err := controller.NewContextFactory(ctx, controller.ContextOptions{
		Kubeconfig:         kubeconfig,
		KubernetesAPIQPS:   100,
		KubernetesAPIBurst: 200,
		IssuerOptions:      controller.IssuerOptions{ClusterResourceNamespace: ns},
	})
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	for name, mk := range controller.Known() {
		c, err := mk(f)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		wg.Add(1)
		go func() {
			defer wg.Done()
			klog.InfoS("starting", "controller", name)
			fatal(c.Run(5, ctx))
		}()
	}
	c, err := f.Build()
	if err != nil {
		return err
	}
	c.SharedInformerFactory.Start(ctx.Done())
	c.KubeSharedInformerFactory.Start(ctx.Done())
	wg.Wait()
	return nil
}

func injector(ctx context.Context, kubeconfig string) error {
	var cfg *rest.Config
	var err error
	if kubeconfig != "" {
		cfg, err = clientcmd.BuildConfigFromFlags("", kubeconfig)
	} else {
		cfg, err = rest.InClusterConfig()
	}
	if err != nil {
		return err
	}
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, admissionreg.AddToScheme, apiext.AddToScheme, apireg.AddToScheme, cmapi.AddToScheme} {
		if err := add(s); err != nil {
			return err
		}
	}
	m, err := ctrl.NewManager(cfg, ctrl.Options{Scheme: s, Metrics: metricsserver.Options{BindAddress: "0"},
		Client: client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}}}}})
	if err != nil {
		return err
	}
	err = cainjector.RegisterAllInjectors(ctx, m, cainjector.SetupOptions{EnableCertificatesDataSource: true, EnabledReconcilersFor: map[string]bool{
		cainjector.MutatingWebhookConfigurationName: true, cainjector.ValidatingWebhookConfigurationName: true, cainjector.APIServiceName: true, cainjector.CustomResourceDefinitionName: true}})
	if err != nil {
		return err
	}
	return m.Start(ctx)
}
