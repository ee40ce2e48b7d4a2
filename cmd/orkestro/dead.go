package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/orkestro/orkestro/cmd/orkestro/internal/deadletter"
	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/broker/amqp"
	"github.com/orkestro/orkestro/pkg/logging"
)

// deadCommand is `orkestro dead`.
type deadCommand struct {
	List   listDead   `aliases:"list" cmd:"" help:"List messages that were given up, the oldest first."  name:"ls"`
	Show   showDead   `               cmd:"" help:"Show one, with its body."                             name:"show"`
	Replay replayDead `               cmd:"" help:"Send messages to the queues that they came from."     name:"replay"`
	Drop   dropDead   `               cmd:"" help:"Remove messages for good."                            name:"drop"`
}

// Help is printed by --help.
func (*deadCommand) Help() string {
	return `Looking changes nothing: messages keep their order, and none is lost if this program or the broker dies. A
replayed message has the id that it had, so that a request which had its effect after all is not done twice.

Exit status: 0 all was done, 1 it failed, or a message that was chosen has to stay, 2 wrong use.`
}

// deadFlags say where the dead-letter queue is and how much of it is looked at.
type deadFlags struct {
	AMQPURL string `name:"amqp-url" env:"ORKESTRO_AMQP_URL" default:"amqp://guest:guest@127.0.0.1:5672/" help:"RabbitMQ, amqp:// or amqps://."` //nolint:lll // one flag, one line
	Limit   int    `default:"1000" help:"Look at so many messages, the oldest; at most 60000."`
}

// Validate is asked by the parser.
func (f deadFlags) Validate() error {
	if f.Limit < 1 || f.Limit > deadletter.MaxLimit {
		return fmt.Errorf("--limit: 1 to %d is needed, not %d", deadletter.MaxLimit, f.Limit)
	}
	return nil
}

// with calls use with the dead-letter queue.
func (f deadFlags) with(ctx context.Context, t terminal, use func(*deadletter.Queue) error) error {
	log, err := logging.New(t.err, logging.Config{Format: "text", Level: "error"})
	if err != nil {
		return err
	}
	messages, err := connectBroker(ctx, f.AMQPURL, log)
	if err != nil {
		return err
	}
	defer func() { _ = messages.Close() }()
	err = use(deadletter.New(messages))
	if errors.Is(err, context.Canceled) { // then it was not done
		return &statusError{statusFailed, err}
	}
	return err
}

// connectTimeout is how long the first connection to the broker may take.
const connectTimeout = 10 * time.Second

// connectBroker waits for the first connection.
func connectBroker(ctx context.Context, url string, log *slog.Logger) (broker.Broker, error) {
	messages, err := amqp.Open(ctx, amqp.Config{URL: url, ConnectionName: "orkestro"}, log)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	if err := broker.AwaitReady(ctx, messages); err != nil {
		_ = messages.Close() //nolint:contextcheck // it bounds itself
		return nil, err
	}
	return messages, nil
}

// listDead is `orkestro dead ls`.
type listDead struct {
	deadFlags
	output
}

// Run implements the command.
func (c *listDead) Run(ctx context.Context, t terminal) error {
	return c.with(ctx, t, func(q *deadletter.Queue) error {
		list, total, err := q.List(ctx, c.Limit)
		if err != nil {
			return fmt.Errorf("list dead letters: %w", err)
		}
		shown := make([]deadMessage, len(list))
		for i, m := range list {
			shown[i] = newDeadMessage(m)
		}
		if err := c.print(t.out, shown, func() [][]string { return deadRows(shown) }); err != nil {
			return err
		}
		if total > len(list) {
			_, err = fmt.Fprintf(t.err, "%d of %d; --limit shows more\n", len(list), total)
		}
		return err
	})
}

// deadMessage is a message in JSON.
type deadMessage struct {
	ID       string          `json:"id"`
	Type     string          `json:"type"`
	Session  string          `json:"session,omitempty"`
	User     string          `json:"user,omitempty"`
	Sent     time.Time       `json:"sent"`
	Queue    string          `json:"queue,omitempty"`
	Reason   string          `json:"reason,omitempty"`
	Attempts int             `json:"attempts,omitempty"`
	GivenUp  time.Time       `json:"givenUp,omitzero"`
	Trace    string          `json:"traceparent,omitempty"`
	Body     json.RawMessage `json:"body,omitempty"` // a JSON string if the body is no JSON
}

