package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/tests/harness"
)

// result is what one step has shown.
type result struct {
	step    step
	targets []target
	api     time.Duration // from when things were put back to when a join worked
	gaps    []time.Duration
	missing int // packets that never arrived, in calls that had no reason to miss any
}

// name is the kind of trouble, or that there were several.
func (r result) name() string {
	if len(r.targets) > 1 {
		return several
	}
	return string(r.targets[0].kind)
}

// run does one step: trouble, its end, and the wait until everything works again.
func (w *world) step(ctx context.Context, s step) error {
	wait(ctx, s.before)
	epochs, servers, err := w.placement(ctx)
	if err != nil {
		return err
	}
	r := result{step: s, targets: aim(w.fleet, s, w.busy(servers))}
	for _, c := range w.calls {
		for _, m := range c.members {
			m.Mark()
		}
	}
	lost := w.missing(r, servers)
	w.say("%s: %v", s, r.targets)
	if err := w.hit(ctx, s, r.targets); err != nil {
		return err
	}
	back := time.Now()
	leave, err := w.probe(ctx)
	if err != nil {
		return fmt.Errorf("after %s: %w", s, err)
	}
	r.api = time.Since(back)
	if err := leave(); err != nil {
		return fmt.Errorf("after %s: %w", s, err)
	}
	if err := w.lossesSeenTo(ctx, r); err != nil {
		return fmt.Errorf("after %s: %w", s, err)
	}
	if err := w.mediaFlows(ctx); err != nil {
		return fmt.Errorf("after %s: %w", s, err)
	}
	r.gaps = w.gaps(r, servers)
	r.missing = w.missing(r, servers) - lost
	w.say("%s: API back after %s, longest gap %s, missing %d", s, round(r.api), round(slices.Max(r.gaps)), r.missing)
	w.checkEpochs(ctx, r, epochs, servers)
	w.checkInterruptions(r, servers)
	w.checkProcesses()
	w.mu.Lock()
	w.results = append(w.results, r)
	w.mu.Unlock()
	return nil
}

// hit does the troubles, holds them, and undoes them, what others need first.
func (w *world) hit(ctx context.Context, s step, targets []target) error {
	for i, t := range targets {
		if err := t.Do(ctx); err != nil {
			w.fault("process", "%s: %v", t, err)
		}
		if i < len(targets)-1 {
			wait(ctx, s.gaps[i])
		}
	}
	wait(ctx, s.hold)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	needed := func(t target) int {
		switch t.kind {
		case brokerKilled, storeKilled:
			return 0
		case mediaDrained: // by a call of the API
			return 2
		default:
			return 1
		}
	}
	slices.SortStableFunc(targets, func(a, b target) int { return needed(a) - needed(b) })
	for _, t := range targets {
		if err := t.Undo(ctx); err != nil {
			return fmt.Errorf("undo %s: %w", t, err)
		}
	}
	return nil
}

// placement is the epoch and the media server of each call, by session.
func (w *world) placement(ctx context.Context) (epochs map[string]int64, servers map[string]string, err error) {
	epochs, servers = map[string]int64{}, map[string]string{}
	for _, c := range w.calls {
		var sess *control.Session
		err := eventually(ctx, recoveryLimit, func() error {
			var err error
			sess, err = w.store.Sessions.Get(ctx, control.SessionID(c.session))
			return err
		})
		if err != nil {
			return nil, nil, err
		}
		epochs[c.session] = sess.Epoch
		if sess.Pipeline != nil {
			servers[c.session] = string(sess.Pipeline.Server)
		}
	}
	return epochs, servers, nil
}

// busy are the media servers that have calls.
func (w *world) busy(servers map[string]string) []*harness.Process {
	var busy []*harness.Process
	for _, p := range w.fleet.MediaServers {
		for _, server := range servers {
			if server == p.Name {
				busy = append(busy, p)
				break
			}
		}
	}
	return busy
}

// concerned reports whether a call was to lose its media for a while.
func (r result) concerned(server string) bool {
	return slices.ContainsFunc(r.targets, func(t target) bool { return t.kind.touchesMedia() && t.server == server })
}

// onlyMoves reports whether calls may have had to go elsewhere, and none of them to lose its media.
func (r result) onlyMoves() bool {
	return !slices.ContainsFunc(r.targets, func(t target) bool { return t.kind.touchesMedia() && t.kind != mediaDrained })
}

