package watch_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/broker/memory"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/services/wrapper/internal/watch"
)

// sessions says that those in it are live.
type sessions map[control.SessionID]bool

func (s sessions) Get(_ context.Context, id control.SessionID) (*control.Session, error) {
	if !s[id] {
		return nil, store.ErrNotFound
	}
	return &control.Session{ID: id, State: control.SessionActive}, nil
}

type fixture struct {
	broker  *memory.Broker
	queues  *watch.Queues
	handled chan string
}

func newFixture(t *testing.T, live sessions) *fixture {
	t.Helper()
	t.Cleanup(func() { goleak.VerifyNone(t) })
	log := slog.New(slog.DiscardHandler)
	f := &fixture{broker: memory.New(log), handled: make(chan string, 16)}
	handle := func(_ context.Context, d broker.Delivery) error {
		f.handled <- d.ID
		return nil
	}
	f.queues = watch.New(f.broker, live, broker.SubscribeOptions{Concurrency: 2, MaxAttempts: 2}, handle, log)
	f.queues.Register(prometheus.NewRegistry())
	t.Cleanup(func() {
		if err := f.queues.Close(context.Background()); err != nil {
			t.Error(err)
		}
		_ = f.broker.Close()
	})
	return f
}

// consumers waits until a queue has so many.
func (f *fixture) consumers(t *testing.T, queue string, want int) {
	t.Helper()
	testkit.Eventually(t, func() error {
		info, err := f.broker.Inspect(t.Context(), queue)
		if err == nil && info.Consumers != want {
			return fmt.Errorf("%d consumers, want %d", info.Consumers, want)
		}
		return err
	})
}

func TestQueues_FollowLiveSessions(t *testing.T) {
	f := newFixture(t, sessions{"a": true, "b": true})
	for _, id := range []control.SessionID{"a", "b"} {
		if err := f.broker.DeclareQueue(t.Context(), message.SessionQueue(id)); err != nil {
			t.Fatal(err)
		}
	}
	a, b := message.SessionQueue("a").Name, message.SessionQueue("b").Name
	f.queues.Reset([]control.SessionID{"a"})
	f.queues.Live("a")
	f.queues.Live("b")
	f.consumers(t, a, 1)
	f.consumers(t, b, 1)
	if err := f.broker.Send(t.Context(), b, broker.Message{ID: "m"}); err != nil {
		t.Fatal(err)
	}
	if got := <-f.handled; got != "m" {
		t.Fatalf("got %s", got)
	}
	f.queues.Ended("b")
	f.consumers(t, b, 0)
	f.queues.Reset(nil)
	f.consumers(t, a, 0)
}

func TestQueues_MakeALostQueueAgain(t *testing.T) {
	f := newFixture(t, sessions{"a": true})
	a := message.SessionQueue("a").Name
	f.queues.Live("a") // there is no queue yet
	f.consumers(t, a, 1)
	if err := f.broker.DeleteQueue(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	f.consumers(t, a, 1)
}

func TestQueues_LeaveTheQueueOfAClosedSessionAlone(t *testing.T) {
	f := newFixture(t, sessions{})
	f.queues.Live("a")
	f.queues.Ended("a")
	if _, err := f.broker.Inspect(t.Context(), message.SessionQueue("a").Name); !errors.Is(err, broker.ErrNotFound) {
		t.Fatalf("got %v", err)
	}
}

func TestTasks(t *testing.T) {
	f := newFixture(t, sessions{})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.queues.Tasks(ctx)
	}()
	f.consumers(t, message.WrapperQueue, 1)
	testkit.Eventually(t, func() error {
		if !f.queues.Consuming() {
			return errors.New("does not say that it consumes")
		}
		return nil
	})
	stop()
	<-done
}
