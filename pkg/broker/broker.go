// Package broker is the message broker as Orkestro's services see it: durable queues, fan-out exchanges, confirmed
// publishing, competing consumers, and mailboxes that keep what is not acknowledged. Package broker/amqp is RabbitMQ,
// package broker/memory the same semantics within one process; package broker/brokertest is the contract that both
// pass.
package broker

import (
	"context"
	"errors"
	"time"
)

// Errors that every adapter returns, to be tested with errors.Is.
var (
	// ErrUnroutable: no queue of that name took the message (AMQP basic.return 312).
	ErrUnroutable = errors.New("broker: no such queue")
	// ErrNotFound: the queue or exchange does not exist.
	ErrNotFound = errors.New("broker: queue or exchange not found")
	// ErrFull: a bounded queue is full and refused the message; nothing was lost, try later.
	ErrFull = errors.New("broker: queue is full")
	// ErrUnavailable: the broker cannot be reached or did not confirm; the message may or may not have been taken.
	ErrUnavailable = errors.New("broker: unavailable")
	// ErrClosed: this broker, subscription or mailbox was closed by its owner.
	ErrClosed = errors.New("broker: closed")
)

// Message is what travels. Everything but Body is the envelope, carried in properties and headers.
type Message struct {
	ID          string // UUIDv7, or derived from another id; handlers are idempotent by it
	Type        string // see package message
	Session     string
	User        string
	Time        time.Time // kept to the millisecond
	Version     int       // schema version of Body
	TraceParent string    // W3C trace context, "" if there is none
	ReplyTo     string    // queue that the sender wants an answer on, "" for none
	Correlation string    // in an answer: the ID of the request
	Transient   bool      // may be lost in a broker restart
	Body        []byte    // JSON
	Failure     *Failure  // why it lies in the dead-letter queue, nil anywhere else
}

// Failure says why a message was given up.
type Failure struct {
	Queue    string // where it came from
	Reason   string
	Time     time.Time
	Attempts int // how often it was tried
}

// Delivery is a message handed to a consumer. Attempts counts earlier tries that failed or were lost with their
// consumer.
type Delivery struct {
	Message
	Attempts int
}

// Queue describes a durable queue. Declaring is idempotent; the same name always comes with the same settings.
type Queue struct {
	Name      string
	Expires   time.Duration // deleted when unused (no consumer, not declared again) for so long; 0: never
	MaxLength int           // messages; publishing to a full queue is [ErrFull]. 0: no limit
	// Exclusive gives a mailbox that opens while another is open nothing until the other is closed or lost
	// (RabbitMQ: x-single-active-consumer), so that order survives a change of reader.
	Exclusive bool
}

// Topology declares and deletes. All methods are idempotent: deleting what is not there succeeds. Errors: [ErrNotFound]
// from Bind and BindExchange, [ErrUnavailable], and one that trying again cannot mend for a queue that exists with
// other settings. Safe for concurrent use.
type Topology interface {
	DeclareQueue(ctx context.Context, q Queue) error
	DeleteQueue(ctx context.Context, name string) error
	// DeclareExchange makes a durable fan-out exchange.
	DeclareExchange(ctx context.Context, name string) error
	DeleteExchange(ctx context.Context, name string) error
	Bind(ctx context.Context, queue, exchange string) error
	// BindExchange gives the queues of inner what goes to outer: all of them in one step. A queue that both lead to gets
	// a message once.
	BindExchange(ctx context.Context, inner, outer string) error
}

// Publisher sends, and returns only when the broker has confirmed. Messages of one goroutine keep their order. Safe for
// concurrent use.
type Publisher interface {
	// Send puts m on one queue. Errors: [ErrUnroutable], [ErrFull], [ErrUnavailable], or ctx's.
	Send(ctx context.Context, queue string, m Message) error
	// Broadcast puts m on every queue bound to exchange. Errors: [ErrNotFound] for an exchange that does not exist,
	// [ErrUnroutable] if no queue is bound to it, [ErrFull] if one of the queues is full (the others have the message
	// then), [ErrUnavailable], or ctx's.
	Broadcast(ctx context.Context, exchange string, m Message) error
}