// lossesSeenTo waits until nothing more comes of the loss of a media server. A rebuild that could not be asked for
// while the broker was away, too, comes later, even if the media server is back by then: that belongs to this step.
func (w *world) lossesSeenTo(ctx context.Context, r result) error {
	if r.onlyMoves() {
		return nil
	}
	return eventually(ctx, recoveryLimit, func() error {
		servers, err := w.store.MediaServers.List(ctx)
		if err != nil {
			return err
		}
		for _, server := range servers {
			if server.Status == control.StatusDown {
				return fmt.Errorf("media server %s counts as down", server.ID)
			}
		}
		queues, err := w.fleet.Broker.Queues(ctx)
		if err != nil {
			return err
		}
		for _, c := range w.calls {
			queue := message.SessionQueue(control.SessionID(c.session)).Name
			if queues[queue] > 0 {
				return fmt.Errorf("%d messages are in %s", queues[queue], queue)
			}
		}
		return nil
	})
}

// gaps are the longest gaps of each flow that the trouble concerned; where it was none of the media servers', all.
func (w *world) gaps(r result, servers map[string]string) []time.Duration {
	media := slices.ContainsFunc(r.targets, func(t target) bool { return t.kind.touchesMedia() })
	var gaps []time.Duration
	for _, c := range w.calls {
		if media && !r.concerned(servers[c.session]) {
			continue
		}
		for _, f := range c.flows() {
			gaps = append(gaps, f.arrivals().Gap)
		}
	}
	return gaps
}

// missing is how many packets never arrived so far in the calls that the trouble does not concern.
func (w *world) missing(r result, servers map[string]string) int {
	sum := 0
	for _, c := range w.calls {
		if r.concerned(servers[c.session]) {
			continue
		}
		for _, m := range c.members {
			sum += m.Missing()
		}
	}
	return sum
}

// interruption is a gap that no busy machine makes.
const interruption = 5 * time.Second

// checkInterruptions finds media that stopped for a while although its media server was well.
func (w *world) checkInterruptions(r result, servers map[string]string) {
	for _, c := range w.calls {
		if r.concerned(servers[c.session]) && !r.onlyMoves() {
			continue
		}
		for _, f := range c.flows() {
			if seen := f.arrivals(); seen.Gap > interruption {
				w.fault("interrupted", "after %s: session %s: %s had no %s of %s for %s from %s on", r.step, c.session,
					f.to.ID, f.kind, f.from.ID, round(seen.Gap), clock(seen.GapBegan))
			}
		}
	}
}

// checkEpochs finds calls that were moved although their media server was well.
func (w *world) checkEpochs(ctx context.Context, r result, before map[string]int64, servers map[string]string) {
	now, _, err := w.placement(ctx)
	if err != nil {
		w.fault("store", "after %s: %v", r.step, err)
		return
	}
	for session, epoch := range now {
		if epoch != before[session] && !r.concerned(servers[session]) {
			w.fault("moved", "after %s: session %s went from epoch %d to %d, and %s was well",
				r.step, session, before[session], epoch, servers[session])
		}
	}
}

// checkProcesses finds processes that ended by themselves.
func (w *world) checkProcesses() {
	f := w.fleet
	for _, p := range slices.Concat(f.RestAPIs, f.Wrappers, f.MediaServers, []*harness.Process{f.Store}) {
		if p != nil && !p.Running() { // without a store of its own
			w.fault("process", "%s is not running; its log: %s", p.Name, p.Log())
		}
	}
}

// probeTimeout bounds one try of a probe; the API promises an answer within 5 s.
const probeTimeout = 6 * time.Second

// probe waits until a whole request works: a join, which needs every service. leave undoes it.
func (w *world) probe(ctx context.Context) (leave func() error, err error) {
	session, user := w.calls[0].session, w.name("probe")
	path := "/v1/sessions/" + session + "/users"
	err = eventually(ctx, recoveryLimit, func() error {
		err := w.try(ctx, harness.Request{
			Method: http.MethodPost, Path: path, Body: map[string]any{"id": user},
			Header: map[string]string{"Idempotency-Key": user},
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("a join does not work: %w", err)
	}
	return func() error { return w.leave(ctx, session, user) }, nil
}

// try tries a request once.
func (w *world) try(ctx context.Context, r harness.Request) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	_, err := w.fleet.API.Do(ctx, r, nil)
	return err
}

func round(d time.Duration) time.Duration { return d.Round(time.Millisecond) }
