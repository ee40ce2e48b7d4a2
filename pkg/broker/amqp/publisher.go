package amqp

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rabbitmq/amqp091-go"

	"github.com/orkestro/orkestro/pkg/broker"
)

// publisher sends to queues. It has a few lanes, each a channel of its own; a queue always uses the same lane.
type publisher struct {
	seed  maphash.Seed
	lanes []*lane
}

// newPublisher starts the lanes, which end with ctx; group counts them.
func newPublisher(ctx context.Context, l *link, group *sync.WaitGroup) *publisher {
	p := &publisher{seed: maphash.MakeSeed()}
	for range publishLanes {
		lane := &lane{
			link: l, in: make(chan *publication), expected: map[int64]*publication{}, barrier: make(chan struct{}),
		}
		group.Go(func() { lane.run(ctx) })
		p.lanes = append(p.lanes, lane)
	}
	return p
}

// send puts m on a queue and returns when the broker has confirmed it.
func (p *publisher) send(ctx context.Context, queue string, m amqp091.Publishing) error {
	index := maphash.String(p.seed, queue) % uint64(len(p.lanes))
	return p.lanes[index].send(ctx, &publication{queue: queue, message: m, sent: make(chan error, 1)})
}

// publication is one message on its way.
type publication struct {
	queue        string
	message      amqp091.Publishing
	sent         chan error // gets the result of writing it, after which confirmation and channel are set
	confirmation *amqp091.DeferredConfirmation
	channel      *amqp091.Channel
	returned     bool // the broker sent it back: no such queue. Written by the lane's reader
}

// lane is a channel in confirm mode that many callers share:
//
//	send --publication--> run: publish ----> broker
//	send <--confirmation-- library's reader <-- basic.ack, basic.nack
//	readReturns: marks what came back <-- basic.return
//
// RabbitMQ sends basic.return before the basic.ack of the same message, and the library hands them on in that order,
// the first over an unbuffered channel. So once a caller has seen the confirmation, the return was at least received by
// readReturns; having passed its barrier, it was dealt with. A number in the headers says which message came back.
type lane struct {
	link    *link
	in      chan *publication
	barrier chan struct{}
	numbers atomic.Int64

	mu       sync.Mutex
	expected map[int64]*publication // those that may come back, by number
}

// send hands p to the lane and waits for the broker's word.
func (l *lane) send(ctx context.Context, p *publication) error {
	number := l.expect(p)
	defer l.forget(number)
	p.message.Headers[headerPublication] = number
	if err := l.enter(ctx, p); err != nil {
		return err
	}
	timer := time.NewTimer(callTimeout)
	defer timer.Stop()
	select {
	case err := <-p.sent:
		if err != nil {
			return translate(err)
		}
	case <-timer.C:
		return fmt.Errorf("%w: not written in %s", broker.ErrUnavailable, callTimeout)
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-p.confirmation.Done():
		return l.verdict(p)
	case <-timer.C:
		return fmt.Errorf("%w: not confirmed in %s", broker.ErrUnavailable, callTimeout)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// enter waits for the turn of p: for patience while there is no connection, but longer in a crowd.
func (l *lane) enter(ctx context.Context, p *publication) error {
	ticker := time.NewTicker(patience)
	defer ticker.Stop()
	for waited := patience; ; waited += patience {
		select {
		case l.in <- p:
			return nil
		case <-ticker.C:
			if err := l.link.ready(); err != nil || waited >= callTimeout {
				return errors.Join(fmt.Errorf("%w: not sent in %s", broker.ErrUnavailable, waited), err)
			}
		case <-ctx.Done():
			return ctx.Err()
		case <-l.link.done:
			return broker.ErrClosed
		}
	}
}

// verdict is what the confirmation of p means.
func (l *lane) verdict(p *publication) error {
	switch {
	case p.confirmation.Acked():
		select {
		case l.barrier <- struct{}{}:
		case <-l.link.done:
			return broker.ErrClosed
		}
		if p.returned {
			return broker.ErrUnroutable
		}
		return nil
	case p.channel.IsClosed(): // the library ends every open confirmation then
		return fmt.Errorf("%w: not confirmed: %w", broker.ErrUnavailable, errLost)
	default:
		return broker.ErrFull
	}
}

func (l *lane) expect(p *publication) int64 {
	number := l.numbers.Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expected[number] = p
	return number
}

func (l *lane) forget(number int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.expected, number)
}

// run opens the lane's channel whenever there is a connection, until ctx ends.
func (l *lane) run(ctx context.Context) {
	returns := make(chan (<-chan amqp091.Return))
	var reader sync.WaitGroup
	reader.Go(func() { l.readReturns(returns) })
	defer reader.Wait()
	defer close(returns)
	for ctx.Err() == nil {
		ch, err := l.open(ctx)
		if err != nil {
			sleep(ctx.Done(), backoff(0)) // the link has its own patience; this is for a channel that is refused
			continue
		}
		returns <- ch.NotifyReturn(make(chan amqp091.Return))
		l.publish(ch)
	}
}

func (l *lane) open(ctx context.Context) (*amqp091.Channel, error) {
	connection, err := l.link.connection(ctx)
	if err != nil {
		return nil, err
	}
	ch, err := connection.Channel()
	if err != nil {
		return nil, err
	}
	if err := ch.Confirm(false); err != nil {
		_ = ch.Close() // lost for the first reason already
		return nil, err
	}
	return ch, nil
}

// publish writes what callers hand in until the channel ends.
func (l *lane) publish(ch *amqp091.Channel) {
	closed := ch.NotifyClose(make(chan *amqp091.Error, 1))
	for {
		select {
		case p := <-l.in:
			p.channel = ch
			confirmation, err := ch.PublishWithDeferredConfirm("", p.queue, true, false, p.message)
			p.confirmation = confirmation
			p.sent <- err
		case <-closed:
			return
		}
	}
}

// readReturns marks the messages that came back on the newest channel, and lets callers pass its barrier in between.
func (l *lane) readReturns(channels <-chan (<-chan amqp091.Return)) {
	var returns <-chan amqp091.Return
	for {
		select {
		case r, ok := <-returns:
			if !ok {
				returns = nil
				continue
			}
			l.mark(r)
		case <-l.barrier:
		case newest, ok := <-channels:
			if !ok {
				return
			}
			returns = newest
		}
	}
}

func (l *lane) mark(r amqp091.Return) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p, ok := l.expected[number(r.Headers, headerPublication)]; ok {
		p.returned = true
	}
}
