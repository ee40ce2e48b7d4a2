package deadletter_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orkestro/orkestro/cmd/orkestro/internal/deadletter"
	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/broker/amqp"
	"github.com/orkestro/orkestro/pkg/broker/memory"
	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/pkg/testkit/rabbit"
)

// TestQueue runs on both brokers: what an operator does is done with RabbitMQ.
func TestQueue(t *testing.T) {
	brokers := map[string]func(t *testing.T) broker.Broker{
		"memory": func(*testing.T) broker.Broker { return memory.New(slog.New(slog.DiscardHandler)) },
		"rabbit": func(t *testing.T) broker.Broker {
			t.Helper()
			b, err := amqp.Open(t.Context(), amqp.Config{URL: rabbit.Shared(t).URL()}, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			testkit.Eventually(t, b.Ready)
			return b
		},
	}
	tests := map[string]func(*fixture){
		"Empty": testEmpty, "List": testList, "Get": testGet, "Replay": testReplay, "ReplayOne": testReplayOne,
		"DryRun": testDryRun, "Drop": testDrop, "BrokerFails": testBrokerFails,
	}
	for name, open := range brokers {
		for test, run := range tests {
			t.Run(name+"/"+test, func(t *testing.T) {
				b := open(t)
				t.Cleanup(func() {
					_ = b.DeleteQueue(context.Background(), broker.DeadLetterQueue)
					_ = b.DeleteQueue(context.Background(), origin)
					_ = b.Close()
				})
				run(&fixture{T: t, broker: b, queue: deadletter.New(b)})
			})
		}
	}
}

const (
	origin = "test.origin"
	limit  = 10
)

type fixture struct {
	*testing.T
	broker broker.Broker
	queue  *deadletter.Queue
}

func (f *fixture) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

// bury puts messages 1..n on the dead-letter queue.
func (f *fixture) bury(n int) {
	f.Helper()
	f.must(f.broker.DeclareQueue(f.Context(), broker.Queue{Name: broker.DeadLetterQueue}))
	f.must(f.broker.DeclareQueue(f.Context(), broker.Queue{Name: origin, MaxLength: 3}))
	for i := range n {
		f.must(f.broker.Send(f.Context(), broker.DeadLetterQueue, dead(strconv.Itoa(i+1), origin)))
	}
}

func dead(id, queue string) broker.Message {
	return broker.Message{
		ID: id, Type: "join", Session: "s", Time: time.UnixMilli(1_700_000_000_000).UTC(), Body: []byte(`{"n":` + id + `}`),
		Failure: &broker.Failure{
			Queue: queue, Reason: "because", Attempts: 8, Time: time.UnixMilli(1_700_000_001_000).UTC(),
		},
	}
}

// contents is the ids on a queue, which stay there.
func (f *fixture) contents(queue string, want ...string) {
	f.Helper()
	mailbox, err := f.broker.OpenMailbox(f.Context(), queue, limit)
	f.must(err)
	defer func() { _ = mailbox.Close() }()
	for _, id := range want {
		select {
		case d := <-mailbox.Deliveries():
			if d.ID != id {
				f.Fatalf("%s: got message %s, want %s", queue, d.ID, id)
			}
		case <-time.After(20 * time.Second):
			f.Fatalf("%s: message %s is not there", queue, id)
		}
	}
	info, err := f.broker.Inspect(f.Context(), queue)
	f.must(err)
	if info.Messages > 0 {
		f.Errorf("%s: %d messages more than %v", queue, info.Messages, want)
	}
}

func ids(messages []broker.Message) []string {
	var list []string
	for _, m := range messages {
		list = append(list, m.ID)
	}
	return list
}

func testEmpty(f *fixture) {
	list, total, err := f.queue.List(f.Context(), limit)
	if len(list) != 0 || total != 0 || err != nil {
		f.Errorf("%v, %d, %v", list, total, err)
	}
	if _, err := f.queue.Replay(f.Context(), deadletter.Selection{Limit: limit}); err != nil {
		f.Error(err)
	}
}

func testList(f *fixture) {
	f.bury(4)
	list, total, err := f.queue.List(f.Context(), 3)
	f.must(err)
	if total != 4 || !slices.Equal(ids(list), []string{"1", "2", "3"}) {
		f.Errorf("%v of %d", ids(list), total)
	}
	want := dead("1", origin)
	want.Body = nil
	if difference := cmp.Diff(want, list[0]); difference != "" {
		f.Error(difference)
	}
	f.contents(broker.DeadLetterQueue, "1", "2", "3", "4")
}

func testGet(f *fixture) {
	f.bury(3)
	got, err := f.queue.Get(f.Context(), "2", limit)
	f.must(err)
	if difference := cmp.Diff(dead("2", origin), got); difference != "" {
		f.Error(difference)
	}
	if _, err := f.queue.Get(f.Context(), "9", limit); !errors.Is(err, deadletter.ErrNotFound) {
		f.Errorf("got %v", err)
	}
	f.contents(broker.DeadLetterQueue, "1", "2", "3")
}

// testReplay has one message of a session that is closed, and more messages than their queue takes.
func testReplay(f *fixture) {
	f.bury(1)
	f.must(f.broker.Send(f.Context(), broker.DeadLetterQueue, dead("gone", "test.gone")))
	nowhere := dead("nowhere", "")
	nowhere.Failure = nil
	f.must(f.broker.Send(f.Context(), broker.DeadLetterQueue, nowhere))
	for _, id := range []string{"2", "3", "full"} {
		f.must(f.broker.Send(f.Context(), broker.DeadLetterQueue, dead(id, origin)))
	}
	outcomes, err := f.queue.Replay(f.Context(), deadletter.Selection{Limit: limit})
	f.must(err)
	var done []string
	for _, o := range outcomes {
		if o.Done != (o.Why == "") {
			f.Errorf("%+v", o)
		}
		if o.Done {
			done = append(done, o.Message.ID)
		}
	}
	if len(outcomes) != 6 || !slices.Equal(done, []string{"1", "2", "3"}) {
		f.Errorf("done %v of %+v", done, outcomes)
	}
	f.contents(broker.DeadLetterQueue, "gone", "nowhere", "full")
	f.contents(origin, "1", "2", "3")
	f.notFailed()
}

// notFailed checks that a replayed message is as it was sent first.
func (f *fixture) notFailed() {
	f.Helper()
	mailbox, err := f.broker.OpenMailbox(f.Context(), origin, 1)
	f.must(err)
	defer func() { _ = mailbox.Close() }()
	want := dead("1", origin)
	want.Failure = nil
	if difference := cmp.Diff(want, (<-mailbox.Deliveries()).Message); difference != "" {
		f.Error(difference)
	}
}

func testReplayOne(f *fixture) {
	f.bury(3)
	outcomes, err := f.queue.Replay(f.Context(), deadletter.Selection{ID: "2", Limit: limit})
	f.must(err)
	if len(outcomes) != 1 || !outcomes[0].Done {
		f.Errorf("%+v", outcomes)
	}
	f.contents(broker.DeadLetterQueue, "1", "3")
	f.contents(origin, "2")
	_, err = f.queue.Replay(f.Context(), deadletter.Selection{ID: "2", Limit: limit})
	if !errors.Is(err, deadletter.ErrNotFound) {
		f.Errorf("got %v", err)
	}
}

func testDryRun(f *fixture) {
	f.bury(1)
	f.must(f.broker.Send(f.Context(), broker.DeadLetterQueue, dead("gone", "test.gone")))
	outcomes, err := f.queue.Replay(f.Context(), deadletter.Selection{Limit: limit, DryRun: true})
	f.must(err)
	if len(outcomes) != 2 || outcomes[0].Why != "" || outcomes[1].Why == "" {
		f.Errorf("%+v", outcomes)
	}
	f.contents(broker.DeadLetterQueue, "1", "gone")
	f.contents(origin)
}

func testDrop(f *fixture) {
	f.bury(3)
	if _, err := f.queue.Drop(f.Context(), deadletter.Selection{ID: "1", Limit: limit}); err != nil {
		f.Error(err)
	}
	f.contents(broker.DeadLetterQueue, "2", "3")
	if _, err := f.queue.Drop(f.Context(), deadletter.Selection{Limit: limit}); err != nil {
		f.Error(err)
	}
	f.contents(broker.DeadLetterQueue)
}

// unconfirmed is a broker that does not confirm the second message that is sent.
type unconfirmed struct {
	broker.Broker
	sent int
}

func (u *unconfirmed) Send(ctx context.Context, queue string, m broker.Message) error {
	if u.sent++; u.sent == 2 {
		return broker.ErrUnavailable
	}
	return u.Broker.Send(ctx, queue, m)
}

// testBrokerFails: what was not confirmed stays where it was.
func testBrokerFails(f *fixture) {
	f.bury(3)
	outcomes, err := deadletter.New(&unconfirmed{Broker: f.broker}).
		Replay(f.Context(), deadletter.Selection{Limit: limit})
	if !errors.Is(err, broker.ErrUnavailable) || len(outcomes) != 1 {
		f.Errorf("%+v, %v", outcomes, err)
	}
	f.contents(broker.DeadLetterQueue, "2", "3")
	f.contents(origin, "1")
}
