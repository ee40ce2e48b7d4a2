package app_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/broker/memory"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/pkg/testkit/mongo"
	"github.com/orkestro/orkestro/services/wrapper/app"
)

// stoppable is a Wrapper that a test stops.
type stoppable struct {
	address string
	stop    context.CancelFunc
	ended   chan error
}

func startStoppable(t *testing.T, id, url, database string, b broker.Broker) *stoppable {
	t.Helper()
	var cfg app.Config
	must(t, kong.ApplyDefaults(&cfg))
	cfg.ID, cfg.Listen, cfg.MongoURL, cfg.MongoDatabase = id, "127.0.0.1:0", url, database
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	s := &stoppable{stop: stop, ended: make(chan error, 1)}
	listening := make(chan string, 1)
	go func() {
		deps := app.Deps{Broker: b, Listening: func(address string) { listening <- address }}
		s.ended <- app.Run(ctx, cfg, deps, slog.New(slog.DiscardHandler))
	}()
	s.address = <-listening
	ready(t, s.address)
	return s
}

// A Wrapper that is to stop finishes the request that it has in hand, and says meanwhile that it stops. Then it is gone,
// and another one can lead.
func TestStop_FinishesWhatIsInHand(t *testing.T) {
	url, database := mongo.URL(t)
	st, err := store.Open(t.Context(), url, database)
	must(t, err)
	t.Cleanup(func() { must(t, st.Close(context.Background())) })
	b := memory.New(slog.New(slog.DiscardHandler))
	t.Cleanup(func() { _ = b.Close() })
	server := startMediaServer(t, st, "m1")
	w := startStoppable(t, "w1", url, database, b)
	takeLease := func() error { return st.Leases.Take(t.Context(), "fleet", "w2", time.Now(), time.Now()) }
	testkit.Eventually(t, func() error {
		if err := takeLease(); !errors.Is(err, store.ErrGuard) {
			return fmt.Errorf("it does not lead: %w", err)
		}
		return nil
	})

	proceed := holdJoin(t, st, b, server)
	w.stop()
	testkit.Eventually(t, func() error { return replicasAre(t, st, control.ReplicaStopping) })
	response, err := http.Get("http://" + w.address + "/readyz")
	must(t, err)
	_ = response.Body.Close()
	if response.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("/readyz says %s", response.Status)
	}
	proceed()
	must(t, <-w.ended)
	http.DefaultClient.CloseIdleConnections()

	sess, err := st.Sessions.Get(t.Context(), "s")
	must(t, err)
	if sess.User("a") == nil || sess.Epoch != 1 {
		t.Errorf("the join was not finished: %+v", sess)
	}
	must(t, replicasAre(t, st))
	must(t, takeLease())
}

// holdJoin has a Wrapper begin a join, which goes on when proceed is called.
func holdJoin(t *testing.T, st *store.Store, b broker.Broker, server *mediaServer) (proceed func()) {
	t.Helper()
	send(t, b, message.WrapperQueue, "create", message.TypeCreateSession, message.CreateSession{ID: "s"})
	testkit.Eventually(t, func() error {
		_, err := st.Sessions.Get(t.Context(), "s")
		return err
	})
	must(t, b.DeclareQueue(t.Context(), message.UserQueue("s", "a")))
	server.mu.Lock() // it answers nothing
	send(t, b, message.SessionQueue("s").Name, "join", message.TypeJoin, message.Join{User: "a"})
	testkit.Eventually(t, func() error {
		placed, err := st.MediaServers.Get(t.Context(), server.id)
		if err == nil && placed.Placed == 0 {
			err = errors.New("the join is not in hand")
		}
		return err
	})
	return server.mu.Unlock
}

// replicasAre is nil if there are Wrappers in these states, and no others.
func replicasAre(t *testing.T, st *store.Store, states ...string) error {
	t.Helper()
	replicas, err := st.Wrappers.List(t.Context())
	if err != nil {
		return err
	}
	var got []string
	for _, r := range replicas {
		got = append(got, r.State)
	}
	if !slices.Equal(got, states) {
		return fmt.Errorf("the Wrappers are %v, want %v", got, states)
	}
	return nil
}
