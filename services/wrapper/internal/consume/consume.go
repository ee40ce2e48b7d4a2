// Package consume turns deliveries into calls of the session logic: it decodes the body, bounds the time, answers
// whoever waits for a reply, and says what becomes of a delivery that failed. It decides nothing about sessions.
package consume

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/logging"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/services/wrapper/internal/session"
)

// Config bounds the handling of deliveries.
type Config struct {
	Concurrency int           // of one queue
	MaxAttempts int           // tries before a request is given up
	Timeout     time.Duration // of one try
	// Needs is nil while there is everything that requests need. What fails meanwhile is tried until it is back: that is
	// no fault of the request, which was acknowledged. nil: always.
	Needs func(context.Context) error
}

// needsTimeout bounds asking for what is needed.
const needsTimeout = 2 * time.Second

// Sender sends replies.
type Sender interface {
	Send(ctx context.Context, queue string, m broker.Message) error
}

// Consumer handles deliveries. Safe for concurrent use.
type Consumer struct {
	cfg     Config
	routes  map[string]route
	sender  Sender
	metrics *Metrics
	log     *slog.Logger
}

// New is a consumer that calls s.
func New(cfg Config, s *session.Service, sender Sender, metrics *Metrics, logger *slog.Logger) *Consumer {
	return &Consumer{
		cfg: cfg, routes: routes(s), sender: sender, metrics: metrics,
		log: logger.With(slog.String(logging.KeyComponent, "consume")),
	}
}

// Types are those of the messages that Handle knows.
func (c *Consumer) Types() []string { return slices.Sorted(maps.Keys(c.routes)) }

// Options are those for the subscriptions that Handle serves.
func (c *Consumer) Options() broker.SubscribeOptions {
	return broker.SubscribeOptions{Concurrency: c.cfg.Concurrency, MaxAttempts: c.cfg.MaxAttempts}
}

// Handle is the broker.Handler of the Wrappers' queue and of every session's queue.
//
//	outcome                         reply      delivery
//	done                            result     acknowledged
//	refused (not retryable)         error      acknowledged
//	failed, something is away       -          postponed
//	media server out of reach       -          postponed, after a few tries
//	of a newer release              -          postponed, see newerFor
//	failed, may be tried again      -          tried again
//	failed for the last time        error      dead-letter queue
//	cannot be read                  invalid    dead-letter queue
func (c *Consumer) Handle(ctx context.Context, d broker.Delivery) error {
	began := time.Now()
	last := d.Attempts+1 >= c.cfg.MaxAttempts
	result, err := c.call(ctx, d, last)
	c.observe(d, err, began)
	switch {
	case err == nil:
	case broker.IsPermanent(err):
		c.giveUp(ctx, d, err)
	case errors.Is(err, errNewer):
		c.log.DebugContext(ctx, "request left to a newer Wrapper", attributes(d, err)...)
		c.metrics.postponed.WithLabelValues(c.label(d)).Inc()
		return broker.Postpone(err)
	case session.Retryable(err) && (c.outOfReach(d, err) || c.lacks(ctx)):
		c.log.DebugContext(ctx, "request postponed", attributes(d, err)...)
		c.metrics.postponed.WithLabelValues(c.label(d)).Inc()
		return broker.Postpone(err)
	case session.Retryable(err) && !last:
		c.log.DebugContext(ctx, "request failed, trying again", attributes(d, err)...)
		c.metrics.retried.WithLabelValues(c.label(d)).Inc()
		return err
	case session.Retryable(err):
		c.giveUp(ctx, d, err)
	default:
		c.log.DebugContext(ctx, "request refused", attributes(d, err)...)
	}
	if replyErr := c.reply(ctx, d, result, err); replyErr != nil && !last {
		return replyErr
	}
	if broker.IsPermanent(err) || session.Retryable(err) {
		return err
	}
	return nil
}