func newDeadMessage(m broker.Message) deadMessage {
	d := deadMessage{ID: m.ID, Type: m.Type, Session: m.Session, User: m.User, Sent: m.Time, Trace: m.TraceParent}
	if f := m.Failure; f != nil {
		d.Queue, d.Reason, d.Attempts, d.GivenUp = f.Queue, f.Reason, f.Attempts, f.Time
	}
	switch {
	case json.Valid(m.Body):
		d.Body = m.Body
	case len(m.Body) > 0:
		d.Body, _ = json.Marshal(string(m.Body)) // a string always can be
	}
	return d
}

func deadRows(list []deadMessage) [][]string {
	rows := [][]string{{"ID", "TYPE", "SESSION", "USER", "QUEUE", "ATTEMPTS", "GIVEN UP", "REASON"}}
	for _, m := range list {
		rows = append(rows, []string{
			m.ID, orDash(m.Type), orDash(m.Session), orDash(m.User), orDash(m.Queue), strconv.Itoa(m.Attempts), age(m.GivenUp),
			cut(m.Reason),
		})
	}
	return rows
}

// maxCell is how much of a text a table shows.
const maxCell = 80

// cut is one line of s, short enough for a table.
func cut(s string) string {
	text := strconv.Quote(s)
	text = text[1 : len(text)-1]
	if utf8.RuneCountInString(text) <= maxCell {
		return orDash(text)
	}
	return string([]rune(text)[:maxCell-1]) + "…"
}

// showDead is `orkestro dead show`.
type showDead struct {
	deadFlags
	ID string `arg:"" help:"Id of the message."`
}

// Run implements the command.
func (c *showDead) Run(ctx context.Context, t terminal) error {
	return c.with(ctx, t, func(q *deadletter.Queue) error {
		m, err := q.Get(ctx, c.ID, c.Limit)
		if err != nil {
			return fmt.Errorf("show %s: %w", c.ID, err)
		}
		return output{JSON: true}.print(t.out, newDeadMessage(m), nil)
	})
}

// chosenDead are the messages that a command acts on.
type chosenDead struct {
	deadFlags
	ID     string `arg:"" help:"Id of the message." optional:""`
	All    bool   `help:"All of them, up to --limit."`
	DryRun bool   `help:"Only say what would be done."`
}

// Validate is asked by the parser.
func (c chosenDead) Validate() error {
	if (c.ID == "") != c.All {
		return fmt.Errorf("the id of a message, or --all, is needed")
	}
	return c.deadFlags.Validate()
}

// run acts on the chosen messages and prints what became of each; done and would say what it did.
func (c chosenDead) run(
	ctx context.Context, t terminal, done, would string,
	act func(*deadletter.Queue, context.Context, deadletter.Selection) ([]deadletter.Outcome, error),
) error {
	return c.with(ctx, t, func(q *deadletter.Queue) error {
		outcomes, failed := act(q, ctx, deadletter.Selection{ID: c.ID, Limit: c.Limit, DryRun: c.DryRun})
		if c.DryRun {
			done = would
		}
		if len(outcomes) > 0 {
			if err := printOutcomes(t.out, outcomes, done); err != nil {
				return err
			}
		}
		return c.failure(outcomes, failed)
	})
}

// failure is nil if everything chosen was done, or would be.
func (c chosenDead) failure(outcomes []deadletter.Outcome, failed error) error {
	kept := 0
	for _, o := range outcomes {
		if o.Why != "" {
			kept++
		}
	}
	switch {
	case failed != nil && len(outcomes) > 0:
		return fmt.Errorf("after %d messages: %w", len(outcomes), failed)
	case failed != nil && c.ID != "":
		return fmt.Errorf("%s: %w", c.ID, failed)
	case failed != nil:
		return failed
	case kept > 0:
		return fmt.Errorf("%d of %d messages have to stay", kept, len(outcomes))
	default:
		return nil
	}
}

func printOutcomes(w io.Writer, outcomes []deadletter.Outcome, done string) error {
	rows := [][]string{{"ID", "TYPE", "SESSION", "OUTCOME"}}
	for _, o := range outcomes {
		outcome := done
		if o.Why != "" {
			outcome = "kept: " + o.Why
		}
		rows = append(rows, []string{o.Message.ID, orDash(o.Message.Type), orDash(o.Message.Session), outcome})
	}
	return writeTable(w, rows)
}

// replayDead is `orkestro dead replay`.
type replayDead struct{ chosenDead }

// Run implements the command.
func (c *replayDead) Run(ctx context.Context, t terminal) error {
	return c.run(ctx, t, "replayed", "would be replayed", (*deadletter.Queue).Replay)
}

// dropDead is `orkestro dead drop`.
type dropDead struct{ chosenDead }

// Run implements the command.
func (c *dropDead) Run(ctx context.Context, t terminal) error {
	return c.run(ctx, t, "dropped", "would be dropped", (*deadletter.Queue).Drop)
}
