// SPDX-License-Identifier: Apache-2.0

// Command bench measures the admission server with the real parts around it:
// a Kubernetes API server, a trust server with its token service, and a delay
// before both. Times depend on the machine, so each is also given as a
// multiple of one bare request to the trust server in the same run.
package main

import (
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

func main() {
	programs := flag.String("programs", "build/bin", "folder with kube, notary-server, notary-sign and portieris")
	crds := flag.String("crds", "stx-portieris-helm/helm-charts/portieris/crds", "folder with the policy CRDs")
	checks := flag.Int("checks", 100000, "checks of the endurance run")
	policies := flag.Int("policies", 1000, "policies of the run with many")
	images := flag.Int("images", 10000, "images of the run with many")
	flag.Parse()
	if err := run(*programs, *crds, *checks, *policies, *images); err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(1)
	}
}

func run(programs, crds string, checks, policies, manyImages int) error {
	for _, name := range []string{"kube", "notary-server", "notary-sign", "portieris"} {
		if _, err := os.Stat(filepath.Join(programs, name)); err != nil {
			return fmt.Errorf("%s is not in %s: run make lab once, which builds what is missing", name, programs)
		}
	}
	dir, err := os.MkdirTemp("", "bench-*")
	if err != nil {
		return err
	}
	p := &parts{programs: programs, dir: dir}
	defer p.stop()
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-interrupted
		os.RemoveAll(dir) // the programs end with this process
		os.Exit(130)
	}()
	fmt.Println("starting the API server and the trust server ...")
	if err := p.makeAuthority(); err != nil {
		return err
	}
	if err := p.startTrust(); err != nil {
		return err
	}
	if err := p.startKube(crds); err != nil {
		return err
	}
	b := &bench{parts: p}
	const images = 64
	fmt.Printf("signing %d images ...\n", images)
	for i := range images {
		image := fmt.Sprintf("%s/bench/app%d", registry, i)
		if err := p.sign(image, fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(image)))); err != nil {
			return err
		}
		b.images = append(b.images, image)
	}
	if b.token, err = p.token(b.images[0]); err != nil {
		return err
	}
	return b.all(checks, policies, manyImages)
}

// bench is one run; each measurement prints a line.
type bench struct {
	*parts
	images []string
	next   int // the first image nothing was asked about yet
	token  string
	unit   time.Duration // one bare request with the delay now set
}

func (b *bench) all(checks, policies, images int) error {
	fmt.Printf("\n%-52s %10s %8s %10s\n", "", "median", "x bare", "requests")
	for _, roundTrip := range []time.Duration{0, 50 * time.Millisecond} {
		b.trust.set(roundTrip)
		b.tokens.set(roundTrip)
		fmt.Printf("round trip to the trust server %s\n", roundTrip)
		samples := 200
		if roundTrip > 0 {
			samples = 20
		}
		if err := b.latencies(samples); err != nil {
			return err
		}
	}
	b.trust.set(0)
	b.tokens.set(0)
	fmt.Printf("\nround trip 0, %d clients\n", clients)
	for _, freshness := range []time.Duration{0, time.Minute} {
		if err := b.throughput(freshness); err != nil {
			return err
		}
	}
	if err := b.endurance(checks); err != nil {
		return err
	}
	return b.crowd(policies, images)
}

func (b *bench) latencies(samples int) error {
	warmUp := func() error { return b.bare(b.images[0], b.token) }
	if err := warmUp(); err != nil {
		return err
	}
	var err error
	if b.unit, err = median(samples, func(int) error { return warmUp() }); err != nil {
		return err
	}
	fmt.Printf("  %-50s %10s %8.2f %10d\n", "one bare request", short(b.unit), 1.0, 1)
	if err := b.startServer(0); err != nil {
		return err
	}
	one, ten := b.images[:1], b.images[:10]
	if err := b.review(one...); err != nil {
		return err
	}
	if err := b.line("warm, one image", samples, func(int) error { return b.review(one...) }); err != nil {
		return err
	}
	if err := b.review(ten...); err != nil {
		return err
	}
	if err := b.line("warm, a pod of ten images", samples, func(int) error { return b.review(ten...) }); err != nil {
		return err
	}
	cold := 10
	fresh := b.images[b.next+10 : b.next+10+cold]
	if err := b.line("first sight of an image, server known", cold, func(i int) error { return b.review(fresh[i]) }); err != nil {
		return err
	}
	b.next += cold
	burst := b.images[b.next+10]
	b.next++
	if err := b.burst(burst); err != nil {
		return err
	}
	if err := b.startServer(10 * time.Second); err != nil {
		return err
	}
	if err := b.line("first sight, server unknown", 1, func(int) error { return b.review(one...) }); err != nil {
		return err
	}
	if err := b.line("within the freshness window, one image", samples, func(int) error { return b.review(one...) }); err != nil {
		return err
	}
	if err := b.review(ten...); err != nil {
		return err
	}
	return b.line("within the freshness window, a pod of ten", samples, func(int) error { return b.review(ten...) })
}

