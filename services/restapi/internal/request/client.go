// Package request sends the requests of HTTP callers to Wrappers and waits for their replies, on one reply queue a
// replica. The HTTP layer calls it; it knows the envelope of messages and nothing of what requests mean.
package request

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/logging"
	"github.com/orkestro/orkestro/pkg/message"
)

const (
	// backoffMin and backoffMax bound the pause before the reply queue is tried again. Chosen: without it no request is
	// answered.
	backoffMin = 50 * time.Millisecond
	backoffMax = 500 * time.Millisecond
	// closeTimeout bounds the wait for the reply handler when the replica stops; it never blocks for long.
	closeTimeout = time.Second
	// maxAttempts of handling a reply; the handler does not fail.
	maxAttempts = 3
)

// ErrNoReply says that nobody answered in time. The request was taken and will still be handled.
var ErrNoReply = errors.New("request: no reply yet")

// Request is what is published. ID is the request's id, the same again when it is repeated.
type Request struct {
	ID          string
	Type        string
	Session     control.SessionID
	User        control.UserID
	TraceParent string
	Body        any
}

// Notice acts on a [message.TakeMailbox] with the given message id. It must not block.
type Notice func(id string, t message.TakeMailbox)

// Client publishes requests and hands each reply to whoever waits for it. Run owns the reply queue; the other methods
// are safe for concurrent use.
type Client struct {
	broker  broker.Broker
	replica string
	notice  Notice
	log     *slog.Logger
	metrics metrics

	mu         sync.Mutex
	pending    map[string]chan message.Reply
	subscribed bool
}

// New is a client of one replica. Run must run for it to get replies.
func New(b broker.Broker, replica string, notice Notice, logger *slog.Logger) *Client {
	return &Client{
		broker: b, replica: replica, notice: notice, log: logger.With(logging.KeyComponent, "request"),
		metrics: newMetrics(), pending: map[string]chan message.Reply{},
	}
}

// Ready is nil while replies can arrive.
func (c *Client) Ready() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.subscribed {
		return errors.New("the reply queue is not being read")
	}
	return nil
}

// Run reads the reply queue until ctx ends, and makes it again whenever it is lost.
func (c *Client) Run(ctx context.Context) {
	pause := backoffMin
	for ctx.Err() == nil {
		subscription, err := c.subscribe(ctx)
		if err == nil {
			pause = backoffMin
			c.serve(ctx, subscription)
			continue
		}
		c.log.DebugContext(ctx, "the reply queue cannot be read yet", logging.KeyError, err)
		select {
		case <-ctx.Done():
		case <-time.After(pause + rand.N(pause)): //nolint:gosec // jitter needs no secrecy
		}
		pause = min(2*pause, backoffMax)
	}
}

func (c *Client) subscribe(ctx context.Context) (broker.Subscription, error) {
	queue := message.ReplyQueue(c.replica)
	// Requests to a fleet whose Wrappers are still starting wait for them.
	if err := c.broker.DeclareQueue(ctx, message.Wrapper()); err != nil {
		return nil, fmt.Errorf("declare the queue of the Wrappers: %w", err)
	}
	if err := c.broker.DeclareExchange(ctx, message.RestAPIExchange); err != nil {
		return nil, fmt.Errorf("declare the exchange of the REST replicas: %w", err)
	}
	if err := c.broker.DeclareQueue(ctx, queue); err != nil {
		return nil, fmt.Errorf("declare the reply queue: %w", err)
	}
	if err := c.broker.Bind(ctx, queue.Name, message.RestAPIExchange); err != nil {
		return nil, fmt.Errorf("bind the reply queue: %w", err)
	}
	// One at a time: notices are judged by their order, and a handler only hands over.
	options := broker.SubscribeOptions{Concurrency: 1, MaxAttempts: maxAttempts}
	return c.broker.Subscribe(ctx, queue.Name, options, c.handle)
}

