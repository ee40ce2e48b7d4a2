package main

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/orkestro/orkestro/tests/harness"
)

const (
	// relocatedSessions is how many are moved, a few at a time as a drain does it.
	relocatedSessions = 40
	relocatedAtOnce   = 4
	// relocatedFrames is the time between two frames of a track: a gap is known no better than that.
	relocatedFrames = 20 * time.Millisecond
	// relocatedAfter is how long after the first packet of the new pipeline gaps are looked for. Chosen: longer than the
	// old one lives then.
	relocatedAfter = 3 * time.Second
)

// measureRelocation: how long nothing of a stream arrives at a subscriber whose session is moved to another media server.
func measureRelocation(ctx context.Context, b *bench) error {
	mover, err := b.fleet.OpenMover(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = mover.Close() }()
	for _, way := range []way{
		{what: "longest gap in 3 s of a session that stays", stays: true},
		{what: "gap when a session is moved, make before break"},
		{what: "gap when a session is moved, client closes first", breaks: true},
	} {
		var mu sync.Mutex
		var gaps, took sample
		_, _, err := repeat(ctx, relocatedSessions*b.scale, relocatedAtOnce,
			func(ctx context.Context, _ int) (time.Duration, error) {
				m, err := b.relocate(ctx, mover, way)
				if err != nil {
					return 0, err
				}
				mu.Lock()
				defer mu.Unlock()
				gaps, took = append(gaps, m.gaps...), append(took, m.took...)
				return 0, nil
			})
		if err != nil {
			return err
		}
		b.row(way.what, "%s", gaps.quantiles())
		if way.stays {
			continue
		}
		b.row("  from the request to the new pipeline's first packet", "%s", took.quantiles())
	}
	return nil
}

// way is how a session is moved: not at all, to know what the machine does by itself, or with clients that close what
// they have before they connect anew.
type way struct {
	what          string
	stays, breaks bool
}

// moved is what one move cost.
type moved struct {
	gaps sample // by stream and subscriber: the longest time without a packet
	took sample // by subscriber: from the request to the first packet through the new pipeline
}

// relocate makes a call, moves it, and ends it.
func (b *bench) relocate(ctx context.Context, mover *harness.Mover, way way) (m moved, err error) {
	users, err := b.callOf(ctx, relocatedFrames, "ann", "ben", "cid")
	if err != nil {
		return m, err
	}
	defer func() {
		closeUsers(users)
		err = errors.Join(err, b.fleet.API.CloseSession(context.WithoutCancel(ctx), users[0].Session))
	}()
	if err := allFlow(ctx, users); err != nil {
		return m, err
	}
	for _, u := range users {
		if way.breaks {
			u.BreakFirst()
		}
		u.Mark()
	}
	if !way.stays {
		if m.took, err = move(ctx, mover, users); err != nil {
			return m, err
		}
	}
	select {
	case <-ctx.Done():
		return m, ctx.Err()
	case <-time.After(relocatedAfter):
	}
	for _, a := range arrivalsOf(users) {
		m.gaps = append(m.gaps, a.Gap)
	}
	return m, nil
}

// arrivalsOf is what each user has of each track of the others.
func arrivalsOf(users []*harness.User) []harness.Arrivals {
	var all []harness.Arrivals
	for _, receiver := range users {
		streams := receiver.Streams()
		for _, sender := range users {
			if sender == receiver {
				continue
			}
			for _, kind := range []string{"audio", "video"} {
				all = append(all, receiver.Arrivals(streams[sender.ID], kind))
			}
		}
	}
	return all
}

// allFlow waits until every user receives every track of the others.
func allFlow(ctx context.Context, users []*harness.User) error {
	ctx, cancel := context.WithTimeout(ctx, mediaTimeout)
	defer cancel()
	none := func(a harness.Arrivals) bool { return a.Packets == 0 }
	for slices.ContainsFunc(arrivalsOf(users), none) {
		select {
		case <-ctx.Done():
			return errNoMedia
		case <-time.After(lookEvery):
		}
	}
	return nil
}

// move has a session moved, and gives how long that took for each of its users.
func move(ctx context.Context, mover *harness.Mover, users []*harness.User) (took sample, err error) {
	asked := time.Now()
	epoch, err := mover.Move(ctx, users[0].Session)
	if err != nil {
		return nil, err
	}
	at, err := firstMedia(ctx, users, epoch+1)
	for _, first := range at {
		took = append(took, first.Sub(asked))
	}
	return took, err
}
