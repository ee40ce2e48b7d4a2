package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/orkestro/orkestro/tests/harness"
)

// churnCount counts what came and went.
type churnCount struct{ sessions, guests int }

const (
	churnPause = 500 * time.Millisecond
	guestPause = time.Second
)

// churn has short sessions come and go, one after the other, until ctx ends.
func (w *world) churn(ctx context.Context) {
	for ctx.Err() == nil {
		session := w.name("short")
		if err := w.short(context.WithoutCancel(ctx), session); err != nil {
			w.fault("short session", "%s, at %s: %v", session, clock(time.Now()), err)
		}
		w.mu.Lock()
		w.churned.sessions++
		w.mu.Unlock()
		wait(ctx, churnPause)
	}
}

// short is the life of one session: everything that the API offers, once.
func (w *world) short(ctx context.Context, session string) error {
	if err := w.create(ctx, session); err != nil {
		return fmt.Errorf("create: %w", err)
	}
	s := &shortLife{world: w, call: &call{session: session, ledger: &ledger{}}}
	defer s.end()
	err := s.live(ctx)
	if closed := w.close(ctx, session); closed != nil {
		err = errors.Join(err, fmt.Errorf("close: %w", closed))
	}
	return errors.Join(err, s.drain(ctx))
}

type shortLife struct {
	world    *world
	call     *call
	speakers []*speaker
}

func (s *shortLife) end() {
	for _, m := range s.call.members {
		m.Close()
	}
}

// live has two users do what users do, and checks that media flows after all that should leave it flowing.
func (s *shortLife) live(ctx context.Context) error {
	for n := range 2 {
		m, err := join(ctx, s.world, s.call.session, fmt.Sprintf("user-%d", n), n == 0)
		if err != nil {
			return err
		}
		s.call.members = append(s.call.members, m)
		s.speakers = append(s.speakers, &speaker{member: m, ledger: s.call.ledger, world: s.world})
	}
	if err := s.media(ctx, "at first"); err != nil {
		return err
	}
	acts := []struct {
		name string
		do   func(context.Context) error
	}{
		{"rejoin of the publisher", func(context.Context) error { return s.tell(s.members(0).rejoin) }},
		{"rejoin of the receiver", func(context.Context) error { return s.tell(s.members(1).rejoin) }},
		{"publishing again", func(context.Context) error {
			err := s.tell(s.members(0).Unpublish)
			s.members(0).Publish()
			return err
		}},
		{"pause", s.pause},
		{"list of streams", s.choose},
		{"candidates", s.candidates},
	}
	rand.Shuffle(len(acts), func(i, j int) { acts[i], acts[j] = acts[j], acts[i] })
	for _, act := range acts[:3] {
		s.speakers[rand.IntN(2)].say(ctx, "")
		err := act.do(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", act.name, err)
		}
		if err := s.media(ctx, "after "+act.name); err != nil {
			return err
		}
	}
	return nil
}

func (s *shortLife) members(n int) *member { return s.call.members[n] }

// tell has a client do something and waits for the result.
func (s *shortLife) tell(act func(done func(error))) error {
	done := make(chan error, 1)
	act(func(err error) { done <- err })
	select {
	case err := <-done:
		return err
	case <-time.After(sendTimeout):
		return errors.New("no answer within " + sendTimeout.String())
	}
}

// media waits until the first user's media arrives at the second.
func (s *shortLife) media(ctx context.Context, when string) error {
	for _, kind := range []string{"audio", "video"} {
		f := &flow{call: s.call, from: s.members(0), to: s.members(1), kind: kind}
		f.beforeStream = f.stream()
		f.before = f.arrivals().Packets
		if err := eventually(ctx, recoveryLimit, f.check); err != nil {
			return fmt.Errorf("%s: %w", when, err)
		}
	}
	return nil
}

func (s *shortLife) pause(ctx context.Context) error {
	stream := s.members(1).view.of(s.members(0).ID)
	if err := s.members(0).Pause(ctx, stream, true); err != nil {
		return err
	}
	return s.members(0).Pause(ctx, stream, false)
}

