package memory

import (
	"container/heap"
	"sync"
	"time"

	"github.com/orkestro/orkestro/pkg/broker"
)

// entry is one message in a queue. A requeued entry keeps its number, so it takes its old place again.
type entry struct {
	number   uint64
	message  broker.Message
	attempts int
}

// queue is one queue and everything that its consumers hold of it. All state is guarded by mu; nothing that it calls
// while holding mu blocks.
type queue struct {
	settings broker.Queue
	expired  func(*queue) // called without mu once the queue has expired

	mu        sync.Mutex
	last      uint64 // number of the newest entry
	ready     entries
	consumers []*consumer // the first is the active one of an exclusive queue
	turn      int         // index of the consumer that is served next
	deleted   bool
	expiry    *time.Timer // nil while it is not running
	lease     uint64      // changes whenever expiry is started or stopped
}

// newQueue is an empty queue; expired is called when it has been unused for too long.
func newQueue(settings broker.Queue, expired func(*queue)) *queue {
	q := &queue{settings: settings, expired: expired}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.restartExpiryLocked()
	return q
}

// touch renews the lease of a queue that expires. It reports false when the queue is gone already.
func (q *queue) touch() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.restartExpiryLocked()
	return !q.deleted
}

// push puts a message at the end.
func (q *queue) push(m broker.Message) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.deleted:
		return broker.ErrUnroutable
	case q.settings.MaxLength > 0 && len(q.ready) >= q.settings.MaxLength:
		return broker.ErrFull
	}
	q.pushLocked(m, 0)
	return nil
}

// retry moves an entry that c holds to the end, counted as tried so often. The bound does not apply: the message was
// let in before.
func (q *queue) retry(c *consumer, e *entry, tries int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if c.releaseLocked(e) && !q.deleted {
		q.pushLocked(e.message, tries)
	}
	q.dispatchLocked()
}

// settle removes an entry that c holds for good. It reports false when c does not hold it any more.
func (q *queue) settle(c *consumer, e *entry) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	held := c.releaseLocked(e)
	q.dispatchLocked()
	return held && !q.deleted
}

// attach lets c receive.
func (q *queue) attach(c *consumer) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.deleted {
		return broker.ErrNotFound
	}
	q.consumers = append(q.consumers, c)
	q.stopExpiryLocked()
	q.dispatchLocked()
	return nil
}

// detach takes c out of the queue; what c holds stays with it until [queue.release].
func (q *queue) detach(c *consumer) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.detachLocked(c)
	q.dispatchLocked()
}

// release takes c out of the queue and puts everything that it holds back in its old place, in one step. tried counts
// that as a try of each entry.
func (q *queue) release(c *consumer, tried bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.detachLocked(c)
	if !q.deleted {
		for _, e := range c.held {
			if tried {
				e.attempts++
			}
			heap.Push(&q.ready, e)
		}
	}
	clear(c.held)
	q.dispatchLocked()
}

// delete ends the queue and every consumer of it.
func (q *queue) delete() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.deleteLocked()
}

// inspect is what [broker.Consumer] Inspect says.
func (q *queue) inspect() (broker.Info, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.deleted {
		return broker.Info{}, broker.ErrNotFound
	}
	q.restartExpiryLocked()
	return broker.Info{Messages: len(q.ready), Consumers: len(q.consumers)}, nil
}

func (q *queue) pushLocked(m broker.Message, attempts int) {
	q.last++
	heap.Push(&q.ready, &entry{number: q.last, message: m, attempts: attempts})
	q.dispatchLocked()
}

// dispatchLocked hands ready entries to consumers that have room.
func (q *queue) dispatchLocked() {
	for len(q.ready) > 0 {
		c := q.nextLocked()
		if c == nil {
			return
		}
		e := heap.Pop(&q.ready).(*entry)
		c.held[e.number] = e
		c.deliver(e)
	}
}

// nextLocked is the consumer that gets the next entry, nil if none has room.
func (q *queue) nextLocked() *consumer {
	candidates := len(q.consumers)
	if q.settings.Exclusive {
		q.turn, candidates = 0, min(candidates, 1)
	}
	for i := range candidates {
		index := (q.turn + i) % len(q.consumers)
		if c := q.consumers[index]; len(c.held) < c.limit {
			q.turn = index + 1
			return c
		}
	}
	return nil
}

func (q *queue) detachLocked(c *consumer) {
	for i := range q.consumers {
		if q.consumers[i] == c {
			q.consumers = append(q.consumers[:i], q.consumers[i+1:]...)
			break
		}
	}
	if len(q.consumers) == 0 {
		q.restartExpiryLocked()
	}
}

func (q *queue) deleteLocked() {
	if q.deleted {
		return
	}
	q.deleted = true
	q.ready = nil
	q.stopExpiryLocked()
	for _, c := range q.consumers {
		c.ended()
	}
	q.consumers = nil
}

// restartExpiryLocked gives an unused queue its full time again.
func (q *queue) restartExpiryLocked() {
	q.stopExpiryLocked()
	if q.settings.Expires <= 0 || q.deleted || len(q.consumers) > 0 {
		return
	}
	lease := q.lease
	q.expiry = time.AfterFunc(q.settings.Expires, func() { q.expire(lease) })
}

func (q *queue) stopExpiryLocked() {
	q.lease++
	if q.expiry != nil {
		q.expiry.Stop()
		q.expiry = nil
	}
}

// expire deletes the queue unless the lease was renewed while its timer fired.
func (q *queue) expire(lease uint64) {
	q.mu.Lock()
	current := q.lease == lease
	if current {
		q.deleteLocked()
	}
	q.mu.Unlock()
	if current {
		q.expired(q)
	}
}

// entries is a heap by number: the oldest entry first.
type entries []*entry

func (e entries) Len() int           { return len(e) }
func (e entries) Less(i, j int) bool { return e[i].number < e[j].number }
func (e entries) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *entries) Push(x any)        { *e = append(*e, x.(*entry)) }

func (e *entries) Pop() any {
	last := len(*e) - 1
	popped := (*e)[last]
	(*e)[last] = nil
	*e = (*e)[:last]
	return popped
}
