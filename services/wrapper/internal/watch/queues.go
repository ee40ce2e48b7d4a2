// Package watch keeps this Wrapper subscribed to the queue of every live session, as the change stream of the
// collection of sessions says. It does not look into what comes through the queues.
package watch

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/logging"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/store"
)

const (
	// subscribing bounds how many queues are subscribed to at once when a Wrapper starts among many sessions.
	subscribing = 32
	// backoffMin and backoffMax bound the pause before a queue is tried again. Chosen: requests wait for it.
	backoffMin = 50 * time.Millisecond
	backoffMax = time.Second
)

// Broker is what queues need of the message broker.
type Broker interface {
	Subscribe(ctx context.Context, queue string, o broker.SubscribeOptions, h broker.Handler) (broker.Subscription, error)
	DeclareQueue(ctx context.Context, q broker.Queue) error
	DeleteQueue(ctx context.Context, name string) error
	DeclareExchange(ctx context.Context, name string) error
}

// Sessions tells whether a session is live.
type Sessions interface {
	Get(ctx context.Context, id control.SessionID) (*control.Session, error)
}

// Queues is the subscriptions to session queues; it is a store.SessionWatcher. Each live session has one goroutine that
// keeps its subscription, over losses of the queue. Safe for concurrent use.
type Queues struct {
	broker   Broker
	sessions Sessions
	options  broker.SubscribeOptions
	handler  broker.Handler
	log      *slog.Logger

	ctx     context.Context //nolint:containedctx // the life of the goroutines that Queues owns
	stop    context.CancelFunc
	slots   chan struct{}
	running sync.WaitGroup
	active  atomic.Int64
	synced  atomic.Bool
	// consuming says that the queue of tasks is subscribed to.
	consuming atomic.Bool

	mu     sync.Mutex
	keep   map[control.SessionID]context.CancelFunc
	closed bool
}

// New follows nothing yet. Close ends it.
func New(b Broker, sessions Sessions, o broker.SubscribeOptions, h broker.Handler, logger *slog.Logger) *Queues {
	ctx, stop := context.WithCancel(context.Background())
	return &Queues{
		broker: b, sessions: sessions, options: o, handler: h,
		log: logger.With(slog.String(logging.KeyComponent, "watch")),
		ctx: ctx, stop: stop, slots: make(chan struct{}, subscribing),
		keep: map[control.SessionID]context.CancelFunc{},
	}
}

// Register adds the gauges of sessions followed and subscriptions held.
func (q *Queues) Register(registry prometheus.Registerer) {
	gauge := func(name, help string, value func() float64) {
		registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
	}
	gauge("orkestro_wrapper_sessions", "Live sessions that this Wrapper knows of.", func() float64 {
		q.mu.Lock()
		defer q.mu.Unlock()
		return float64(len(q.keep))
	})
	gauge("orkestro_wrapper_subscriptions", "Session queues that this Wrapper is subscribed to.", func() float64 {
		return float64(q.active.Load())
	})
}

// Sessions lists the live sessions that this Wrapper knows of, in no order.
func (q *Queues) Sessions() []control.SessionID {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Collect(maps.Keys(q.keep))
}

// Synced reports whether the list of live sessions was read.
func (q *Queues) Synced() bool { return q.synced.Load() }

