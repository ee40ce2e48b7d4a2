package brokertest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/testkit"
)

func subscribeContract() []contract {
	return []contract{
		{"SubscribeInOrder", checkSubscribeInOrder},
		{"ConcurrencyIsBounded", checkConcurrencyIsBounded},
		{"ConsumersCompete", checkConsumersCompete},
		{"FailedMessageIsTriedAgain", checkFailedMessageIsTriedAgain},
		{"PostponedMessageIsNotGivenUp", checkPostponedMessageIsNotGivenUp},
		{"RetryInFullQueue", checkRetryInFullQueue},
		{"CloseDuringRetry", checkCloseDuringRetry},
		{"DeadLetters", checkDeadLetters},
		{"MessageThatIsLostTooOften", checkMessageThatIsLostTooOften},
		{"DeletedQueueEndsSubscription", checkDeletedQueueEndsSubscription},
		{"HandlerDeletesItsQueue", checkHandlerDeletesItsQueue},
		{"CloseWaitsForHandlers", checkCloseWaitsForHandlers},
		{"CloseGivesBackWhatIsUnfinished", checkCloseGivesBackWhatIsUnfinished},
	}
}

func one(attempts int) broker.SubscribeOptions {
	return broker.SubscribeOptions{Concurrency: 1, MaxAttempts: attempts}
}

func checkSubscribeInOrder(f *fixture) {
	queue := f.queue(broker.Queue{})
	f.send(queue, numbered(1, 5)...)
	bodies := make(chan string, 10)
	f.subscribe(queue, one(1), func(_ context.Context, d broker.Delivery) error {
		if d.Attempts != 0 {
			f.Errorf("attempts of a new message: %d", d.Attempts)
		}
		bodies <- string(d.Body)
		return nil
	})
	f.send(queue, numbered(6, 10)...)
	for _, want := range numbered(1, 10) {
		f.same(receive(f, bodies), want)
	}
	f.expectReady(queue, 0)
}

func checkConcurrencyIsBounded(f *fixture) {
	queue := f.queue(broker.Queue{})
	f.send(queue, numbered(1, 8)...)
	started, release := make(chan struct{}), make(chan struct{})
	f.subscribe(queue, broker.SubscribeOptions{Concurrency: 3, MaxAttempts: 1},
		func(context.Context, broker.Delivery) error {
			started <- struct{}{}
			<-release
			return nil
		})
	for range 3 {
		receive(f, started)
	}
	select {
	case <-started:
		f.Fatal("a fourth handler runs")
	case <-time.After(silence):
	}
	f.expectReady(queue, 5) // no more is taken than can be handled
	close(release)
	for range 5 {
		receive(f, started)
	}
}

func checkConsumersCompete(f *fixture) {
	const messages = 60
	queue := f.queue(broker.Queue{})
	var mu sync.Mutex
	seen := map[string]int{}
	shares := [2]atomic.Int64{}
	var left sync.WaitGroup
	left.Add(messages)
	for i, b := range []broker.Broker{f.broker, f.other} {
		s, err := b.Subscribe(f.Context(), queue, broker.SubscribeOptions{Concurrency: 2, MaxAttempts: 1},
			func(_ context.Context, d broker.Delivery) error {
				mu.Lock()
				defer mu.Unlock()
				seen[d.ID]++
				shares[i].Add(1)
				left.Done()
				return nil
			})
		f.must(err)
		defer func() { _ = f.closeIn(s, patience) }()
	}
	f.send(queue, numbered(1, messages)...)
	left.Wait()
	for id, times := range seen {
		if times != 1 {
			f.Errorf("message %s was handled %d times", id, times)
		}
	}
	if len(seen) != messages || shares[0].Load() == 0 || shares[1].Load() == 0 {
		f.Errorf("%d messages handled, shares %d and %d", len(seen), shares[0].Load(), shares[1].Load())
	}
}

