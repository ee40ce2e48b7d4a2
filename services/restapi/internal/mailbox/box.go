package mailbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/logging"
	"github.com/orkestro/orkestro/pkg/message"
)

const (
	// prefetch is how many messages a mailbox holds: two batches of the largest size (HTTP API contract).
	prefetch = 512
	// openTimeout bounds telling the other replicas and opening the queue.
	openTimeout = 5 * time.Second
	// raceTime is how long after telling the others an older claim of another replica may still come in.
	raceTime = time.Second
)

// typeFence is the message type of fences.
const typeFence = "fence"

// box is one open mailbox. Its goroutine, run, opens the queue, takes in what it delivers and closes it; readers look
// at what is held under mu and wait for changed.
//
//	opening -> open -> leaving (stop: idle, taken over, pool closed) -> done
//	              `--> done (lost: connection, queue deleted)
type box struct {
	pool *Pool
	key  Key
	id   string // tells its fences from others

	strays []broker.MailboxDelivery // fences of others, of the goroutine

	opened chan struct{} // closed when open, or when opening failed with err
	err    error         // set before opened is closed
	quit   chan struct{} // closed by stop
	done   chan struct{} // closed at the very end

	mu      sync.Mutex
	changed chan struct{} // closed and made anew with every change below
	held    []*item       // unacknowledged, oldest first
	taken   uint64        // how many items were ever taken in
	fences  map[string]bool
	synced  bool   // everything that was in the queue before it was opened has been delivered
	last    string // id of the last message acknowledged here
	reader  *Reader
	usedAt  time.Time
	left    error     // why no reader may come any more: ErrSuperseded, ErrLost; nil while open
	quitted bool      // quit is closed
	claim   string    // id of the last notice to the other replicas
	claimAt time.Time // when it was sent
	claimed bool      // it came back: whatever comes after it is newer
}

// item is one message that is held.
type item struct {
	broker.MailboxDelivery
	number    uint64 // counts the items of a box from 1
	delivered bool   // handed to a reader before
}

func newBox(p *Pool, k Key) *box {
	return &box{
		pool: p, key: k, id: control.NewID(),
		opened: make(chan struct{}), quit: make(chan struct{}), done: make(chan struct{}),
		changed: make(chan struct{}), fences: map[string]bool{}, usedAt: time.Now(),
	}
}

// run is the life of the box.
func (b *box) run() {
	defer close(b.done)
	mailbox, err := b.open()
	if err != nil {
		b.err = err
		b.pool.forget(b)
		close(b.opened)
		return
	}
	close(b.opened)
	b.receive(mailbox)
	b.pool.forget(b)
	b.leave(ErrLost)
}

func (b *box) open() (broker.Mailbox, error) {
	ctx, cancel := context.WithTimeout(b.pool.ctx, openTimeout)
	defer cancel()
	if err := b.announce(ctx); err != nil {
		return nil, err
	}
	mailbox, err := b.pool.broker.OpenMailbox(ctx, b.key.queue(), prefetch)
	switch {
	case errors.Is(err, broker.ErrNotFound):
		return nil, ErrNoQueue
	case err != nil:
		return nil, fmt.Errorf("open the mailbox of user %s: %w", b.key.User, err)
	default:
		return mailbox, nil
	}
}

// announce tells the other replicas to let go of this user's queue.
func (b *box) announce(ctx context.Context) error {
	id := control.NewID()
	body, err := json.Marshal(message.TakeMailbox{
		Session: b.key.Session, User: b.key.User, Replica: b.pool.config.Replica,
	})
	if err != nil {
		return fmt.Errorf("encode a notice: %w", err)
	}
	b.mu.Lock()
	b.claim, b.claimAt, b.claimed = id, time.Now(), false
	b.mu.Unlock()
	err = b.pool.broker.Broadcast(ctx, message.RestAPIExchange, broker.Message{
		ID: id, Type: message.TypeTakeMailbox, Session: string(b.key.Session), User: string(b.key.User),
		Time: time.Now(), Version: message.Version, Transient: true, Body: body,
	})
	if err != nil {
		return fmt.Errorf("take the mailbox of user %s: %w", b.key.User, err)
	}
	return nil
}

