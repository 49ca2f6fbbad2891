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
	"syscall"
	"time"
)

func main() {
	programs := flag.String("programs", "build/bin", "folder with kube, notary-server, notary-sign and portieris")
	crds := flag.String("crds", "stx-portieris-helm/helm-charts/portieris/crds", "folder with the policy CRDs")
	checks := flag.Int("checks", 5000, "checks of the endurance run")
	flag.Parse()
	if err := run(*programs, *crds, *checks); err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(1)
	}
}

func run(programs, crds string, checks int) error {
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
	return b.all(checks)
}

// bench is one run; each measurement prints a line.
type bench struct {
	*parts
	images []string
	next   int // the first image nothing was asked about yet
	token  string
	unit   time.Duration // one bare request with the delay now set
}

func (b *bench) all(checks int) error {
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
	fmt.Printf("\nround trip 0, %d clients\n", 4)
	for _, freshness := range []time.Duration{0, time.Minute} {
		if err := b.throughput(freshness); err != nil {
			return err
		}
	}
	return b.endurance(checks)
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

func (b *bench) throughput(freshness time.Duration) error {
	if err := b.startServer(freshness); err != nil {
		return err
	}
	if err := b.review(b.images[0]); err != nil {
		return err
	}
	bare, err := rate(4, 2*time.Second, func() error { return b.bare(b.images[0], b.token) })
	if err != nil {
		return err
	}
	got, err := rate(4, 3*time.Second, func() error { return b.review(b.images[0]) })
	if err != nil {
		return err
	}
	fmt.Printf("  freshness %-8s %24.0f reviews/s, %.2f of the bare requests/s (%.0f)\n",
		freshness, got, got/bare, bare)
	return nil
}

// endurance checks that nothing grows.
func (b *bench) endurance(checks int) error {
	if err := b.startServer(0); err != nil {
		return err
	}
	for i := range 500 { // until buffers and heap have their size
		if err := b.review(b.images[i%10]); err != nil {
			return err
		}
	}
	descriptors, memory, err := b.usage()
	if err != nil {
		return err
	}
	for i := range checks {
		if err := b.review(b.images[i%10]); err != nil {
			return err
		}
	}
	descriptorsAfter, memoryAfter, err := b.usage()
	if err != nil {
		return err
	}
	fmt.Printf("\n%d checks: open files %d -> %d, memory %.1f -> %.1f MB\n", checks,
		descriptors, descriptorsAfter, float64(memory)/1024, float64(memoryAfter)/1024)
	return nil
}

func short(d time.Duration) string {
	return fmt.Sprintf("%.2f ms", float64(d.Microseconds())/1000)
}