func checkFailedMessageIsTriedAgain(f *fixture) {
	queue := f.queue(broker.Queue{})
	tries := make(chan broker.Delivery, 10)
	f.subscribe(queue, one(5), func(_ context.Context, d broker.Delivery) error {
		tries <- d
		if d.Attempts < 2 {
			return errors.New("not yet")
		}
		return nil
	})
	sent := message("1")
	f.must(f.broker.Send(f.Context(), queue, sent))
	begun := time.Now()
	for attempts := range 3 {
		d := receive(f, tries)
		f.same(d, broker.Delivery{Message: sent, Attempts: attempts})
	}
	if took := time.Since(begun); took < 80*time.Millisecond {
		f.Errorf("three tries within %s: there was no delay", took)
	}
	f.expectReady(queue, 0)
}

// checkPostponedMessageIsNotGivenUp has what a handler needs be away for longer than a message may be tried.
func checkPostponedMessageIsNotGivenUp(f *fixture) {
	queue := f.queue(broker.Queue{})
	tries := make(chan broker.Delivery, 10)
	f.subscribe(queue, one(1), func(_ context.Context, d broker.Delivery) error {
		tries <- d
		return broker.Postpone(errors.New("something is away"))
	})
	sent := message("1")
	f.must(f.broker.Send(f.Context(), queue, sent))
	for range 3 {
		f.same(receive(f, tries), broker.Delivery{Message: sent})
	}
}

// checkRetryInFullQueue has a message fail while newer ones have taken its place: it was let in once and is not lost.
func checkRetryInFullQueue(f *fixture) {
	queue := f.queue(broker.Queue{MaxLength: 1})
	started, handled := make(chan struct{}, 10), make(chan string, 10)
	var failed atomic.Bool
	f.subscribe(queue, one(5), func(_ context.Context, d broker.Delivery) error {
		started <- struct{}{}
		if !failed.Swap(true) {
			return errors.New("not yet")
		}
		handled <- string(d.Body)
		return nil
	})
	f.send(queue, "1")
	receive(f, started)
	f.send(queue, "2")
	got := map[string]bool{receive(f, handled): true, receive(f, handled): true}
	f.same(got, map[string]bool{"1": true, "2": true})
	f.expectReady(queue, 0)
}

// checkCloseDuringRetry closes a subscription that is about to try a message again: it stays for the next one.
func checkCloseDuringRetry(f *fixture) {
	queue := f.queue(broker.Queue{})
	failed := make(chan struct{}, 10)
	s := f.subscribe(queue, one(1000), func(context.Context, broker.Delivery) error {
		failed <- struct{}{}
		return errors.New("not yet")
	})
	f.send(queue, "1")
	for range 4 { // the delay is longer than the time it takes to get here by now
		receive(f, failed)
	}
	f.must(f.closeIn(s, patience))
	f.expectContents(queue, "1")
}

func checkDeadLetters(f *fixture) {
	f.must(f.broker.DeleteQueue(f.Context(), broker.DeadLetterQueue)) // it is made when needed
	queue := f.queue(broker.Queue{})
	f.subscribe(queue, one(3), func(_ context.Context, d broker.Delivery) error {
		if string(d.Body) == "hopeless" {
			return broker.Permanent(errors.New("cannot be mended"))
		}
		return errors.New("failed again")
	})
	hopeless, stubborn := message("hopeless"), message("stubborn")
	for _, c := range []struct {
		sent broker.Message
		want broker.Failure
	}{
		{hopeless, broker.Failure{Queue: queue, Reason: "cannot be mended", Attempts: 1}},
		{stubborn, broker.Failure{Queue: queue, Reason: "failed again", Attempts: 3}},
	} {
		f.must(f.broker.Send(f.Context(), queue, c.sent))
		dead := f.deadLetter(c.sent.ID)
		if age := time.Since(dead.Failure.Time); age < -time.Minute || age > time.Minute {
			f.Errorf("time of the failure is %s", dead.Failure.Time)
		}
		dead.Failure.Time = time.Time{}
		f.same(*dead.Failure, c.want)
		dead.Failure = nil
		f.same(dead, c.sent)
	}
	f.expectReady(queue, 0)
}

