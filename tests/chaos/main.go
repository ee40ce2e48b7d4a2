package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/orkestro/orkestro/tests/harness"
)

func main() {
	n := flag.Int("n", 50, "how many troubles")
	seed := flag.Uint64("seed", uint64(time.Now().UnixNano()%1_000_000), "what the plan is made from")
	longest := flag.Duration("longest", time.Minute, "limit of how long a trouble lasts")
	part := flag.String("only", "", "only the kinds of trouble with this in their names")
	flag.Parse()
	of := only(*part)
	if len(of) == 0 {
		fmt.Fprintf(os.Stderr, "chaos: no kind of trouble is called %q; there are %q\n", *part, kinds())
		os.Exit(2)
	}
	_, _ = fmt.Printf("seed %d, %d troubles\n", *seed, *n)
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer cancel()
	if err := run(ctx, "chaos", order{seed: *seed, n: *n, of: of, longest: *longest}, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		cancel()
		os.Exit(1)
	}
}

// run plans and does what was ordered, as far as it is possible here, and is an error if anything was found. Its log and
// report go to out, the logs of the fleet to artifacts/<name>. Errors: those of [harness.Start].
func run(ctx context.Context, name string, o order, out io.Writer) (err error) {
	fleet, err := harness.Start(ctx, name, harness.Options{RestAPIs: 2, Wrappers: 3, MediaServers: 3, Isolated: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, fleet.Close(err != nil)) }() //nolint:contextcheck // cleaning up is not for ctx to end
	st, err := fleet.OpenStore(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = st.Close(context.WithoutCancel(ctx)) }()
	w := &world{fleet: fleet, store: st, out: out}
	fleet.API.Observe(w.attempt)
	o.of = w.possible(o.of)
	if len(o.of) == 0 {
		return errors.New("nothing of what was ordered can be done here")
	}
	plan := o.plan()
	logs := filepath.Dir(fleet.Wrappers[0].Log())
	w.say("%d steps; logs: %s", len(plan), logs)
	defer w.endCalls()
	if err := w.startCalls(ctx); err != nil {
		return err
	}
	w.all(ctx, plan)
	w.report(out)
	if len(w.faults) > 0 {
		return fmt.Errorf("%d faults; logs: %s", len(w.faults), logs)
	}
	return ctx.Err()
}

// possible are the kinds of trouble that this fleet can be put to; it is said what cannot be.
func (w *world) possible(of []kind) []kind {
	if err := w.fleet.Isolated(); err != nil {
		w.say("nothing is cut off: %v", err)
		of = slices.DeleteFunc(of, kind.cutsOff)
	}
	if w.fleet.Store == nil {
		w.say("the store is not killed: the database was there before")
		of = slices.DeleteFunc(of, func(k kind) bool { return k == storeKilled })
	}
	return of
}

// all does every step, until one after which things do not come back, and checks what is left.
func (w *world) all(ctx context.Context, plan []step) {
	bustle := w.start(ctx)
	for _, s := range plan {
		if err := w.step(ctx, s); err != nil {
			w.fault("not back", "%v", err)
			break
		}
		if ctx.Err() != nil {
			break
		}
	}
	bustle.stop()
	if ctx.Err() != nil {
		return // given up: there is nothing to say about what is left
	}
	w.checkAll(ctx)
	w.checkLogs(filepath.Dir(w.fleet.Wrappers[0].Log()))
}
