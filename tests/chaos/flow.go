package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/orkestro/orkestro/tests/harness"
)

const (
	// enoughPackets show that media flows: 200 ms of it.
	enoughPackets = 10
	// recoveryLimit bounds every recovery; far more than any promise, so that a slow machine is no fault.
	recoveryLimit = 60 * time.Second
)

// flow is media of one kind from one member of a call to another.
type flow struct {
	call         *call
	from, to     *member
	kind         string
	before       int // packets that had arrived when we began to look
	beforeStream string
}

// flows are all that should be in a call.
func (c *call) flows() []*flow {
	var flows []*flow
	for _, from := range c.members[:publishers] {
		for _, to := range c.members {
			if from == to {
				continue
			}
			for _, kind := range []string{"audio", "video"} {
				f := &flow{call: c, from: from, to: to, kind: kind}
				f.beforeStream = f.stream()
				f.before = f.arrivals().Packets
				flows = append(flows, f)
			}
		}
	}
	return flows
}

func (f *flow) stream() string {
	f.to.update()
	return f.to.view.of(f.from.ID)
}

func (f *flow) arrivals() harness.Arrivals { return f.to.Arrivals(f.stream(), f.kind) }

// check is nil when enough has arrived.
func (f *flow) check() error {
	got := f.arrivals().Packets
	if stream := f.stream(); stream == f.beforeStream {
		got -= f.before
	}
	if got >= enoughPackets {
		return nil
	}
	return fmt.Errorf("session %s: %s has %d new packets of %s of %s (stream %q, epoch %d); failures %w, %w",
		f.call.session, f.to.ID, got, f.kind, f.from.ID, f.stream(), f.to.view.epoch, last(f.to.Failures()),
		last(f.from.Failures()))
}

var errNone = errors.New("none")

func last(errs []error) error {
	if len(errs) == 0 {
		return errNone
	}
	return errs[len(errs)-1]
}

// mediaFlows waits until new media has arrived everywhere.
func (w *world) mediaFlows(ctx context.Context) error {
	for _, c := range w.calls {
		for _, f := range c.flows() {
			if err := eventually(ctx, recoveryLimit, f.check); err != nil {
				return err
			}
		}
	}
	return nil
}