// checkMessageThatIsLostTooOften loses a message with its consumer as often as it may be tried, as one that kills its
// process would be: nobody gets it again.
func checkMessageThatIsLostTooOften(f *fixture) {
	queue := f.queue(broker.Queue{})
	sent := message("poison")
	f.must(f.broker.Send(f.Context(), queue, sent))
	for lost := range 2 {
		attempts := make(chan int, 1)
		s := f.subscribe(queue, one(2), func(ctx context.Context, d broker.Delivery) error {
			attempts <- d.Attempts
			<-ctx.Done()
			return nil
		})
		f.same(receive(f, attempts), lost)
		f.mustBe(f.closeIn(s, silence), context.DeadlineExceeded)
	}
	f.subscribe(queue, one(2), func(context.Context, broker.Delivery) error {
		f.Error("handled once more")
		return nil
	})
	dead := f.deadLetter(sent.ID)
	f.same(dead.Failure.Attempts, 2)
	f.same(dead.Failure.Queue, queue)
}

// deadLetter takes the message with this id off the dead-letter queue.
func (f *fixture) deadLetter(id string) broker.Message {
	f.Helper()
	testkit.Eventually(f, func() error {
		_, err := f.broker.Inspect(f.Context(), broker.DeadLetterQueue)
		return err
	})
	m := f.mailbox(f.broker, broker.DeadLetterQueue, 100)
	defer func() { _ = m.Close() }()
	for {
		if d := receive(f, m.Deliveries()); d.ID == id {
			f.must(d.Ack())
			return d.Message
		}
	}
}

func checkDeletedQueueEndsSubscription(f *fixture) {
	queue := f.queue(broker.Queue{})
	s := f.subscribe(queue, one(1), func(context.Context, broker.Delivery) error { return nil })
	f.must(f.other.DeleteQueue(f.Context(), queue))
	closed(f, s.Done())
	f.must(s.Close(f.Context()))
}

func checkHandlerDeletesItsQueue(f *fixture) {
	queue := f.queue(broker.Queue{})
	s := f.subscribe(queue, one(1), func(ctx context.Context, _ broker.Delivery) error {
		return f.broker.DeleteQueue(ctx, queue)
	})
	f.send(queue, "1")
	closed(f, s.Done())
}

func checkCloseWaitsForHandlers(f *fixture) {
	queue := f.queue(broker.Queue{})
	started, release := make(chan struct{}), make(chan struct{})
	var finished atomic.Bool
	s := f.subscribe(queue, one(1), func(ctx context.Context, _ broker.Delivery) error {
		close(started)
		<-release
		finished.Store(ctx.Err() == nil)
		return nil
	})
	f.send(queue, "1", "2")
	closed(f, started)
	result := make(chan error, 1)
	go func() { result <- f.closeIn(s, patience) }()
	select {
	case <-result:
		f.Fatal("closed with a handler in flight")
	case <-time.After(silence):
	}
	close(release)
	f.must(receive(f, result))
	if !finished.Load() {
		f.Error("the handler did not finish in peace")
	}
	closed(f, s.Done())
	f.expectContents(queue, "2")
}

func checkCloseGivesBackWhatIsUnfinished(f *fixture) {
	queue := f.queue(broker.Queue{})
	started, gone := make(chan struct{}), make(chan struct{})
	s := f.subscribe(queue, one(3), func(ctx context.Context, _ broker.Delivery) error {
		close(started)
		<-ctx.Done()
		close(gone)
		return nil // too late to count
	})
	f.send(queue, "1")
	closed(f, started)
	f.mustBe(f.closeIn(s, silence), context.DeadlineExceeded)
	closed(f, gone)
	again := make(chan broker.Delivery, 1)
	f.subscribe(queue, one(3), func(_ context.Context, d broker.Delivery) error {
		again <- d
		return nil
	})
	d := receive(f, again)
	if string(d.Body) != "1" || d.Attempts != 1 {
		f.Errorf("got message %s after %d attempts, want 1 after 1", d.Body, d.Attempts)
	}
}
