// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/embed"
)

// etcdCommand is an etcd of one member for tests: no fsync, one Unix-domain or loopback address.
func etcdCommand() *cobra.Command {
	var dir, client, peer string
	c := &cobra.Command{Use: "etcd", SilenceUsage: true, RunE: func(*cobra.Command, []string) error {
		cfg := embed.NewConfig()
		cfg.Dir = dir
		cfg.UnsafeNoFsync = true
		cfg.LogLevel = "warn"
		cfg.WarningUnaryRequestDuration = time.Second
		cu, err := url.Parse(client)
		if err != nil {
			return err
		}
		pu, err := url.Parse(peer)
		if err != nil {
			return err
		}
		cfg.ListenClientUrls, cfg.AdvertiseClientUrls = []url.URL{*cu}, []url.URL{*cu}
		cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = []url.URL{*pu}, []url.URL{*pu}
		cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
		e, err := embed.StartEtcd(cfg)
		if err != nil {
			return err
		}
		defer e.Close()
		sig := make(chan os.Signal, 1)
		signal.Notify(sig, syscall.SIGTERM, syscall.SIGINT)
		select {
		case <-e.Server.ReadyNotify():
			fmt.Fprintln(os.Stderr, "etcd: ready")
		case err := <-e.Err():
			return err
		}
		select {
		case <-sig:
			return nil
		case err := <-e.Err():
			return err
		}
	}}
	c.Flags().StringVar(&dir, "data-dir", "etcd", "where the data lie")
	c.Flags().StringVar(&client, "client-url", "http://127.0.0.1:2379", "address for clients")
	c.Flags().StringVar(&peer, "peer-url", "http://127.0.0.1:2380", "address for members")
	return c
}
