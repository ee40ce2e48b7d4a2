package amqp

import (
	"context"
	"strconv"
	"sync"

	"github.com/rabbitmq/amqp091-go"

	"github.com/orkestro/orkestro/pkg/broker"
)

// mailbox implements [broker.Mailbox] as a channel with one consumer. RabbitMQ puts everything that a closing channel
// holds back in its old place and then serves the next consumer, in one step of the queue.
type mailbox struct {
	channel    *amqp091.Channel
	source     <-chan amqp091.Delivery
	deliveries chan broker.MailboxDelivery
	calls      *sync.WaitGroup
	link       *mailboxLink

	// gate keeps acknowledgements and the end apart: RabbitMQ ignores one that it reads after channel.close, which must
	// not look like a success. Writing an acknowledgement does not wait for an answer.
	gate    sync.RWMutex
	closed  bool
	closing chan struct{} // closed together with setting closed

	left    chan struct{} // closed when Close has said goodbye, answered or not
	leaving sync.Once
}

// Deliveries implements [broker.Mailbox].
func (m *mailbox) Deliveries() <-chan broker.MailboxDelivery { return m.deliveries }

// Close implements [broker.Mailbox].
func (m *mailbox) Close() error {
	m.shut()
	defer m.leaving.Do(func() { close(m.left) })
	// A broker that does not say goodbye has everything back when it notices that the channel is closed.
	ctx, cancel := context.WithTimeout(context.Background(), goodbyeTimeout)
	defer cancel()
	_, err := await(ctx, m.calls, func() (struct{}, error) {
		return struct{}{}, ignoreClosed(m.channel.Close())
	}, func(struct{}) {})
	return err
}

func (m *mailbox) shut() {
	m.gate.Lock()
	defer m.gate.Unlock()
	if !m.closed {
		m.closed = true
		close(m.closing)
	}
}

func (m *mailbox) ack(d *amqp091.Delivery) error {
	m.gate.RLock()
	defer m.gate.RUnlock()
	if m.closed || d.Ack(false) != nil {
		return broker.ErrClosed
	}
	return nil
}

// run passes deliveries on until the mailbox is closed or lost.
func (m *mailbox) run() {
	defer close(m.deliveries)
	for {
		select {
		case d, ok := <-m.source:
			if !ok {
				return
			}
			m.pass(&d)
		case <-m.left:
			m.calls.Go(func() {
				for range m.source { // ends with the channel, or with the connection of a broker that does not answer
					continue
				}
			})
			return
		}
	}
}

func (m *mailbox) pass(d *amqp091.Delivery) {
	message, _ := decode(d)
	select {
	case m.deliveries <- broker.MailboxDelivery{Message: message, Ack: func() error { return m.ack(d) }}:
	case <-m.closing:
	}
}

// ignoreClosed takes a channel that is gone already as closed: the broker has its messages back, or will have once it
// notices.
func ignoreClosed(err error) error {
	if err == nil || isOurs(err) {
		return err
	}
	return nil
}

// mailboxes opens mailboxes. A link has room for so many channels only, so there are as many links as it takes.
type mailboxes struct {
	newLink func(name string) *link
	calls   *sync.WaitGroup

	mu    sync.Mutex
	links []*mailboxLink
	open  map[*mailbox]struct{}
}

// mailboxLink is a link and the number of mailboxes on it, which mailboxes.mu guards.
type mailboxLink struct {
	*link
	count int
}

// openMailbox starts to read queue.
func (b *mailboxes) openMailbox(ctx context.Context, queue string, prefetch int) (*mailbox, error) {
	reserved := b.reserve()
	if _, err := reserved.connection(ctx); err != nil {
		b.release(reserved)
		return nil, err
	}
	m, err := await(ctx, b.calls, func() (*mailbox, error) {
		return b.start(ctx, reserved, queue, prefetch)
	}, func(late *mailbox) { _ = late.channel.Close() })
	if err != nil {
		b.release(reserved)
		return nil, err
	}
	b.mu.Lock()
	b.open[m] = struct{}{}
	b.mu.Unlock()
	b.calls.Go(func() {
		m.run()
		b.ended(m)
	})
	return m, nil
}

func (b *mailboxes) start(ctx context.Context, l *mailboxLink, queue string, prefetch int) (*mailbox, error) {
	connection, err := l.connection(ctx)
	if err != nil {
		return nil, err
	}
	ch, err := connection.Channel()
	if err != nil {
		return nil, err
	}
	deliveries, err := consumeAlone(ch, queue, prefetch)
	if err != nil {
		_ = ch.Close() // the refusal has closed it in most cases
		return nil, err
	}
	return &mailbox{
		channel: ch, source: deliveries, deliveries: make(chan broker.MailboxDelivery), closing: make(chan struct{}),
		left: make(chan struct{}), calls: b.calls, link: l,
	}, nil
}

func consumeAlone(ch *amqp091.Channel, queue string, prefetch int) (<-chan amqp091.Delivery, error) {
	if err := ch.Qos(prefetch, 0, false); err != nil {
		return nil, err
	}
	return ch.Consume(queue, "mailbox", false, false, false, false, nil)
}

// ended forgets a mailbox whose deliveries have ended. It closes the channel, which is still open when the queue was
// deleted.
func (b *mailboxes) ended(m *mailbox) {
	_ = m.channel.Close()
	b.mu.Lock()
	delete(b.open, m)
	b.mu.Unlock()
	b.release(m.link)
}

// reserve takes a place on a link, a new one if all are full.
func (b *mailboxes) reserve() *mailboxLink {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, l := range b.links {
		if l.count < mailboxesPerLink {
			l.count++
			return l
		}
	}
	l := &mailboxLink{link: b.newLink("mailboxes " + strconv.Itoa(len(b.links)+1)), count: 1}
	b.links = append(b.links, l)
	return l
}

func (b *mailboxes) release(l *mailboxLink) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l.count--
}

// shut marks every mailbox as closed. Their channels end with the links, each as if it had been closed by itself.
func (b *mailboxes) shut() {
	b.mu.Lock()
	open := make([]*mailbox, 0, len(b.open))
	for m := range b.open {
		open = append(open, m)
	}
	b.mu.Unlock()
	for _, m := range open {
		m.shut()
	}
}

// all is every link there is.
func (b *mailboxes) all() []*link {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := make([]*link, 0, len(b.links))
	for _, l := range b.links {
		list = append(list, l.link)
	}
	return list
}
