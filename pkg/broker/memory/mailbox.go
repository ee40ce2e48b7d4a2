package memory

import (
	"sync"

	"github.com/orkestro/orkestro/pkg/broker"
)

// mailbox implements [broker.Mailbox]. The channel has room for everything that may be held, so that delivering under
// the queue's lock never blocks.
type mailbox struct {
	queue      *queue
	consumer   *consumer
	deliveries chan broker.MailboxDelivery
	end        sync.Once // guards closing deliveries: by Close or by the end of the queue
}

func openMailbox(q *queue, prefetch int) (*mailbox, error) {
	m := &mailbox{queue: q, deliveries: make(chan broker.MailboxDelivery, prefetch)}
	m.consumer = &consumer{limit: prefetch, held: map[uint64]*entry{}, deliver: m.deliver, ended: m.ended}
	if err := q.attach(m.consumer); err != nil {
		return nil, err
	}
	return m, nil
}

// Deliveries implements [broker.Mailbox].
func (m *mailbox) Deliveries() <-chan broker.MailboxDelivery { return m.deliveries }

// Close implements [broker.Mailbox].
func (m *mailbox) Close() error {
	m.queue.release(m.consumer, false)
	m.ended()
	return nil
}

func (m *mailbox) deliver(e *entry) {
	m.deliveries <- broker.MailboxDelivery{Message: e.message, Ack: func() error {
		if !m.queue.settle(m.consumer, e) {
			return broker.ErrClosed
		}
		return nil
	}}
}

// ended closes the channel without what nobody has read yet: it is back in the queue, or gone with it.
func (m *mailbox) ended() {
	m.end.Do(func() {
		for {
			select {
			case <-m.deliveries:
			default:
				close(m.deliveries)
				return
			}
		}
	})
}
