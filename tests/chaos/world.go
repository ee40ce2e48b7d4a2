package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/tests/harness"
)

// world is a run: the fleet, everything that goes on in it, and what was found out.
type world struct {
	fleet *harness.Fleet
	store *store.Store
	out   io.Writer
	calls []*call
	names atomic.Int64 // sessions named so far

	mu       sync.Mutex
	faults   []fault
	attempts attempts
	over     bool
	results  []result
	churned  churnCount
}

// fault writes down a broken promise.
func (w *world) fault(what, format string, args ...any) {
	w.note(fault{what, fmt.Sprintf(format, args...)})
}

func (w *world) note(faults ...fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range faults {
		w.faults = append(w.faults, f)
		_, _ = fmt.Fprintln(w.out, clock(time.Now()), "FAULT", f)
	}
}

func (w *world) say(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, _ = fmt.Fprintln(w.out, clock(time.Now()), fmt.Sprintf(format, args...))
}

// ending reports whether the run is over, so that what is given up is not a fault.
func (w *world) ending() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.over
}

func (w *world) name(prefix string) string { return fmt.Sprintf("%s-%d", prefix, w.names.Add(1)) }

// create makes a session, insisting.
func (w *world) create(ctx context.Context, id string) error {
	return w.do(ctx, harness.Request{Method: "POST", Path: "/v1/sessions", Body: map[string]any{"id": id}})
}

func (w *world) close(ctx context.Context, id string) error {
	return w.remove(ctx, "/v1/sessions/"+id)
}

func (w *world) leave(ctx context.Context, session, user string) error {
	return w.remove(ctx, "/v1/sessions/"+session+"/users/"+user)
}

// remove deletes what this run has made and nobody else touches. What is not there any more was removed by a try whose
// answer got lost.
func (w *world) remove(ctx context.Context, path string) error {
	err := w.do(ctx, harness.Request{Method: http.MethodDelete, Path: path})
	var problem *harness.ProblemError
	if errors.As(err, &problem) && (problem.Status == http.StatusGone || problem.Status == http.StatusNotFound) {
		return nil
	}
	return err
}

func (w *world) do(ctx context.Context, r harness.Request) error {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	_, err := w.fleet.API.Insist(ctx, r, nil)
	return err
}

// call is a session whose users stay for the whole run. The first ones publish.
type call struct {
	session string
	ledger  *ledger
	members []*member
}

const (
	callCount  = 4
	callSize   = 3
	publishers = 2
)

// startCalls makes the calls and waits until media flows in all of them.
func (w *world) startCalls(ctx context.Context) error {
	for range callCount {
		c := &call{session: w.name("call"), ledger: &ledger{}}
		if err := w.create(ctx, c.session); err != nil {
			return err
		}
		for n := range callSize {
			m, err := join(ctx, w, c.session, fmt.Sprintf("user-%d", n), n < publishers)
			if err != nil {
				return err
			}
			c.members = append(c.members, m)
		}
		w.calls = append(w.calls, c)
	}
	return w.mediaFlows(ctx)
}

// names of the members of a call.
func (c *call) names() []string {
	var names []string
	for _, m := range c.members {
		names = append(names, m.ID)
	}
	return names
}

// endCalls ends the clients, without a word.
func (w *world) endCalls() {
	for _, c := range w.calls {
		for _, m := range c.members {
			m.Close()
		}
	}
}
