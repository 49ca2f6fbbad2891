// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"opendev.org/starlingx/portieris-armada-app/lab/internal/enter"
	"opendev.org/starlingx/portieris-armada-app/lab/internal/image"
	"opendev.org/starlingx/portieris-armada-app/lab/internal/layout"
	"opendev.org/starlingx/portieris-armada-app/lab/internal/pki"
)

// images works from outside too: it runs itself again inside the lab, where
// the registry's address exists.
func images(fs *flag.FlagSet, args []string) error {
	if len(args) == 0 {
		return errors.New("usage: lab image push|sample|manifest REF")
	}
	tarFile := fs.String("tar", "", "image as a tar file")
	text := fs.String("text", "", "the line that the sample image prints")
	d, err := parse(fs, args[1:])
	if err != nil {
		return err
	}
	if fs.NArg() != 1 {
		return fmt.Errorf("'image %s' needs one image reference", args[0])
	}
	state, err := d.LoadState()
	if err != nil {
		return err
	}
	if !state.Init.InOwnNamespace() {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		argv := append([]string{self, "image", args[0], "--dir", string(d)}, args[1:]...)
		return enter.Exec(d, argv)
	}
	cfg, err := d.LoadConfig()
	if err != nil {
		return err
	}
	to := image.Registry{CAFile: d.CA(), User: layout.RegistryUser,
		Password: cfg.RegistryPassword}
	switch args[0] {
	case "push":
		return pushFile(to, *tarFile, fs.Arg(0))
	case "sample":
		img, err := image.Sample(filepath.Join(cfg.Bin, "sample"), *text)
		if err != nil {
			return err
		}
		return push(to, fs.Arg(0), img)
	case "manifest":
		return printManifest(to, fs.Arg(0))
	}
	return fmt.Errorf("there is no 'image %s': use push, sample or manifest", args[0])
}

func pushFile(to image.Registry, file, ref string) error {
	if file == "" {
		return errors.New("'image push' needs --tar FILE")
	}
	img, closeImage, err := image.FromFile(file)
	if err != nil {
		return err
	}
	defer closeImage()
	return push(to, ref, img)
}

func push(to image.Registry, ref string, img v1.Image) error {
	digest, err := to.Push(ref, img)
	if err != nil {
		return err
	}
	fmt.Println(digest)
	return nil
}

func printManifest(to image.Registry, ref string) error {
	digest, size, err := to.Manifest(ref)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{
		"digest": digest, "size": size})
}

// keys makes a signer's key pair.
func keys(fs *flag.FlagSet, args []string) error {
	if _, err := parse(fs, args); err != nil {
		return err
	}
	if fs.NArg() != 1 {
		return errors.New("'keys' needs the path of the pair without its ending")
	}
	private, public, err := pki.KeyPair()
	if err != nil {
		return err
	}
	if err := os.WriteFile(fs.Arg(0)+".key", private, 0o600); err != nil {
		return err
	}
	return os.WriteFile(fs.Arg(0)+".pub", public, 0o644)
}
