package brokertest

import (
	"errors"
	"time"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/testkit"
)

func topologyContract() []contract {
	return []contract{
		{"DeclareIsIdempotent", checkDeclareIsIdempotent},
		{"DeclareWithOtherSettings", checkDeclareWithOtherSettings},
		{"DeletingWhatIsNotThere", checkDeletingWhatIsNotThere},
		{"WhatIsNotThere", checkWhatIsNotThere},
		{"BindExchange", checkBindExchange},
		{"QueueExpires", checkQueueExpires},
		{"InspectExchange", checkInspectExchange},
		{"ReadyUntilClosed", checkReadyUntilClosed},
	}
}

func checkDeclareIsIdempotent(f *fixture) {
	q := broker.Queue{Name: f.queue(broker.Queue{MaxLength: 10, Exclusive: true, Expires: time.Hour})}
	q.MaxLength, q.Exclusive, q.Expires = 10, true, time.Hour
	f.send(q.Name, "1")
	f.must(f.other.DeclareQueue(f.Context(), q))
	f.expectContents(q.Name, "1")

	exchange := f.exchange(q.Name)
	f.must(f.other.DeclareExchange(f.Context(), exchange))
	f.must(f.other.Bind(f.Context(), q.Name, exchange))
	f.must(f.broker.Broadcast(f.Context(), exchange, message("2")))
	f.expectContents(q.Name, "1", "2")
}

func checkDeclareWithOtherSettings(f *fixture) {
	name := f.queue(broker.Queue{})
	err := f.broker.DeclareQueue(f.Context(), broker.Queue{Name: name, MaxLength: 5})
	if err == nil || errors.Is(err, broker.ErrUnavailable) {
		f.Fatalf("got %v, want an error that says what is wrong", err)
	}
	f.send(name, "1") // the refusal disturbs nobody
}

func checkDeletingWhatIsNotThere(f *fixture) {
	f.must(f.broker.DeleteQueue(f.Context(), "test.missing"))
	f.must(f.broker.DeleteExchange(f.Context(), "test.missing"))
}

func checkWhatIsNotThere(f *fixture) {
	ctx, missing := f.Context(), "test.missing"
	queue, exchange := f.queue(broker.Queue{}), f.exchange()
	f.mustBe(f.broker.Bind(ctx, missing, exchange), broker.ErrNotFound)
	f.mustBe(f.broker.Bind(ctx, queue, missing), broker.ErrNotFound)
	_, err := f.broker.Inspect(ctx, missing)
	f.mustBe(err, broker.ErrNotFound)
	_, err = f.broker.OpenMailbox(ctx, missing, 1)
	f.mustBe(err, broker.ErrNotFound)
	_, err = f.broker.Subscribe(ctx, missing, broker.SubscribeOptions{Concurrency: 1, MaxAttempts: 1}, nil)
	f.mustBe(err, broker.ErrNotFound)
	f.mustBe(f.broker.Broadcast(ctx, missing, message("1")), broker.ErrNotFound)
	f.mustBe(f.broker.Send(ctx, missing, message("1")), broker.ErrUnroutable)
}

// checkBindExchange has an exchange take nothing until another one, with all its queues, is bound to it.
func checkBindExchange(f *fixture) {
	ctx := f.Context()
	a, b := f.queue(broker.Queue{}), f.queue(broker.Queue{})
	inner, outer := f.exchange(a, b), f.exchange()
	f.mustBe(f.broker.Broadcast(ctx, outer, message("1")), broker.ErrUnroutable)
	f.must(f.other.BindExchange(ctx, inner, outer))
	f.must(f.other.BindExchange(ctx, inner, outer))
	f.must(f.broker.Broadcast(ctx, outer, message("2")))
	f.must(f.broker.Bind(ctx, a, outer)) // two ways to a
	f.must(f.broker.Broadcast(ctx, outer, message("3")))
	f.must(f.broker.DeleteExchange(ctx, inner))
	f.must(f.broker.Broadcast(ctx, outer, message("4")))
	f.expectContents(a, "2", "3", "4")
	f.expectContents(b, "2", "3")
	f.mustBe(f.broker.BindExchange(ctx, inner, outer), broker.ErrNotFound)
	f.mustBe(f.broker.BindExchange(ctx, outer, inner), broker.ErrNotFound)
}

func checkQueueExpires(f *fixture) {
	const lease = 300 * time.Millisecond
	unused, used := f.queue(broker.Queue{Expires: lease}), f.queue(broker.Queue{Expires: lease})
	m := f.mailbox(f.broker, used, 1)
	untilGone := func(queue string) {
		testkit.Eventually(f, func() error {
			if err := f.broker.Send(f.Context(), queue, message("1")); !errors.Is(err, broker.ErrUnroutable) {
				return errors.New("queue is still there")
			}
			return nil
		})
	}
	untilGone(unused)
	f.send(used, "2") // a queue with a consumer stays
	f.expect(m, "2")
	f.must(m.Close())
	untilGone(used)
}

func checkReadyUntilClosed(f *fixture) {
	testkit.Eventually(f, f.broker.Ready)
	queue := f.queue(broker.Queue{})
	f.must(f.broker.Close())
	if f.broker.Ready() == nil {
		f.Error("a closed broker is ready")
	}
	f.mustBe(f.broker.Send(f.Context(), queue, message("1")), broker.ErrClosed)
	f.mustBe(f.broker.DeleteQueue(f.Context(), queue), broker.ErrClosed)
	_, err := f.broker.OpenMailbox(f.Context(), queue, 1)
	f.mustBe(err, broker.ErrClosed)
	_, err = f.broker.Subscribe(f.Context(), queue, broker.SubscribeOptions{}, nil)
	f.mustBe(err, broker.ErrClosed)
	f.must(f.broker.Close())
}
