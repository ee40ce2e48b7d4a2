package mailbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
)

const (
	// settleTimeout is how long a mailbox that was just opened may take to get its backlog. Chosen: much longer than
	// a broker needs, and short for a client that does not want to wait.
	settleTimeout = 2 * time.Second
	// reclaimAfter is when the other replicas are told once more: the news may have been lost.
	reclaimAfter = 700 * time.Millisecond
)

// Query is what a poll or stream begins with.
type Query struct {
	Ack    string // cursor up to which the client has everything, "" for none
	Closed bool   // the session is closed: nothing will come after what is pending
}

// Message is one message for a client.
type Message struct {
	ID     string
	Type   string
	Body   []byte // JSON
	Cursor string // acknowledges it and everything before
}

// Batch is what a poll returns.
type Batch struct {
	Messages []Message
	Cursor   string // acknowledges all of Messages
}

// Reader is one poll or event stream. It is used by one goroutine, which closes it.
type Reader struct {
	box    *box
	query  Query
	acked  string        // id that the query acknowledges
	ended  chan struct{} // closed when a newer reader comes
	after  uint64        // number of the last item that Next returned
	fenced bool          // the backlog was complete after this reader came
}

// Open begins to read a user's messages: the older reader ends, and what the query acknowledges is removed for good.
// Errors: [ErrCursor], [ErrNoQueue], [ErrSuperseded], [ErrLost], [ErrFinished], [ErrCrowded], those of the broker, or
// ctx's.
func (p *Pool) Open(ctx context.Context, k Key, q Query) (*Reader, error) {
	acked := ""
	if q.Ack != "" {
		id, err := p.cursors.Decode(k, q.Ack)
		if err != nil {
			return nil, err
		}
		acked = id
	}
	r, err := p.enter(ctx, k, q, acked)
	if err != nil {
		return nil, err
	}
	if err := r.settle(ctx); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// enter makes a reader the one of its box.
func (p *Pool) enter(ctx context.Context, k Key, q Query, acked string) (*Reader, error) {
	for {
		b, err := p.box(ctx, k)
		if err != nil {
			return nil, err
		}
		r := &Reader{box: b, query: q, acked: acked, ended: make(chan struct{})}
		if b.admit(r) {
			p.metrics.readers.Inc()
			return r, nil
		}
	}
}

// admit reports false if the box was left meanwhile.
func (b *box) admit(r *Reader) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.left != nil {
		return false
	}
	if b.reader != nil {
		close(b.reader.ended)
	}
	b.reader = r
	return true
}

// Close ends the reader. The mailbox stays open for a while; nothing is acknowledged.
func (r *Reader) Close() {
	b := r.box
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pool.metrics.readers.Dec()
	if b.reader == r {
		b.reader = nil
		b.usedAt = time.Now()
	}
}

// settle waits for the backlog of a mailbox that was just opened and applies the acknowledgement. One whose message is
// not held was applied before.
func (r *Reader) settle(ctx context.Context) error {
	if !r.box.isSynced() {
		if err := r.sync(ctx, true); err != nil {
			return err
		}
	}
	if r.query.Ack == "" {
		return nil
	}
	finished, err := r.box.acknowledge(r.acked)
	if err != nil {
		return err
	}
	if finished {
		return ErrFinished
	}
	return nil
}

// sync makes sure that what is in the queue by now has been delivered, as long as that does not take longer than the
// settle time. When the mailbox was just opened, the other replicas are told once more if it takes long.
func (r *Reader) sync(ctx context.Context, opening bool) error {
	if opening {
		if err := r.pass(ctx, reclaimAfter); r.fenced || err != nil {
			return err
		}
		if err := r.box.announce(ctx); err != nil {
			return err
		}
	}
	return r.pass(ctx, settleTimeout)
}

// pass sends a fence and waits until it has come through, or until the mailbox holds as much as it may.
func (r *Reader) pass(ctx context.Context, patience time.Duration) error {
	fence, err := r.box.fence(ctx)
	if err != nil {
		return err
	}
	defer r.box.dropFence(fence)
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	r.fenced, err = r.await(ctx, timeout.C, func() bool {
		return !r.box.fences[fence] || len(r.box.held) >= prefetch
	})
	return err
}

// await waits until condition, which is called with the box locked, is true; it reports false when the timer fires or
// the pool drains first. Errors: [ErrSuperseded], [ErrLost], or ctx's.
func (r *Reader) await(ctx context.Context, timeout <-chan time.Time, condition func() bool) (bool, error) {
	b := r.box
	for {
		b.mu.Lock()
		ok, left, changed := condition(), b.left, b.changed
		b.mu.Unlock()
		if left != nil {
			return false, left
		}
		if ok {
			return true, nil
		}
		select {
		case <-changed:
		case <-r.ended:
			return false, ErrSuperseded
		case <-ctx.Done():
			return false, ctx.Err()
		case <-b.pool.draining:
			return false, nil
		case <-timeout:
			return false, nil
		}
	}
}