// reachTries is how often a request is tried soon again, and counted, although its media server is out of reach: most
// often the server is being given up, and the request finds its session elsewhere.
const reachTries = 3

// outOfReach reports whether a try failed because this Wrapper does not reach a media server. That may be our trouble
// alone: the request waits until another Wrapper takes it, or the server is given up.
func (c *Consumer) outOfReach(d broker.Delivery, err error) bool {
	return d.Attempts >= min(reachTries, c.cfg.MaxAttempts-1) && errors.Is(err, session.ErrOutOfReach)
}

// lacks reports whether something is away that requests need.
func (c *Consumer) lacks(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, needsTimeout)
	defer cancel()
	return c.cfg.Needs != nil && c.cfg.Needs(ctx) != nil
}

// observe counts a try that began then.
func (c *Consumer) observe(d broker.Delivery, err error, began time.Time) {
	if d.Attempts == 0 {
		c.metrics.wait.Observe(began.Sub(d.Time).Seconds())
	}
	c.metrics.observe(c.label(d), err, time.Since(began))
}

// label is the type of a delivery; what is not known counts as one, so that nobody can make up labels.
func (c *Consumer) label(d broker.Delivery) string {
	if _, known := c.routes[d.Type]; !known {
		return "unknown"
	}
	return d.Type
}

// giveUp says so of what an operator finds in the dead-letter queue.
func (c *Consumer) giveUp(ctx context.Context, d broker.Delivery, err error) {
	c.metrics.dead.WithLabelValues(c.label(d)).Inc()
	c.log.ErrorContext(ctx, "request given up, see the dead-letter queue", attributes(d, err)...)
}

func attributes(d broker.Delivery, err error) []any {
	return []any{
		slog.String(logging.KeyType, d.Type), slog.String(logging.KeyRequest, d.ID),
		slog.String(logging.KeySession, d.Session), slog.Int("attempts", d.Attempts+1), slog.Any(logging.KeyError, err),
	}
}

func (c *Consumer) call(ctx context.Context, d broker.Delivery, last bool) (any, error) {
	if err := understood(d.Message, time.Now()); err != nil {
		return nil, err
	}
	handle, found := c.routes[d.Type]
	if !found {
		return nil, broker.Permanent(control.Errorf(control.CodeInvalid, "a message of type %q is not known", d.Type))
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	return handle(ctx, session.Request{
		ID: d.ID, Made: d.Time, Session: control.SessionID(d.Session), TraceParent: d.TraceParent, Last: last,
	}, d.Body)
}

// reply answers whoever waits. A reply queue that is gone had its replica die: nobody waits any more.
func (c *Consumer) reply(ctx context.Context, d broker.Delivery, result any, failure error) error {
	if d.ReplyTo == "" {
		return nil
	}
	reply, err := newReply(result, failure)
	if err != nil {
		return err
	}
	err = c.sender.Send(ctx, d.ReplyTo, broker.Message{
		ID: control.DeriveID(d.ID, message.TypeReply), Type: message.TypeReply, Session: d.Session, User: d.User,
		Time: time.Now().UTC(), Version: message.Version, TraceParent: d.TraceParent, Correlation: d.ID,
		Transient: true, Body: reply,
	})
	if errors.Is(err, broker.ErrUnroutable) || errors.Is(err, broker.ErrFull) {
		return nil
	}
	return err
}

func newReply(result any, failure error) ([]byte, error) {
	var reply message.Reply
	if failure != nil {
		reply.Code, reply.Detail = control.CodeOf(failure), "the request failed"
		var coded *control.Error
		if errors.As(failure, &coded) {
			reply.Detail, reply.RetryAfterMS = coded.Detail, coded.RetryAfter.Milliseconds()
		}
		return json.Marshal(reply)
	}
	if result != nil {
		data, err := json.Marshal(result)
		if err != nil {
			return nil, fmt.Errorf("encode a result: %w", err)
		}
		reply.Result = data
	}
	return json.Marshal(reply)
}
