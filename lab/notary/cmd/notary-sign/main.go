// SPDX-License-Identifier: Apache-2.0

// Command notary-sign publishes trust data: what the lab and the tests need
// to make tags signed, unsigned, expired or rotated. Its -h lists the verbs.
// The password is read from the environment variable NOTARY_PASSWORD.
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"opendev.org/starlingx/portieris-armada-app/lab/notary/internal/signing"
)

const verbs = `init GUN                      create the repository
sign GUN TAG DIGEST [ROLE...] sign a tag, in targets if no role is given
remove GUN TAG [ROLE...]      take a tag out
key GUN ROLE                  make a key for a role, print its public half
delegate GUN ROLE FILE...     make the keys in the files those of the role
rotate GUN ROLE               replace the key of root, targets or snapshot
delete GUN                    remove the repository from the server`

func main() {
	var c signing.Config
	var expire, paths []string
	var serverSnapshot, certificate bool
	flag.StringVar(&c.Server, "server", "", "URL of the trust server")
	flag.StringVar(&c.CAFile, "ca", "", "PEM file with the CA of the trust server")
	flag.StringVar(&c.Dir, "dir", "", "folder for keys and state")
	flag.StringVar(&c.User, "user", "", "user name")
	flag.BoolVar(&serverSnapshot, "server-snapshot", false, "init: let the server sign the snapshot")
	flag.BoolVar(&certificate, "certificate", false, "key: print a certificate rather than a bare key")
	flag.Func("expire", "ROLE=DURATION: how long what is signed now is valid; may be repeated",
		func(text string) error { expire = append(expire, text); return nil })
	flag.StringVar(&c.Realm, "realm", "", "ask this token service rather than the one the server names")
	flag.Func("path", "delegate: a prefix of the tags the role may sign (default: all); may be repeated",
		func(text string) error { paths = append(paths, text); return nil })
	flag.Usage = func() {
		fmt.Fprintf(flag.CommandLine.Output(), "usage: notary-sign [FLAG...] VERB GUN ...\n%s\n", verbs)
		flag.PrintDefaults()
	}
	flag.Parse()
	c.Password = os.Getenv("NOTARY_PASSWORD")
	logrus.SetLevel(logrus.ErrorLevel)
	for _, text := range expire {
		role, value, _ := strings.Cut(text, "=")
		after, err := time.ParseDuration(value)
		if err != nil {
			usage(fmt.Sprintf("--expire %s: the form is ROLE=DURATION", text))
		}
		signing.Expire(role, after)
	}
	if c.Server == "" || c.Dir == "" || flag.NArg() < 2 {
		usage("--server, --dir, a verb and a repository are needed")
	}
	if err := run(c, flag.Args(), paths, serverSnapshot, certificate); err != nil {
		fmt.Fprintf(os.Stderr, "notary-sign: %v\n", err)
		os.Exit(1)
	}
}

func run(c signing.Config, args, paths []string, serverSnapshot, certificate bool) error {
	verb, gun, rest := args[0], args[1], args[2:]
	signer, err := signing.Open(c, gun)
	if err != nil {
		return err
	}
	switch {
	case verb == "init" && len(rest) == 0:
		return signer.Init(serverSnapshot)
	case verb == "sign" && len(rest) >= 2:
		return signer.Sign(rest[0], rest[1], rest[2:]...)
	case verb == "remove" && len(rest) >= 1:
		return signer.Remove(rest[0], rest[1:]...)
	case verb == "key" && len(rest) == 1:
		public, err := signer.Key(rest[0], certificate)
		if err == nil {
			_, err = os.Stdout.Write(public)
		}
		return err
	case verb == "delegate" && len(rest) >= 2:
		var keys [][]byte
		for _, path := range rest[1:] {
			key, err := os.ReadFile(path)
			if err != nil {
				return fmt.Errorf("read a public key: %w", err)
			}
			keys = append(keys, key)
		}
		return signer.Delegate(rest[0], paths, keys...)
	case verb == "rotate" && len(rest) == 1:
		return signer.Rotate(rest[0])
	case verb == "delete" && len(rest) == 0:
		return signer.Delete()
	}
	usage(fmt.Sprintf("%q does not fit; notary-sign -h lists the verbs", strings.Join(args, " ")))
	return nil
}

func usage(sentence string) {
	fmt.Fprintf(os.Stderr, "notary-sign: %s\n", sentence)
	os.Exit(2)
}