// line measures one thing and prints its median and the requests for each.
func (b *bench) line(what string, samples int, run func(int) error) error {
	before, err := b.asked()
	if err != nil {
		return err
	}
	took, err := median(samples, run)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	after, err := b.asked()
	if err != nil {
		return err
	}
	fmt.Printf("  %-50s %10s %8.2f %10.2f\n", what, short(took),
		took.Seconds()/b.unit.Seconds(), float64(after-before)/float64(samples))
	return nil
}

// burst asks about fifty objects of one new image at once.
func (b *bench) burst(image string) error {
	const objects = 50
	before, err := b.asked()
	if err != nil {
		return err
	}
	failures := make(chan error, objects)
	started := time.Now()
	var all sync.WaitGroup
	for range objects {
		all.Go(func() {
			if err := b.review(image); err != nil {
				failures <- err
			}
		})
	}
	all.Wait()
	took := time.Since(started)
	select {
	case err := <-failures:
		return err
	default:
	}
	after, err := b.asked()
	if err != nil {
		return err
	}
	fmt.Printf("  %-50s %10s %8.2f %10d\n", "fifty objects of one new image at once, all of them",
		short(took), took.Seconds()/b.unit.Seconds(), after-before)
	return nil
}

// clients is how many ask at the same time where speed is measured. They
// share the processors with the server, the trust server and the API server.
const clients = 4

func (b *bench) throughput(freshness time.Duration) error {
	if err := b.startServer(freshness); err != nil {
		return err
	}
	if err := b.review(b.images[0]); err != nil {
		return err
	}
	return b.speed("freshness " + freshness.String())
}

// speed prints how many reviews of one image are answered a second, and how
// many Secrets and ServiceAccounts are read for them.
func (b *bench) speed(what string) error {
	bare, err := rate(clients, 2*time.Second, func() error { return b.bare(b.images[0], b.token) })
	if err != nil {
		return err
	}
	before, err := b.askedKube()
	if err != nil {
		return err
	}
	got, err := rate(clients, 3*time.Second, func() error { return b.review(b.images[0]) })
	if err != nil {
		return err
	}
	after, err := b.askedKube()
	if err != nil {
		return err
	}
	fmt.Printf("  %-34s %6.0f reviews/s, %.2f of the bare requests/s (%.0f), %d reads from Kubernetes\n",
		what, got, got/bare, bare, after-before)
	return nil
}

// state is what must not grow.
type state struct{ files, goroutines, kilobytes int }

func (s state) String() string {
	return fmt.Sprintf("%d open files, %d goroutines, %.1f MB", s.files, s.goroutines, float64(s.kilobytes)/1024)
}

func (b *bench) state() (s state, err error) {
	if s.goroutines, err = b.goroutines(); err != nil {
		return s, err
	}
	s.files, s.kilobytes, err = b.usage()
	return s, err
}

func (b *bench) print(when string) error {
	now, err := b.state()
	if err == nil {
		fmt.Printf("  %-34s %s\n", when, now)
	}
	return err
}

// endurance checks that nothing grows.
func (b *bench) endurance(checks int) error {
	fmt.Println("\nwhat the server holds")
	if err := b.startServer(0); err != nil {
		return err
	}
	if err := b.print("idle"); err != nil {
		return err
	}
	for _, until := range []int{1, checks / 4, checks} {
		if err := b.checks(until); err != nil {
			return err
		}
		if err := b.print(fmt.Sprintf("after %d checks more", until)); err != nil {
			return err
		}
	}
	return nil
}

// checks makes that many checks, each with a request to the trust server.
func (b *bench) checks(count int) error {
	return share(count, func(i int) error { return b.review(b.images[i%10]) })
}

// share runs the numbers below count with several clients.
func share(count int, run func(i int) error) error {
	failures := make(chan error, clients)
	var next atomic.Int64
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for i := next.Add(1) - 1; i < int64(count); i = next.Add(1) - 1 {
				if err := run(int(i)); err != nil {
					failures <- err
					return
				}
			}
		})
	}
	all.Wait()
	close(failures)
	return <-failures
}

// crowd looks at a server with many policies, all of which may judge an
// image, that has seen many images.
func (b *bench) crowd(policies, images int) error {
	server, err := b.startForged()
	if err != nil {
		return err
	}
	entry := many + "*"
	for i := range policies {
		if err := b.createPolicy(fmt.Sprintf("crowd-%d", i), entry, server); err != nil {
			return err
		}
		entry = fmt.Sprintf("%s/other%d/*", registry, i)
	}
	if err := b.startServer(10 * time.Second); err != nil {
		return err
	}
	if err := b.print(fmt.Sprintf("with %d policies", policies)); err != nil {
		return err
	}
	started := time.Now()
	const each = 10
	err = share(images/each, func(i int) error {
		pod := make([]string, each)
		for k := range pod {
			pod[k] = fmt.Sprintf("%sapp%d", many, i*each+k)
		}
		return b.review(pod...)
	})
	if err != nil {
		return err
	}
	took := time.Since(started)
	if err := b.print(fmt.Sprintf("and %d images seen", images)); err != nil {
		return err
	}
	fmt.Printf("  each seen for the first time in    %s, with its root recorded\n", short(took/time.Duration(images)))
	if err := b.review(b.images[0]); err != nil {
		return err
	}
	return b.speed("freshness 10s, so many policies")
}

func short(d time.Duration) string {
	return fmt.Sprintf("%.2f ms", float64(d.Microseconds())/1000)
}
