// Package mailbox gives users the messages of their queues: at least once, in order, nothing skipped, whichever replica
// they ask. The HTTP layer reads through a [Reader], one for each poll or event stream; it knows message bodies only as
// bytes and no session state.
//
// A user's queue has one reader in the whole fleet at a time (an exclusive queue). The replica that is polled opens a
// mailbox on it, after telling the others to let go of theirs, and keeps it open for a while after the last poll. What
// the mailbox holds is acknowledged to the broker only when the client acknowledges it; until then every poll gets it
// again from the oldest on. When the mailbox is closed or lost, the broker has all of it again, in its old order, for
// the next replica.
//
// A fence is a message of this package in a user's queue: once it is delivered, everything that was in the queue before
// it has been. That is how a mailbox that was just opened knows that it has the whole backlog, and a poll that does not
// want to wait knows that there really is nothing. Clients never see fences.
package mailbox

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/logging"
	"github.com/orkestro/orkestro/pkg/message"
)

// What a reader may meet, to be tested with errors.Is.
var (
	// ErrNoQueue: the user has no queue.
	ErrNoQueue = errors.New("mailbox: no queue")
	// ErrLost: the queue or the connection to the broker is gone; what was held is with the broker again.
	ErrLost = errors.New("mailbox: lost")
	// ErrSuperseded: a newer poll or stream of the same user took over, here or at another replica.
	ErrSuperseded = errors.New("mailbox: superseded")
	// ErrFinished: the session is closed and its user has acknowledged everything.
	ErrFinished = errors.New("mailbox: finished")
	// ErrCrowded: as many mailboxes as allowed are being read.
	ErrCrowded = errors.New("mailbox: too many at once")
)

// Key names a mailbox.
type Key struct {
	Session control.SessionID
	User    control.UserID
}

func (k Key) queue() string { return message.UserQueue(k.Session, k.User).Name }

// Broker is what a pool needs of the message broker.
type Broker interface {
	broker.Publisher
	OpenMailbox(ctx context.Context, queue string, prefetch int) (broker.Mailbox, error)
}

// Config are the bounds of a pool.
type Config struct {
	Replica string        // this process, as it calls itself in notices
	Max     int           // mailboxes open at once
	Idle    time.Duration // how long one stays open without a reader
}

// Pool is the mailboxes of one replica. Each is owned by a goroutine that Close waits for. Safe for concurrent use.
type Pool struct {
	broker  Broker
	config  Config
	cursors *Cursors
	metrics *Metrics
	log     *slog.Logger

	ctx      context.Context //nolint:containedctx // ends the goroutines of the mailboxes, which outlive the polls
	cancel   context.CancelFunc
	group    sync.WaitGroup
	draining chan struct{} // closed by Drain

	mu     sync.Mutex
	closed bool
	boxes  map[Key]*box
}

// NewPool has no mailbox open yet. Close ends it.
func NewPool(b Broker, config Config, cursors *Cursors, metrics *Metrics, logger *slog.Logger) *Pool {
	ctx, cancel := context.WithCancel(context.Background())
	p := &Pool{
		broker: b, config: config, cursors: cursors, metrics: metrics,
		log: logger.With(logging.KeyComponent, "mailbox"), ctx: ctx, cancel: cancel,
		draining: make(chan struct{}), boxes: map[Key]*box{},
	}
	metrics.watch(p)
	return p
}

// Drain ends every wait from now on: readers get what there is at once.
func (p *Pool) Drain() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.draining:
	default:
		close(p.draining)
	}
}

// endIfDraining is [ErrLost] for a stream of a pool that drains, else err.
func (p *Pool) endIfDraining(err error) error {
	select {
	case <-p.draining:
		return ErrLost
	default:
		return err
	}
}

// Close closes every mailbox and waits for them; what they held is with the broker again.
func (p *Pool) Close() {
	p.Drain()
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.cancel()
	p.group.Wait()
}

// Notice acts on the news that a replica takes a mailbox: if it is another one, its reader is the newer and ours ends.
// When two replicas take it at the same moment, the one whose news comes later keeps it.
func (p *Pool) Notice(id string, t message.TakeMailbox) {
	p.mu.Lock()
	b := p.boxes[Key{Session: t.Session, User: t.User}]
	p.mu.Unlock()
	if b != nil {
		b.noticed(id, t.Replica == p.config.Replica)
	}
}

// Active is the users that are reading, or were within the last moment.
func (p *Pool) Active(within time.Duration) []Key {
	p.mu.Lock()
	boxes := make([]*box, 0, len(p.boxes))
	for _, b := range p.boxes {
		boxes = append(boxes, b)
	}
	p.mu.Unlock()
	var keys []Key
	for _, b := range boxes {
		if b.idleFor() < within {
			keys = append(keys, b.key)
		}
	}
	return keys
}

// box is the open mailbox of a user; it is opened if it is not.
func (p *Pool) box(ctx context.Context, k Key) (*box, error) {
	for {
		b, err := p.claim(k)
		if err != nil {
			return nil, err
		}
		select {
		case <-b.opened:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if b.err != nil {
			return nil, b.err
		}
		if !b.leaving() {
			return b, nil
		}
		select {
		case <-b.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// claim finds the box of a key, or starts one.
func (p *Pool) claim(k Key) (*box, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if b := p.boxes[k]; b != nil {
		return b, nil
	}
	if p.closed {
		return nil, ErrLost
	}
	if len(p.boxes) >= p.config.Max && !p.evictLocked() {
		return nil, ErrCrowded
	}
	b := newBox(p, k)
	p.boxes[k] = b
	p.group.Go(b.run)
	return b, nil
}

// evictLocked closes the mailbox that has been without a reader for longest; mu is held. It reports false if every one
// is being read.
func (p *Pool) evictLocked() bool {
	var oldest *box
	var longest time.Duration
	for _, b := range p.boxes {
		if idle := b.idleFor(); idle > longest && !b.leaving() {
			oldest, longest = b, idle
		}
	}
	return oldest != nil && oldest.stopIfIdle()
}

func (p *Pool) forget(b *box) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.boxes[b.key] == b {
		delete(p.boxes, b.key)
	}
}

// size is how many mailboxes are open.
func (p *Pool) size() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.boxes)
}
