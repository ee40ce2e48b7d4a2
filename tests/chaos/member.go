package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/orkestro/orkestro/tests/harness"
)

// member is one presence of a user in a session: its client, and what it has been told. Its methods are for one
// goroutine at a time, except say.
type member struct {
	*harness.User
	since   time.Time
	view    *view
	talk    []received
	read    int // messages taken into view and talk
	rejoins int
}

// rejoin begins anew.
func (m *member) rejoin(done func(error)) {
	m.rejoins++
	m.Rejoin(done)
}

// join brings a user into a session; publishing says whether it sends media.
func join(ctx context.Context, w *world, session, id string, publishing bool) (*member, error) {
	user, err := harness.NewUser(ctx, w.fleet.API, session, id)
	if err != nil {
		return nil, fmt.Errorf("join %s of %s: %w", id, session, err)
	}
	if publishing {
		user.Publish()
	}
	return &member{User: user, since: time.Now(), view: newView()}, nil
}

// update takes what has arrived into the view.
func (m *member) update() {
	news := m.Since(m.read)
	m.read += len(news)
	for _, message := range news {
		m.view.take(message)
	}
	m.talk = append(m.talk, readTalk(news)...)
}

// history is what the member has received.
func (m *member) history(complete bool) history {
	m.update()
	return history{session: m.Session, user: m.ID, since: m.since, complete: complete, received: m.talk}
}

// check finds what went wrong at one member; complete says that everything has had the time to arrive.
func (m *member) check(l *ledger, complete bool) []fault {
	h := m.history(complete)
	faults := audit(l.all(), h)
	faults = append(faults, m.view.faults...)
	if most := 1 + m.rejoins; m.view.joins > most {
		faults = append(faults, fault{"twice", fmt.Sprintf("session %s: %s was told %d times that it has joined, not %d",
			m.Session, m.ID, m.view.joins, most)})
	}
	for _, err := range m.Failures() {
		if !harmless(err) {
			faults = append(faults, fault{"client", fmt.Sprintf("session %s, user %s: %v", m.Session, m.ID, err)})
		}
	}
	return faults
}

// harmless are failures that a client has to live with: a poll that was not answered, and one that ended because the
// client had polled elsewhere when its connection was lost.
func harmless(err error) bool {
	var problem *harness.ProblemError
	if !errors.As(err, &problem) {
		return true
	}
	return problem.Status == 503 || problem.Status == 409 && problem.Code == "conflict"
}

const (
	talkPause   = 300 * time.Millisecond // chosen: often enough to be in every moment, far from a load
	sendTimeout = time.Minute            // far beyond every promise: what takes longer counts as hung
)

// speaker numbers the messages of one user.
type speaker struct {
	member *member
	ledger *ledger
	world  *world
	n      int
}

// say sends the next message, to everybody or one user, until it is answered. Now and then it is sent once more, as if
// the answer had been lost.
func (s *speaker) say(ctx context.Context, to string) {
	s.n++
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	m := sent{from: s.member.ID, to: to, n: s.n, began: time.Now()}
	place := s.ledger.begin(m)
	key := fmt.Sprintf("%s/%s/%d/%d", s.member.Session, s.member.ID, s.member.since.UnixNano(), s.n)
	id, status, err := s.member.Say(ctx, key, talk{s.n}, to)
	m.id, m.ended, m.outcome = id, time.Now(), outcomeOf(status, err)
	s.ledger.end(place, m)
	if m.outcome == refused || m.outcome == unknown && ctx.Err() != nil && !s.world.ending() {
		s.world.fault("refused", "session %s: message %d of %s, from %s to %s: %v", s.member.Session, s.n, s.member.ID,
			clock(m.began), clock(m.ended), err)
	}
	if m.outcome == acknowledged && rand.IntN(10) == 0 {
		again, _, err := s.member.Say(ctx, key, talk{s.n}, to)
		if err == nil && again != id {
			s.world.fault("twice", "session %s: message %d of %s is %s and, sent again at %s, %s",
				s.member.Session, s.n, s.member.ID, id, clock(time.Now()), again)
		}
	}
}

// talkOn has a member talk until ctx ends; names are the others.
func talkOn(ctx context.Context, running *sync.WaitGroup, s *speaker, names []string) {
	running.Go(func() {
		for ctx.Err() == nil {
			to := ""
			if rand.IntN(4) == 0 {
				to = names[rand.IntN(len(names))]
			}
			s.say(context.WithoutCancel(ctx), to)
			wait(ctx, talkPause)
		}
	})
}

// wait waits, or until ctx ends.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// eventually waits until condition is nil, and gives its last error when that takes longer than limit.
func eventually(ctx context.Context, limit time.Duration, condition func() error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		err := condition()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("not within %s: %w", limit, err)
		}
		wait(ctx, lookPause)
	}
}

// lookPause is between two looks at a condition.
const lookPause = 20 * time.Millisecond