// serve waits for the end of a subscription or of ctx.
func (c *Client) serve(ctx context.Context, s broker.Subscription) {
	c.setSubscribed(true)
	defer c.setSubscribed(false)
	select {
	case <-s.Done():
		c.log.WarnContext(ctx, "the reply queue was lost and is made again")
	case <-ctx.Done():
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		if err := s.Close(closing); err != nil {
			c.log.WarnContext(ctx, "the reply queue did not close in time", logging.KeyError, err)
		}
	}
}

func (c *Client) setSubscribed(subscribed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.subscribed = subscribed
}

// handle hands a delivery over: a reply to its waiter, a notice to the mailboxes.
func (c *Client) handle(_ context.Context, d broker.Delivery) error {
	switch d.Type {
	case message.TypeReply:
		var reply message.Reply
		if err := json.Unmarshal(d.Body, &reply); err != nil {
			return broker.Permanent(fmt.Errorf("decode a reply: %w", err))
		}
		c.deliver(d.Correlation, reply)
	case message.TypeTakeMailbox:
		var take message.TakeMailbox
		if err := json.Unmarshal(d.Body, &take); err != nil {
			return broker.Permanent(fmt.Errorf("decode a notice: %w", err))
		}
		c.notice(d.ID, take)
	default: // of a newer release
	}
	return nil
}

// deliver gives a reply to its waiter. One that comes too late or twice is dropped: the request is answered by then.
func (c *Client) deliver(id string, reply message.Reply) {
	c.mu.Lock()
	waiter := c.pending[id]
	c.mu.Unlock()
	select {
	case waiter <- reply:
	default:
	}
}

// Send publishes a request to a queue; it returns when the broker has confirmed it. Errors: [control.CodeUnavailable].
func (c *Client) Send(ctx context.Context, queue string, r Request) error {
	return c.send(ctx, queue, r, "")
}

// Do publishes a request and waits for its reply until ctx ends. Errors: [ErrNoReply], [control.CodeUnavailable] if it
// could not be published, or what the reply says.
func (c *Client) Do(ctx context.Context, queue string, r Request) (json.RawMessage, error) {
	waiter := make(chan message.Reply, 1)
	c.mu.Lock()
	c.pending[r.ID] = waiter
	c.mu.Unlock()
	defer c.forget(r.ID, waiter)

	if err := c.send(ctx, queue, r, message.ReplyQueue(c.replica).Name); err != nil {
		return nil, err
	}
	select {
	case reply := <-waiter:
		if reply.Code != "" {
			return nil, &control.Error{
				Code: reply.Code, Detail: reply.Detail,
				RetryAfter: time.Duration(reply.RetryAfterMS) * time.Millisecond,
			}
		}
		return reply.Result, nil
	case <-ctx.Done():
		c.metrics.noReply(ctx, r.Type)
		return nil, ErrNoReply
	}
}

func (c *Client) forget(id string, waiter chan message.Reply) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pending[id] == waiter {
		delete(c.pending, id)
	}
}

func (c *Client) send(ctx context.Context, queue string, r Request, replyTo string) error {
	body, err := json.Marshal(r.Body)
	if err != nil {
		return fmt.Errorf("encode request %s: %w", r.Type, err)
	}
	err = c.broker.Send(ctx, queue, broker.Message{
		ID: r.ID, Type: r.Type, Session: string(r.Session), User: string(r.User), Time: time.Now(),
		Version: message.Version, TraceParent: r.TraceParent, ReplyTo: replyTo, Body: body,
	})
	return Unavailable(fmt.Sprintf("publish request %s", r.Type), err)
}

// Unavailable is err of a call to the broker as callers of the API are told of it: try again. nil stays nil.
func Unavailable(doing string, err error) error {
	if err == nil {
		return nil
	}
	return &control.Error{
		Code: control.CodeUnavailable, Detail: "the request could not be passed on",
		RetryAfter: time.Second, Err: fmt.Errorf("%s: %w", doing, err),
	}
}