// Handler acts on one delivery. nil acknowledges it. Another error has it tried again, on any consumer, after a growing
// delay; after SubscribeOptions.MaxAttempts tries, or at once when the error is [Permanent], it goes to the dead-letter
// queue with the error's text as reason. So does, untried, a message that was lost with its consumers that often. Tries
// that end with a [Postpone]d error do not count. A handler must be idempotent by message id; its context ends when the
// subscription is closed and cannot wait any longer, and when the delivery is lost: somebody else gets it then.
type Handler func(ctx context.Context, d Delivery) error

// SubscribeOptions bounds a subscription.
type SubscribeOptions struct {
	Concurrency int // handlers at once, and the prefetch; at least 1
	MaxAttempts int // tries before the dead-letter queue; at least 1
}

// Info is a moment's view of a queue.
type Info struct {
	Messages  int // ready, not counting those that a consumer holds
	Consumers int
}

// Consumer receives. Safe for concurrent use.
type Consumer interface {
	// Subscribe handles the messages of a queue until the subscription is closed, over reconnections. If the queue is
	// deleted the subscription ends by itself. Errors: [ErrNotFound], [ErrUnavailable].
	Subscribe(ctx context.Context, queue string, o SubscribeOptions, h Handler) (Subscription, error)
	// OpenMailbox reads a queue whose messages are acknowledged later and one by one. At most prefetch are held
	// unacknowledged. Errors: [ErrNotFound], [ErrUnavailable].
	OpenMailbox(ctx context.Context, queue string, prefetch int) (Mailbox, error)
	// Inspect looks at a queue. Errors: [ErrNotFound], [ErrUnavailable].
	Inspect(ctx context.Context, queue string) (Info, error)
}

// Subscription is a running consumer with a handler.
type Subscription interface {
	// Close takes no more messages and waits for the handlers in flight; what they do not finish before ctx ends goes
	// back to the queue.
	Close(ctx context.Context) error
	// Done is closed when the subscription has ended, by Close or because its queue was deleted.
	Done() <-chan struct{}
}

// Mailbox holds the unacknowledged messages of one queue.
type Mailbox interface {
	// Deliveries gives the messages in queue order. It is closed when the mailbox is closed or lost (connection, queue
	// deleted); everything unacknowledged is then back in the queue, in its old order.
	Deliveries() <-chan MailboxDelivery
	// Close puts everything unacknowledged back in its old place, in one step with giving up the queue.
	Close() error
}

// MailboxDelivery is one message held by a mailbox. Ack removes it from the queue for good; it returns when the request
// is on its way, and an error only if the mailbox is lost (then the message comes again).
type MailboxDelivery struct {
	Message
	Ack func() error
}

// Broker is everything together. Ready is nil while the broker can be used, and says what is wrong otherwise. Close
// ends subscriptions, as their own Close does but within seconds, and mailboxes; every call after it gets [ErrClosed].
type Broker interface {
	Topology
	Publisher
	Consumer
	Ready() error
	Close() error
}

// Permanent marks an error that trying again cannot mend.
func Permanent(err error) error { return &permanentError{err} }

// IsPermanent reports whether err was marked by [Permanent].
func IsPermanent(err error) bool {
	var p *permanentError
	return errors.As(err, &p)
}

// Postpone marks an error that is no fault of the message: what its handler needs is away. The message is tried again
// for as long as that takes.
func Postpone(err error) error { return &postponedError{err} }

// IsPostponed reports whether err was marked by [Postpone].
func IsPostponed(err error) bool {
	var p *postponedError
	return errors.As(err, &p)
}

type postponedError struct{ err error }

func (p *postponedError) Error() string { return p.err.Error() }
func (p *postponedError) Unwrap() error { return p.err }

type permanentError struct{ err error }

func (p *permanentError) Error() string { return p.err.Error() }
func (p *permanentError) Unwrap() error { return p.err }

// DeadLetterQueue holds what failed too often, declared when the first message needs it. Its messages keep their
// envelope and body, with [Failure] added.
const DeadLetterQueue = "orkestro.dead"