// noticed acts on the news of a claim: our own marks the moment from which others are newer.
func (b *box) noticed(id string, own bool) {
	b.mu.Lock()
	newer := !own && (b.claimed || time.Since(b.claimAt) > raceTime)
	if own && id == b.claim {
		b.claimed = true
	}
	b.mu.Unlock()
	if newer {
		b.stop(ErrSuperseded)
	}
}

// receive takes in deliveries until the mailbox is closed or lost.
func (b *box) receive(mailbox broker.Mailbox) {
	idle := time.NewTimer(b.pool.config.Idle)
	defer idle.Stop()
	for {
		select {
		case d, ok := <-mailbox.Deliveries():
			if !ok {
				return
			}
			b.take(d)
		case <-idle.C:
			remaining := b.pool.config.Idle - b.idleFor()
			if remaining <= 0 {
				b.stopIfIdle()
			}
			idle.Reset(max(remaining, time.Millisecond))
		case <-b.quit:
			b.close(mailbox)
			return
		case <-b.pool.ctx.Done():
			b.leave(ErrLost)
			b.close(mailbox)
			return
		}
	}
}

// close gives the queue up; what is still on its way to us is with the broker again.
func (b *box) close(mailbox broker.Mailbox) {
	if err := mailbox.Close(); err != nil {
		b.pool.log.Debug("a mailbox did not close cleanly", logging.KeyUser, b.key.User, logging.KeyError, err)
	}
	for range mailbox.Deliveries() {
		continue
	}
}

// take holds a delivery for the readers, unless it is not for them: a fence, what is held already, or what is no JSON
// and would spoil every batch.
func (b *box) take(d broker.MailboxDelivery) {
	if d.Type == typeFence {
		b.takeFence(d)
		return
	}
	if !json.Valid(d.Body) || !b.hold(d) {
		b.drop(d)
	}
}

// takeFence notes that a fence of this box has come through. One of another box that comes after that is of a newer
// reader, which waits for it: it goes back to the queue with everything else. One that comes before was left behind, or
// is of a reader at the same moment, which sends another.
func (b *box) takeFence(d broker.MailboxDelivery) {
	b.mu.Lock()
	own, synced := d.Correlation == b.id, b.synced
	if own {
		delete(b.fences, d.ID)
		b.synced = true
		b.wakeLocked()
	}
	b.mu.Unlock()
	switch {
	case own:
		b.drop(d)
		for _, stray := range b.strays {
			b.drop(stray)
		}
		b.strays = nil
	case synced:
		b.stop(ErrSuperseded)
	default:
		b.strays = append(b.strays, d)
	}
}

// drop removes a delivery for good. An error means that the mailbox is lost: it comes again, to be dropped again.
func (b *box) drop(d broker.MailboxDelivery) { _ = d.Ack() }

// hold reports false for a message that is held already.
func (b *box) hold(d broker.MailboxDelivery) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, other := range b.held {
		if other.ID == d.ID {
			return false
		}
	}
	b.taken++
	b.held = append(b.held, &item{MailboxDelivery: d, number: b.taken})
	b.wakeLocked()
	return true
}

// stop ends the box for a reason that its reader gets.
func (b *box) stop(reason error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stopLocked(reason)
}

// stopIfIdle ends the box unless it is being read.
func (b *box) stopIfIdle() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.reader != nil {
		return false
	}
	b.stopLocked(ErrLost)
	return true
}

func (b *box) stopLocked(reason error) {
	if b.left == nil {
		b.left = reason
		b.wakeLocked()
	}
	if !b.quitted {
		b.quitted = true
		close(b.quit)
	}
}

// leave turns readers away when the box ends without having been stopped.
func (b *box) leave(reason error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.left == nil {
		b.left = reason
		b.wakeLocked()
	}
}

func (b *box) leaving() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.left != nil
}

// idleFor is how long nobody has read, 0 while somebody does.
func (b *box) idleFor() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.reader != nil {
		return 0
	}
	return time.Since(b.usedAt)
}

func (b *box) wakeLocked() {
	close(b.changed)
	b.changed = make(chan struct{})
}
