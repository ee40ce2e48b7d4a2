//go:build linux

// Command benchmedia measures what forwarding costs: one publisher of about 160 packets of 1,100 bytes a second, N
// subscribers on loopback, the media server and a plain Pion server (./baseline) in turn, each a process of its own with
// client processes of its own. Beside them are the limits of the machine: bare encrypts and writes each copy, bare-gso the
// copies of a frame at once, both to plain sockets. In the end it looks at the memory of a server with many idle
// pipelines. It prints the machine and the commit, so that docs/benchmarks.md can quote it.
//
//	go run ./tests/benchmedia                          everything, under five minutes
//	go run ./tests/benchmedia -n 100 -mode burst       one cell
//
// CPU is user and system time of the server's process for each packet that a subscriber has read. Latency is from before
// the publisher encrypts a packet to when a subscriber has read it, so it holds both clients and the kernel on a machine
// that all of them share. Memory is the growth of the server's resident memory while the subscribers joined, garbage
// included. Allocations are those of the server's whole process.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	timeLimit = 10 * time.Minute // ends a run that hangs
	rounds    = 3                // of each server in a cell, in turn
	evenMode  = "even"
	burstMode = "burst"

	orkestro = "orkestro"
	pion     = "pion"
	bare     = "bare"
	bareGSO  = "bare-gso"
)

// candidate is a server that is measured.
type candidate struct {
	name    string
	program string // empty: a load process
	share   int    // it is measured for one such part of the time
}

func candidates() []candidate {
	return []candidate{{orkestro, "mediaserver", 1}, {pion, "baseline", 1}, {bare, "", 3}, {bareGSO, "", 3}}
}

// mode is how the publisher sends: packets of one interval leave back to back.
type mode struct {
	packets  int
	interval time.Duration
}

func modes() map[string]mode {
	return map[string]mode{
		evenMode:  {1, time.Second / 160},
		burstMode: {6, time.Second / 27}, // video: 27 frames a second of 6 packets
	}
}

// options are the flags.
type options struct {
	sizes   []int
	modes   []string
	seconds float64
	only    []candidate
	idle    int
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, timeLimit)
	defer cancel()
	run := runBench
	if len(os.Args) > 1 && os.Args[1] == "load" {
		run = runLoad
	}
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "benchmedia:", err)
		os.Exit(1) //nolint:gocritic // the deferred calls only end ctx
	}
}

func parse() (o options, err error) {
	sizes := flag.String("n", "10,50,100,200", "numbers of subscribers")
	names := flag.String("mode", evenMode+","+burstMode, "even: one packet at a time; burst: video frames of 6 packets")
	flag.Float64Var(&o.seconds, "seconds", 9, "how long each server is measured in a cell")
	flag.IntVar(&o.idle, "idle", 1000, "how many pipelines are idle in the measurement of memory; 0: leave it out")
	only := flag.String("only", "", "measure only these servers: orkestro, pion, bare, bare-gso")
	flag.Parse()
	if o.only, err = choose(*only); err != nil {
		return o, err
	}
	for text := range strings.SplitSeq(*sizes, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return o, fmt.Errorf("-n: %q is no number of subscribers", text)
		}
		o.sizes = append(o.sizes, n)
	}
	for name := range strings.SplitSeq(*names, ",") {
		if _, known := modes()[name]; !known {
			return o, fmt.Errorf("-mode: %q is none", name)
		}
		o.modes = append(o.modes, name)
	}
	return o, nil
}

// choose gives the candidates of a list of names, all of them for an empty one.
func choose(names string) (chosen []candidate, err error) {
	if names == "" {
		return candidates(), nil
	}
	for name := range strings.SplitSeq(names, ",") {
		at := slices.IndexFunc(candidates(), func(c candidate) bool { return c.name == name })
		if at < 0 {
			return nil, fmt.Errorf("-only: %q is no server; there are orkestro, pion, bare and bare-gso", name)
		}
		chosen = append(chosen, candidates()[at])
	}
	return chosen, nil
}

func runBench(ctx context.Context) error {
	o, err := parse()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "benchmedia")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	build := exec.CommandContext(ctx, "go", "build", "-o", dir+string(filepath.Separator),
		"./services/mediaserver", "./tests/benchmedia/baseline")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w\n%s", err, out)
	}
	fmt.Printf("commit %s; %s, %d cores, shared with the clients\n", commit(ctx), runtime.GOARCH, runtime.NumCPU())
	fmt.Println(header)
	for _, n := range o.sizes {
		if err := measure(ctx, dir, o, n); err != nil {
			return fmt.Errorf("%d subscribers: %w", n, err)
		}
	}
	if o.idle > 0 && slices.ContainsFunc(o.only, func(c candidate) bool { return c.name == orkestro }) {
		return measureIdle(ctx, filepath.Join(dir, candidates()[0].program), o.idle)
	}
	return nil
}

// measure has both servers up at once and loads them in turn, so that what else the machine does meets both.
func measure(ctx context.Context, dir string, o options, n int) error {
	var subjects []*subject
	defer func() {
		for _, s := range subjects {
			s.stop()
		}
	}()
	for _, c := range o.only {
		s, err := start(ctx, c, dir, n)
		if err != nil {
			return err
		}
		subjects = append(subjects, s)
	}
	for _, m := range o.modes {
		for range rounds {
			for _, s := range subjects {
				d := time.Duration(o.seconds / rounds * float64(time.Second) / float64(s.share))
				if err := s.round(ctx, m, d); err != nil {
					return fmt.Errorf("%s: %w", s.name, err)
				}
			}
		}
		printCell(m, subjects)
	}
	return nil
}

const header = "mode   subs server     us/packet  p50 ms  p99 ms  allocs/packet  KiB/sub  lost"

func printCell(m string, subjects []*subject) {
	figures := map[string][3]float64{} // CPU, p99 and memory, for the ratios
	for _, s := range subjects {
		results := s.rounds[m]
		cpu := median(results, func(r result) float64 { return float64(r.cpu.Nanoseconds()) / 1000 })
		p50 := median(results, func(r result) float64 { return quantile(r.latency, 0.5) })
		p99 := median(results, func(r result) float64 { return quantile(r.latency, 0.99) })
		lost := int64(0)
		for _, r := range results {
			lost += r.sent - r.received
		}
		memory := float64(results[len(results)-1].memory)
		fmt.Printf("%-6s %4d %-10s %9.1f %7.2f %7.2f %14.3f %8.0f %5d\n", m, s.n, s.name, cpu, p50, p99,
			median(results, func(r result) float64 { return r.allocs }), memory/1024, lost)
		figures[s.name] = [3]float64{cpu, p99, memory}
	}
	a, ours := figures[orkestro]
	if b, theirs := figures[pion]; ours && theirs {
		fmt.Printf("%-6s %4d ratio      %9.2f %15.2f %14s %8.2f\n", m, subjects[0].n, a[0]/b[0], a[1]/b[1], "", a[2]/b[2])
	}
}

func median(results []result, value func(result) float64) float64 {
	values := make([]float64, len(results))
	for i, r := range results {
		values[i] = value(r)
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// quantile is in milliseconds.
func quantile(sample []time.Duration, q float64) float64 {
	if len(sample) == 0 {
		return 0
	}
	slices.Sort(sample)
	return float64(sample[int(float64(len(sample)-1)*q)].Microseconds()) / 1000
}

func commit(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}