func (s *shortLife) choose(ctx context.Context) error {
	if err := s.members(1).SubscribeTo(ctx, "no-such-stream"); err != nil {
		return err
	}
	return s.members(1).SubscribeTo(ctx)
}

// candidates sends one that leads nowhere, under an epoch that may be out of date by now.
func (s *shortLife) candidates(ctx context.Context) error {
	m := s.members(0)
	m.update()
	_, err := s.world.fleet.API.Insist(ctx, harness.Request{
		Method: http.MethodPost, Bearer: m.Token,
		Path: "/v1/sessions/" + m.Session + "/users/" + m.ID + "/publish/candidates",
		Body: map[string]any{"epoch": m.view.epoch, "candidates": []map[string]any{{
			"candidate": "candidate:1 1 udp 2130706431 192.0.2.1 9 typ host", "sdpMid": "0", "sdpMLineIndex": 0,
		}}},
	}, nil)
	var problem *harness.ProblemError
	if errors.As(err, &problem) && problem.Code == "stale_epoch" {
		return nil
	}
	return err
}

// drain waits until both users have read everything, up to the end of the session, and checks it.
func (s *shortLife) drain(ctx context.Context) error {
	var errs []error
	for _, m := range s.call.members {
		errs = append(errs, eventually(ctx, recoveryLimit, func() error {
			if !m.Gone() {
				return fmt.Errorf("%s still reads a closed session; failures %w", m.ID, last(m.Failures()))
			}
			return nil
		}))
		s.world.note(m.check(s.call.ledger, true)...)
	}
	return errors.Join(errs...)
}

// guests come to the calls and leave, one after the other, until ctx ends.
func (w *world) guests(ctx context.Context) {
	for ctx.Err() == nil {
		c := w.calls[rand.IntN(len(w.calls))]
		if err := w.guest(context.WithoutCancel(ctx), c); err != nil {
			w.fault("guest", "at %s: %v", clock(time.Now()), err)
		}
		w.mu.Lock()
		w.churned.guests++
		w.mu.Unlock()
		wait(ctx, guestPause)
	}
}

// guest joins a call, receives, says something and leaves.
func (w *world) guest(ctx context.Context, c *call) error {
	m, err := join(ctx, w, c.session, w.name("guest"), rand.IntN(3) == 0)
	if err != nil {
		return err
	}
	defer m.Close()
	f := &flow{call: c, from: c.members[0], to: m, kind: "video"}
	if err := eventually(ctx, recoveryLimit, f.check); err != nil {
		return err
	}
	(&speaker{member: m, ledger: c.ledger, world: w}).say(ctx, "")
	if err := w.leave(ctx, c.session, m.ID); err != nil {
		return fmt.Errorf("leave of %s from %s: %w", m.ID, c.session, err)
	}
	err = eventually(ctx, recoveryLimit, func() error {
		if !m.Gone() {
			return fmt.Errorf("%s left %s and still reads", m.ID, c.session)
		}
		return nil
	})
	w.note(m.check(c.ledger, false)...)
	return err
}

// bustle is everything that goes on while processes die.
type bustle struct {
	cancel  context.CancelFunc
	running sync.WaitGroup
}

// start has all members talk, guests come and go, and short sessions be made.
func (w *world) start(ctx context.Context) *bustle {
	ctx, cancel := context.WithCancel(ctx)
	b := &bustle{cancel: cancel}
	for _, c := range w.calls {
		for _, m := range c.members {
			talkOn(ctx, &b.running, &speaker{member: m, ledger: c.ledger, world: w}, c.names())
		}
	}
	b.running.Go(func() { w.churn(ctx) })
	b.running.Go(func() { w.guests(ctx) })
	return b
}

// stop ends it in peace: what was begun is finished.
func (b *bustle) stop() {
	b.cancel()
	b.running.Wait()
}