// Batch is the first limit unacknowledged messages, as soon as there are any, and else, after wait, none. Errors:
// [ErrSuperseded], [ErrLost], [ErrFinished], those of the broker, or ctx's.
func (r *Reader) Batch(ctx context.Context, limit int, wait time.Duration) (Batch, error) {
	pending := func() bool { return len(r.box.held) > 0 }
	if err := r.lookTwice(ctx, wait == 0); err != nil {
		return Batch{}, err
	}
	timeout := time.NewTimer(wait)
	defer timeout.Stop()
	if _, err := r.await(ctx, timeout.C, pending); err != nil {
		return Batch{}, err
	}
	return r.box.batch(limit, r.acked), nil
}

// lookTwice makes sure that nothing is on its way before a poll says that there is nothing: one that does not wait, and
// one of a closed session, where nothing is the end.
func (r *Reader) lookTwice(ctx context.Context, now bool) error {
	if r.box.size() > 0 || (!now && !r.query.Closed) {
		return nil
	}
	if !r.fenced {
		if err := r.sync(ctx, false); err != nil {
			return err
		}
	}
	if r.query.Closed && r.fenced && r.box.size() == 0 {
		return ErrFinished
	}
	return nil
}

// Next is the messages that this reader has not returned yet, as soon as there are any, and else, after wait, none.
// Errors as those of Batch.
func (r *Reader) Next(ctx context.Context, wait time.Duration) ([]Message, error) {
	if r.after == 0 {
		if err := r.lookTwice(ctx, false); err != nil {
			return nil, err
		}
	}
	b := r.box
	timeout := time.NewTimer(wait)
	defer timeout.Stop()
	news := func() bool { return len(b.held) > 0 && b.held[len(b.held)-1].number > r.after }
	if ok, err := r.await(ctx, timeout.C, news); !ok || err != nil {
		return nil, b.pool.endIfDraining(err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	var messages []Message
	for _, i := range b.held {
		if i.number > r.after {
			messages = append(messages, b.messageLocked(i))
			r.after = i.number
		}
	}
	return messages, nil
}

func (b *box) isSynced() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.synced
}

func (b *box) size() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.held)
}

// batch is the first limit messages. An empty one has the cursor of what was acknowledged last.
func (b *box) batch(limit int, acked string) Batch {
	b.mu.Lock()
	defer b.mu.Unlock()
	messages := make([]Message, 0, min(limit, len(b.held)))
	for _, i := range b.held[:cap(messages)] {
		messages = append(messages, b.messageLocked(i))
	}
	if len(messages) > 0 {
		return Batch{Messages: messages, Cursor: messages[len(messages)-1].Cursor}
	}
	if b.last != "" {
		acked = b.last
	}
	return Batch{Messages: messages, Cursor: b.pool.cursors.Encode(b.key, acked)}
}

func (b *box) messageLocked(i *item) Message {
	if !i.delivered {
		i.delivered = true
		b.pool.metrics.delivered(i.Time)
	}
	return Message{ID: i.ID, Type: i.Type, Body: i.Body, Cursor: b.pool.cursors.Encode(b.key, i.ID)}
}

// acknowledge removes everything up to the message id for good. It reports true when that was the last message of a
// session. Errors: [ErrLost].
func (b *box) acknowledge(id string) (finished bool, err error) {
	for _, i := range b.cut(id) {
		if err := i.Ack(); err != nil {
			b.stop(ErrLost)
			return false, ErrLost
		}
		finished = finished || i.Type == message.UserTypeSessionClosed
	}
	return finished, nil
}

// cut takes everything up to the message id out of what is held.
func (b *box) cut(id string) []*item {
	b.mu.Lock()
	defer b.mu.Unlock()
	for n, i := range b.held {
		if i.ID == id {
			acked := b.held[:n+1]
			b.held = append([]*item(nil), b.held[n+1:]...)
			b.last = id
			b.wakeLocked()
			return acked
		}
	}
	return nil
}

func (b *box) dropFence(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.fences, id)
}

// fence sends a fence and gives its id, to be dropped in the end. A full queue takes none, but then there is more than
// a mailbox can hold.
func (b *box) fence(ctx context.Context) (string, error) {
	id := control.NewID()
	b.mu.Lock()
	b.fences[id] = true
	b.mu.Unlock()
	err := b.pool.broker.Send(ctx, b.key.queue(), broker.Message{
		ID: id, Type: typeFence, Correlation: b.id, Session: string(b.key.Session), User: string(b.key.User),
		Time: time.Now(), Version: message.Version, Transient: true, Body: []byte("{}"),
	})
	switch {
	case err == nil, errors.Is(err, broker.ErrFull):
		return id, nil
	case errors.Is(err, broker.ErrUnroutable):
		b.dropFence(id)
		return "", ErrLost
	default:
		b.dropFence(id)
		return "", fmt.Errorf("send a fence to user %s: %w", b.key.User, err)
	}
}
