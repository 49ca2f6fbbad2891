// SPDX-License-Identifier: Apache-2.0

// Command labnode is the lab's one program of its own: it starts and ends the
// lab from outside, is process 1 and the node inside, enters it, and carries
// images into its registry.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"opendev.org/starlingx/portieris-armada-app/lab/internal/control"
	"opendev.org/starlingx/portieris-armada-app/lab/internal/enter"
	"opendev.org/starlingx/portieris-armada-app/lab/internal/launch"
	"opendev.org/starlingx/portieris-armada-app/lab/internal/node"
	"opendev.org/starlingx/portieris-armada-app/lab/internal/statedir"
)

const usage = `usage: labnode VERB [--dir DIR] ...
  up       --checkout DIR --cert-manager FILE [--keep-logs DIR] [--ipv6]
  down
  status   [-o json]                exit code 3 when the lab is not up
  exec     -- COMMAND [ARGUMENT...]
  service  stop|start|pause|resume NAME
  image    push --tar FILE REF | sample [--text LINE] REF | manifest REF
  keys     BASE                     new key pair in BASE.key and BASE.pub
`

// exitNotUp is the exit code of 'status' when no lab is up.
const exitNotUp = 3

var verbs = map[string]func(*flag.FlagSet, []string) error{
	"up": up, "down": down, "status": status, "exec": run,
	"service": service, "image": images, "keys": keys,
	"init": initialise, "node": inside,
}

var dir *string

func main() {
	if len(os.Args) < 2 || verbs[os.Args[1]] == nil {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	fs := flag.NewFlagSet("labnode "+os.Args[1], flag.ExitOnError)
	fs.Usage = func() { fmt.Fprint(os.Stderr, usage) }
	preset := os.Getenv("PORTIERIS_LAB_DIR")
	if preset == "" {
		preset = "/var/tmp/portieris-lab"
	}
	dir = fs.String("dir", preset, "the lab's directory")
	if err := verbs[os.Args[1]](fs, os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		os.Exit(1)
	}
}

// parse reads the flags and checks the directory.
func parse(fs *flag.FlagSet, args []string) (statedir.Dir, error) {
	if err := fs.Parse(args); err != nil {
		return "", err
	}
	return statedir.At(*dir)
}

func up(fs *flag.FlagSet, args []string) error {
	checkout := fs.String("checkout", ".", "the repository")
	certManager := fs.String("cert-manager", "", "manifest of cert-manager")
	keepLogs := fs.String("keep-logs", "", "where the logs of a failed start go")
	ipv6 := fs.Bool("ipv6", false, "IPv6 addresses only")
	d, err := parse(fs, args)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	root, err := filepath.Abs(*checkout)
	if err != nil {
		return err
	}
	manifest, err := filepath.Abs(*certManager)
	if err != nil {
		return err
	}
	return launch.Up(d, statedir.Config{Bin: filepath.Dir(self),
		Checkout: root, CertManager: manifest, IPv6: *ipv6}, *keepLogs)
}

func down(fs *flag.FlagSet, args []string) error {
	d, err := parse(fs, args)
	if err != nil {
		return err
	}
	return launch.Down(d)
}

func status(fs *flag.FlagSet, args []string) error {
	format := fs.String("o", "", "json for programs")
	d, err := parse(fs, args)
	if err != nil {
		return err
	}
	s, err := launch.Inspect(d)
	if err != nil {
		return err
	}
	if err := s.Print(*format == "json"); err != nil {
		return err
	}
	if !s.Up() {
		os.Exit(exitNotUp)
	}
	return nil
}

func run(fs *flag.FlagSet, args []string) error {
	d, err := parse(fs, args)
	if err != nil {
		return err
	}
	if fs.NArg() == 0 {
		return errors.New("exec needs a command: lab exec -- COMMAND")
	}
	return enter.Exec(d, fs.Args())
}

func service(fs *flag.FlagSet, args []string) error {
	d, err := parse(fs, args)
	if err != nil {
		return err
	}
	if fs.NArg() != 2 {
		return errors.New("usage: lab service stop|start|pause|resume NAME")
	}
	s, err := launch.Inspect(d)
	if err != nil {
		return err
	}
	if !s.Up() {
		return enter.ErrDown
	}
	_, err = control.Ask(d.Control(),
		control.Request{Order: fs.Arg(0), Service: fs.Arg(1)})
	return err
}

func initialise(fs *flag.FlagSet, args []string) error {
	d, err := parse(fs, args)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	os.Exit(node.Init(self, string(d)))
	return nil
}

func inside(fs *flag.FlagSet, args []string) error {
	d, err := parse(fs, args)
	if err != nil {
		return err
	}
	return node.Run(d)
}
