// Command bench measures a whole fleet of separate processes with a real RabbitMQ on this machine: two of each service,
// and the clients on the same cores. It prints each figure with the machine and the commit, so that docs/benchmarks.md
// can quote it.
//
//	go run ./tests/bench                 everything
//	go run ./tests/bench -only message   one part
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"time"

	"github.com/orkestro/orkestro/tests/harness"
)

// timeLimit ends a run that hangs; a whole one takes about three minutes.
const timeLimit = 15 * time.Minute

// part is one thing that is measured.
type part struct {
	name    string
	measure func(ctx context.Context, b *bench) error
}

func parts() []part {
	return []part{
		{"idle", measureIdle}, // first: memory is compared with that of processes that have done nothing
		{"forward", measureForwarding},
		{"create", measureCreate},
		{"join", measureJoin},
		{"message", measureMessage},
		{"media", measureFirstMedia},
		{"relocation", measureRelocation},
		{"recovery", measureRecovery},
	}
}

// bench is what the parts share.
type bench struct {
	fleet *harness.Fleet
	out   io.Writer
	scale int // multiplies the number of repetitions
}

// row prints one figure.
func (b *bench) row(what, format string, args ...any) {
	_, _ = fmt.Fprintf(b.out, "%-58s %s\n", what, fmt.Sprintf(format, args...))
}

func main() {
	only := flag.String("only", "", "measure only this part: create, join, message, media, forward, idle, relocation or recovery")
	scale := flag.Int("scale", 1, "multiply the number of repetitions by this")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, timeLimit)
	defer cancel()
	if err := run(ctx, *only, *scale); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1) //nolint:gocritic // the deferred calls only end ctx
	}
}

func run(ctx context.Context, only string, scale int) (err error) {
	fleet, err := harness.Start(ctx, "bench", harness.Options{RestAPIs: 2, Wrappers: 2, MediaServers: 2, LogLevel: "info"})
	if err != nil {
		return err
	}
	defer func() { //nolint:contextcheck // not for ctx to end
		if closed := fleet.Close(err != nil); err == nil {
			err = closed
		}
	}()
	b := &bench{fleet: fleet, out: os.Stdout, scale: scale}
	b.row("commit", "%s", commit(ctx))
	b.row("machine", "%s, %d cores, %s, shared with the clients", runtime.GOARCH, runtime.NumCPU(), cpuModel())
	for _, p := range parts() {
		if only != "" && only != p.name {
			continue
		}
		if err := p.measure(ctx, b); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return nil
}

func commit(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

func cpuModel() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown CPU"
	}
	for line := range strings.Lines(string(info)) {
		if name, found := strings.CutPrefix(line, "model name"); found {
			return strings.TrimSpace(strings.TrimLeft(name, "\t :"))
		}
	}
	return "unknown CPU"
}
