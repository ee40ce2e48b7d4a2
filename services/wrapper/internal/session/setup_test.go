package session_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	"github.com/orkestro/orkestro/services/wrapper/internal/session"
)

// world is two Wrappers' session logic on one store, one broker and two media servers.
type world struct {
	tb      testing.TB
	ctx     context.Context
	store   *store.Store
	broker  *memory.Broker
	fleet   *servers
	service [2]*session.Service
}

const sid control.SessionID = "s"

func newWorld(t *testing.T) *world {
	t.Helper()
	url, database := mongo.URL(t)
	st, err := store.Open(t.Context(), url, database)
	must(t, err)
	t.Cleanup(func() { _ = st.Close(context.Background()) })
	return worldOn(t, st)
}

func worldOn(tb testing.TB, st *store.Store) *world {
	tb.Helper()
	log := slog.New(slog.DiscardHandler)
	ctx := tb.Context()
	w := &world{tb: tb, ctx: ctx, store: st, broker: memory.New(log)}
	tb.Cleanup(func() { _ = w.broker.Close() })
	w.fleet = &servers{byID: map[control.MediaServerID]*mediaServer{}, down: map[control.MediaServerID]bool{}}
	for _, id := range []control.MediaServerID{"m1", "m2"} {
		server := control.MediaServer{ID: id, Instance: "i", HeartbeatAt: time.Now()}
		must(tb, st.MediaServers.Register(ctx, server))
		server, err := st.MediaServers.Get(ctx, id)
		must(tb, err)
		w.fleet.list = append(w.fleet.list, server)
		w.fleet.byID[id] = newMediaServer(id)
	}
	cfg := session.Config{ICEServers: []control.ICEServer{}, MaxFailures: 2, Forget: time.Hour, Replica: "w"}
	for i := range w.service {
		w.service[i] = session.New(cfg, st, w.broker, w.fleet, session.NewMetrics(prometheus.NewRegistry()), log)
	}
	return w
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func request(id string) session.Request { return session.Request{ID: id, Session: sid} }

func (w *world) create(maxUsers int) {
	w.tb.Helper()
	_, err := w.service[0].Create(w.ctx, request("create"), message.CreateSession{ID: sid, MaxUsers: maxUsers})
	must(w.tb, err)
}

func (w *world) session() *control.Session {
	w.tb.Helper()
	sess, err := w.store.Sessions.Get(w.ctx, sid)
	must(w.tb, err)
	return sess
}

func all() control.Permissions {
	return control.Permissions{Publish: true, Subscribe: true, Message: true}
}

// join lets a user join with the join id "join-<user>", and empties its queue.
func (w *world) join(user control.UserID) message.Presence {
	w.tb.Helper()
	id := "join-" + string(user)
	_, err := w.service[0].Join(w.ctx, request(id), message.Join{User: user, Permissions: all()})
	must(w.tb, err)
	return message.Presence{User: user, Join: control.JoinID(id)}
}

// told reads everything that is on a user's queue, and checks that ids repeat only with the same type.
func (w *world) told(user control.UserID) []message.UserMessage {
	w.tb.Helper()
	var list []message.UserMessage
	for _, m := range w.drain(message.UserQueue(sid, user).Name) {
		var told message.UserMessage
		must(w.tb, json.Unmarshal(m.Body, &told))
		if told.ID != m.ID {
			w.tb.Fatalf("message %s has id %s inside", m.ID, told.ID)
		}
		list = append(list, told)
	}
	return list
}

// drain takes all messages of a queue.
func (w *world) drain(queue string) []broker.Message {
	w.tb.Helper()
	fence := broker.Message{ID: control.NewID(), Type: "fence", Body: []byte("{}")}
	err := w.broker.Send(w.ctx, queue, fence)
	if errors.Is(err, broker.ErrUnroutable) {
		return nil
	}
	must(w.tb, err)
	there, err := w.broker.Inspect(w.ctx, queue)
	must(w.tb, err)
	mailbox, err := w.broker.OpenMailbox(w.ctx, queue, there.Messages)
	must(w.tb, err)
	defer func() { _ = mailbox.Close() }()
	var list []broker.Message
	for d := range mailbox.Deliveries() {
		must(w.tb, d.Ack())
		if d.ID == fence.ID {
			return list
		}
		if d.Type != "fence" {
			list = append(list, d.Message)
		}
	}
	w.tb.Fatal("the queue ended")
	return nil
}

// distinct is the types of messages in order, each id once.
func distinct(list []message.UserMessage) []string {
	seen := map[string]bool{}
	types := []string{}
	for _, m := range list {
		if !seen[m.ID] {
			types = append(types, m.Type)
		}
		seen[m.ID] = true
	}
	return types
}

func data[T any](tb testing.TB, list []message.UserMessage, kind string) T {
	tb.Helper()
	for _, m := range list {
		if m.Type == kind {
			var value T
			must(tb, json.Unmarshal(m.Data, &value))
			return value
		}
	}
	tb.Fatalf("there is no %s among %v", kind, distinct(list))
	var none T
	return none
}

// twice delivers a request to both Wrappers at the same moment, and then once more.
func (w *world) twice(handle func(s *session.Service) error) error {
	results := make(chan error, 2)
	for _, s := range w.service {
		go func() { results <- retried(func() error { return handle(s) }) }()
	}
	first, second := <-results, <-results
	third := retried(func() error { return handle(w.service[0]) })
	for _, err := range []error{second, third} {
		if control.CodeOf(err) != control.CodeOf(first) {
			return fmt.Errorf("deliveries of one request end differently: %w", errors.Join(first, second, third))
		}
	}
	return first
}

// retried is the broker's part: what may be mended is tried again.
func retried(f func() error) error {
	var err error
	for range 20 {
		if err = f(); err == nil || !session.Retryable(err) {
			return err
		}
		time.Sleep(time.Millisecond) // the pause of the broker, not a wait for something
	}
	return err
}
