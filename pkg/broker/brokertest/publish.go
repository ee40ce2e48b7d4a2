package brokertest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/orkestro/orkestro/pkg/broker"
)

func publishContract() []contract {
	return []contract{
		{"SendKeepsTheEnvelope", checkSendKeepsTheEnvelope},
		{"SendToFullQueue", checkSendToFullQueue},
		{"SendWithEndedContext", checkSendWithEndedContext},
		{"SendersKeepTheirOrder", checkSendersKeepTheirOrder},
		{"BroadcastReachesAllBoundQueues", checkBroadcastReachesAllBoundQueues},
		{"BroadcastToFullQueue", checkBroadcastToFullQueue},
		{"FailuresDisturbNobody", checkFailuresDisturbNobody},
	}
}

func checkSendKeepsTheEnvelope(f *fixture) {
	queue := f.queue(broker.Queue{})
	sent := broker.Message{
		ID: "id", Type: "type", Session: "session", User: "user", Version: 7,
		Time:        time.Date(2026, 2, 3, 4, 5, 6, 789_000_000, time.UTC),
		TraceParent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		ReplyTo:     "reply", Correlation: "correlation", Transient: true, Body: []byte(`{"a":"ü"}`),
		Failure: &broker.Failure{Queue: "from", Reason: "why", Time: time.UnixMilli(42).UTC(), Attempts: 3},
	}
	f.must(f.broker.Send(f.Context(), queue, sent))
	f.must(f.broker.Send(f.Context(), queue, broker.Message{ID: "bare", Time: sent.Time}))
	m := f.mailbox(f.other, queue, 2)
	f.same(receive(f, m.Deliveries()).Message, sent)
	bare := receive(f, m.Deliveries()).Message
	bare.Body = nil // empty or nil is all the same
	f.same(bare, broker.Message{ID: "bare", Time: sent.Time})
}

func checkSendToFullQueue(f *fixture) {
	queue := f.queue(broker.Queue{MaxLength: 2})
	f.send(queue, "1", "2")
	f.mustBe(f.broker.Send(f.Context(), queue, message("3")), broker.ErrFull)
	f.expectContents(queue, "1", "2")
	m := f.mailbox(f.broker, queue, 1)
	f.must(f.expect(m, "1")[0].Ack())
	f.expect(m, "2")
	f.send(queue, "4") // there is room again
}

func checkSendWithEndedContext(f *fixture) {
	queue := f.queue(broker.Queue{})
	ctx, cancel := context.WithCancel(f.Context())
	cancel()
	f.mustBe(f.broker.Send(ctx, queue, message("1")), context.Canceled)
}

func checkSendersKeepTheirOrder(f *fixture) {
	const senders, each = 8, 25
	queue := f.queue(broker.Queue{})
	exchange := f.exchange(queue)
	var group sync.WaitGroup
	for s := range senders {
		group.Go(func() {
			for i := range each {
				m := message(fmt.Sprint(i))
				m.User = fmt.Sprint(s)
				var err error
				if i%3 == 0 {
					err = f.broker.Broadcast(f.Context(), exchange, m)
				} else {
					err = f.broker.Send(f.Context(), queue, m)
				}
				if err != nil {
					f.Error(err)
				}
			}
		})
	}
	group.Wait()
	next := map[string]int{}
	m := f.mailbox(f.broker, queue, senders*each)
	for range senders * each {
		d := receive(f, m.Deliveries())
		if want := fmt.Sprint(next[d.User]); string(d.Body) != want {
			f.Fatalf("sender %s: got message %s, want %s", d.User, d.Body, want)
		}
		next[d.User]++
	}
}

func checkBroadcastReachesAllBoundQueues(f *fixture) {
	one, two, apart := f.queue(broker.Queue{}), f.queue(broker.Queue{}), f.queue(broker.Queue{})
	f.mustBe(f.broker.Broadcast(f.Context(), f.exchange(), message("0")), broker.ErrUnroutable)
	exchange := f.exchange(one, two)
	f.must(f.broker.Broadcast(f.Context(), exchange, message("1")))
	f.must(f.broker.DeleteQueue(f.Context(), two))
	f.must(f.broker.Broadcast(f.Context(), exchange, message("2")))
	f.expectContents(one, "1", "2")
	f.expectContents(apart)
	f.must(f.broker.DeleteExchange(f.Context(), exchange))
	f.mustBe(f.broker.Broadcast(f.Context(), exchange, message("3")), broker.ErrNotFound)
}

func checkBroadcastToFullQueue(f *fixture) {
	full, roomy := f.queue(broker.Queue{MaxLength: 1}), f.queue(broker.Queue{})
	f.send(full, "1")
	exchange := f.exchange(full, roomy)
	f.mustBe(f.broker.Broadcast(f.Context(), exchange, message("2")), broker.ErrFull)
	f.expectContents(full, "1")
	f.expectContents(roomy, "2")
}

// checkFailuresDisturbNobody has good messages under way while others are refused in every way there is.
func checkFailuresDisturbNobody(f *fixture) {
	const rounds = 50
	good, full := f.queue(broker.Queue{}), f.queue(broker.Queue{MaxLength: 1})
	f.send(full, "1")
	exchange := f.exchange(good)
	calls := []struct {
		call func() error
		want error
	}{
		{func() error { return f.broker.Send(f.Context(), good, message("1")) }, nil},
		{func() error { return f.broker.Broadcast(f.Context(), exchange, message("2")) }, nil},
		{func() error { return f.broker.Send(f.Context(), "test.missing", message("3")) }, broker.ErrUnroutable},
		{func() error { return f.broker.Send(f.Context(), full, message("4")) }, broker.ErrFull},
		{func() error { return f.broker.Broadcast(f.Context(), "test.missing", message("5")) }, broker.ErrNotFound},
		{func() error { return f.broker.Bind(f.Context(), good, "test.missing") }, broker.ErrNotFound},
	}
	var group sync.WaitGroup
	for _, c := range calls {
		group.Go(func() {
			for range rounds {
				if err := c.call(); !isOrNil(err, c.want) {
					f.Errorf("got error %v, want %v", err, c.want)
				}
			}
		})
	}
	group.Wait()
	f.expectReady(good, 2*rounds)
}