// Reset implements store.SessionWatcher.
func (q *Queues) Reset(live []control.SessionID) {
	wanted := make(map[control.SessionID]bool, len(live))
	for _, id := range live {
		wanted[id] = true
		q.Live(id)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for id, cancel := range q.keep {
		if !wanted[id] {
			cancel()
			delete(q.keep, id)
		}
	}
	q.synced.Store(true)
}

// Live implements store.SessionWatcher.
func (q *Queues) Live(id control.SessionID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if _, found := q.keep[id]; found || q.closed {
		return
	}
	ctx, cancel := context.WithCancel(q.ctx)
	q.keep[id] = cancel
	q.running.Go(func() { q.follow(ctx, id) })
}

// Ended implements store.SessionWatcher.
func (q *Queues) Ended(id control.SessionID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if cancel, found := q.keep[id]; found {
		cancel()
		delete(q.keep, id)
	}
}

// Close takes no more messages, and waits for the handlers in flight until ctx ends.
func (q *Queues) Close(ctx context.Context) error {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.stop()
	done := make(chan struct{})
	go func() {
		q.running.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// follow keeps one subscription until ctx ends. A queue that is gone although its session is active went with a node of
// the broker, and is made again.
func (q *Queues) follow(ctx context.Context, id control.SessionID) {
	defer q.clear(id)
	pause := backoffMin
	for ctx.Err() == nil {
		held, err := q.hold(ctx, id)
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, broker.ErrNotFound) || err == nil {
			err = q.restore(ctx, id)
		}
		if held {
			pause = backoffMin
		}
		if err != nil {
			q.log.Debug("session queue not subscribed to",
				slog.String(logging.KeySession, string(id)), slog.Any(logging.KeyError, err))
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause/2 + rand.N(pause/2+1)): //nolint:gosec // jitter needs no secrecy
		}
		pause = min(2*pause, backoffMax)
	}
}

// hold subscribes and waits for the end of the subscription; held says that there was one.
func (q *Queues) hold(ctx context.Context, id control.SessionID) (held bool, err error) {
	subscription, err := q.subscribe(ctx, id)
	if err != nil {
		return false, err
	}
	q.active.Add(1)
	defer q.active.Add(-1)
	select {
	case <-subscription.Done():
	case <-ctx.Done():
	}
	// Handlers have deadlines of their own; whoever closes us decides how long to wait for them.
	return true, subscription.Close(context.WithoutCancel(ctx))
}

func (q *Queues) subscribe(ctx context.Context, id control.SessionID) (broker.Subscription, error) {
	select {
	case q.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-q.slots }()
	return q.broker.Subscribe(ctx, message.SessionQueue(id).Name, q.options, q.handler)
}

// restore makes the queue of an active session again; its exchange waits for who needs it, because it must not take
// anything before everybody is bound to it. One that is closing has just lost them, or the
// sweeper makes them; one that is closed ends being followed with the next change of the stream.
func (q *Queues) restore(ctx context.Context, id control.SessionID) error {
	if active, err := q.in(ctx, id, control.SessionActive); err != nil || !active {
		return err
	}
	if err := q.broker.DeclareQueue(ctx, message.SessionQueue(id)); err != nil {
		return err
	}
	if active, err := q.in(ctx, id, control.SessionActive); err != nil || active {
		return err
	}
	return q.deleteQueue(ctx, id) // it was closed at the same moment
}

// clear deletes the queue of a session that has ended: whoever asked for something at the moment of its end may have
// made it again, and what lies in it must not reach a later session of the same id.
func (q *Queues) clear(id control.SessionID) {
	if q.ctx.Err() != nil {
		return // we end, not the session
	}
	err := q.deleteUnlessLive(q.ctx, id)
	if err != nil {
		q.log.Debug("queue of an ended session perhaps not deleted",
			slog.String(logging.KeySession, string(id)), slog.Any(logging.KeyError, err))
	}
}

func (q *Queues) deleteUnlessLive(ctx context.Context, id control.SessionID) error {
	live, err := q.in(ctx, id, control.SessionActive, control.SessionClosing)
	if err != nil || live {
		return err
	}
	return q.deleteQueue(ctx, id)
}

func (q *Queues) deleteQueue(ctx context.Context, id control.SessionID) error {
	return q.broker.DeleteQueue(ctx, message.SessionQueue(id).Name)
}

// in reports whether a session is in one of these states; one that is not there is in none.
func (q *Queues) in(ctx context.Context, id control.SessionID, states ...control.SessionState) (bool, error) {
	session, err := q.sessions.Get(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil && slices.Contains(states, session.State), err
}
