package consume_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/broker/memory"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/pkg/testkit/mongo"
	"github.com/orkestro/orkestro/services/wrapper/internal/consume"
	"github.com/orkestro/orkestro/services/wrapper/internal/session"
)

const maxAttempts = 3

// fixture is a consumer over the session logic with a store, and a collector of replies.
type fixture struct {
	consumer *consume.Consumer
	replies  []message.Reply
	lacks    error // what requests need and do not have
}

func (f *fixture) Send(_ context.Context, queue string, m broker.Message) error {
	if queue != "replies" || m.Correlation == "" {
		return broker.ErrUnroutable
	}
	var reply message.Reply
	if err := json.Unmarshal(m.Body, &reply); err != nil {
		return err
	}
	f.replies = append(f.replies, reply)
	return nil
}

func newFixture(tb testing.TB, st *store.Store) *fixture {
	tb.Helper()
	log := slog.New(slog.DiscardHandler)
	b := memory.New(log)
	tb.Cleanup(func() { _ = b.Close() })
	registry := prometheus.NewRegistry()
	service := session.New(session.Config{}, st, b, nil, session.NewMetrics(registry), log)
	f := &fixture{}
	f.consumer = consume.New(consume.Config{
		Concurrency: 1, MaxAttempts: maxAttempts, Timeout: time.Second,
		Needs: func(context.Context) error { return f.lacks },
	}, service, f, consume.NewMetrics(registry), log)
	return f
}

func open(t *testing.T) *store.Store {
	t.Helper()
	url, database := mongo.URL(t)
	st, err := store.Open(t.Context(), url, database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close(context.Background()) })
	return st
}

func delivery(kind, body string, attempts int) broker.Delivery {
	return broker.Delivery{
		Message:  broker.Message{ID: "r", Type: kind, Session: "s", ReplyTo: "replies", Body: []byte(body)},
		Attempts: attempts,
	}
}

func TestHandle_RepliesWithTheResult(t *testing.T) {
	f := newFixture(t, open(t))
	if err := f.consumer.Handle(t.Context(), delivery(message.TypeCreateSession, `{"id":"s"}`, 0)); err != nil {
		t.Fatal(err)
	}
	var created message.SessionCreated
	if err := json.Unmarshal(f.replies[0].Result, &created); err != nil || created.Session.ID != "s" {
		t.Fatalf("got %+v, %v", created, err)
	}
}

func TestHandle_RefusalsAreAcknowledged(t *testing.T) {
	f := newFixture(t, open(t))
	if err := f.consumer.Handle(t.Context(), delivery(message.TypeJoin, `{"user":"a"}`, 0)); err != nil {
		t.Fatal(err)
	}
	if len(f.replies) != 1 || f.replies[0].Code != control.CodeNotFound {
		t.Fatalf("got %+v", f.replies)
	}
}

func TestHandle_FailuresAreTriedAgainAndThenGivenUp(t *testing.T) {
	st := open(t)
	f := newFixture(t, st)
	gone, cancel := context.WithCancel(t.Context())
	cancel() // the store cannot be asked
	for attempt := range maxAttempts {
		err := f.consumer.Handle(gone, delivery(message.TypeJoin, `{"user":"a"}`, attempt))
		if err == nil || broker.IsPermanent(err) {
			t.Fatalf("attempt %d: got %v, want an error that is tried again", attempt, err)
		}
		if last := attempt == maxAttempts-1; (len(f.replies) == 1) != last {
			t.Fatalf("attempt %d: got replies %+v", attempt, f.replies)
		}
	}
}

// A request that was acknowledged is not given up for an outage, however long: nobody hears of it until it is handled.
func TestHandle_NothingIsGivenUpWhileSomethingIsAway(t *testing.T) {
	f := newFixture(t, open(t))
	f.lacks = errors.New("the database is away")
	gone, cancel := context.WithCancel(t.Context())
	cancel() // the store cannot be asked
	for _, attempt := range []int{0, maxAttempts - 1, maxAttempts} {
		err := f.consumer.Handle(gone, delivery(message.TypeJoin, `{"user":"a"}`, attempt))
		if !broker.IsPostponed(err) || len(f.replies) != 0 {
			t.Fatalf("attempt %d: got %v and replies %+v, want it postponed", attempt, err, f.replies)
		}
	}
}

func FuzzHandle(f *testing.F) {
	for _, kind := range []string{message.TypeJoin, message.TypePublish, message.TypeMediaOffer, "nonsense"} {
		f.Add(kind, "{}")
		f.Add(kind, "{")
		f.Add(kind, `{"user":1}`)
	}
	fixture := newFixture(f, nil)
	f.Fuzz(func(t *testing.T, kind, body string) {
		var object map[string]any
		if json.Unmarshal([]byte(body), &object) == nil && kind != "nonsense" {
			t.Skip("what can be read goes on to the session logic, which has no store here")
		}
		fixture.replies = nil
		err := fixture.consumer.Handle(t.Context(), delivery(kind, body, 0))
		if !broker.IsPermanent(err) || len(fixture.replies) != 1 || fixture.replies[0].Code != control.CodeInvalid {
			t.Fatalf("got %v and %+v, want it in the dead-letter queue and the caller told", err, fixture.replies)
		}
	})
}
