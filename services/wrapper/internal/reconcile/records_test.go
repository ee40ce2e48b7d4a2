package reconcile_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/broker/memory"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/pkg/testkit/mongo"
	"github.com/orkestro/orkestro/services/wrapper/internal/reconcile"
)

// reconciling runs a reconciler over a store and one media server until the test ends.
func reconciling(t *testing.T, m *server) *store.Store {
	t.Helper()
	url, database := mongo.URL(t)
	st, err := store.Open(t.Context(), url, database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close(context.Background()) })
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	b := memory.New(log)
	t.Cleanup(func() { _ = b.Close() })
	connect := func(context.Context, control.MediaServerID) (reconcile.Server, error) { return m, nil }
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { reconcile.New(5*time.Millisecond, "w", st, m, connect, b, log).Run(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return st
}

func TestRun_ForgetsNegotiationsOfUsersThatAreGone(t *testing.T) {
	st := reconciling(t, &server{})
	sessions := []control.Session{
		{ID: "s", State: control.SessionActive, Users: []control.User{{ID: "here", Join: "j"}, {ID: "leaving", Join: "j", Leaving: "left"}}},
		{ID: "closed", State: control.SessionClosed, Users: []control.User{{ID: "here", Join: "j"}}},
	}
	for _, s := range sessions {
		if err := st.Sessions.Insert(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	store := func(session control.SessionID, user control.UserID, join control.JoinID) {
		c := control.Connection{User: user, Join: join, Kind: control.Publish, Epoch: 1}
		err := st.Negotiations.StoreAnswer(t.Context(), session, c, control.SDPAnswer{Seq: 1}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
	}
	store("s", "here", "j")
	store("s", "leaving", "j")
	const gone = 500 // more than one round looks at
	for n := range gone {
		store("s", control.UserID(fmt.Sprint("gone-", n)), "ended")
	}
	store("s", "rejoined", "earlier")
	store("closed", "here", "j")
	store("forgotten", "here", "j")
	testkit.Eventually(t, func() error {
		left, err := st.Negotiations.List(t.Context(), "", gone)
		if err == nil && len(left) > 2 {
			err = fmt.Errorf("%d are left", len(left))
		}
		return err
	})
	for _, user := range []control.UserID{"here", "leaving"} {
		if _, err := st.Negotiations.Get(t.Context(), control.NegotiationID("s", user, control.Publish)); err != nil {
			t.Errorf("the negotiation of %s: %v", user, err)
		}
	}
}

func TestRun_CountsPlacesByThePipelinesThatWereMade(t *testing.T) {
	m := &server{MediaServer: control.MediaServer{ID: "m", Instance: "i", HeartbeatAt: time.Now().Add(time.Hour)}}
	st := reconciling(t, m)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(st.MediaServers.Register(t.Context(), m.MediaServer))
	for range 3 {
		_, err := st.MediaServers.Reserve(t.Context(), "m", "i")
		must(err)
	}
	for _, made := range []int64{2, 4} { // one Wrapper died before it made its own, two got no answer
		must(st.MediaServers.Heartbeat(t.Context(), "m", "i", control.Load{PipelinesCreated: made}, m.HeartbeatAt))
		testkit.Eventually(t, func() error {
			server, err := st.MediaServers.Get(t.Context(), "m")
			if err == nil && server.Placed != made {
				err = fmt.Errorf("%d places are taken, not %d", server.Placed, made)
			}
			return err
		})
	}
	if err := st.MediaServers.Settle(t.Context(), "m", "i", 3, 0); !errors.Is(err, store.ErrGuard) {
		t.Errorf("places were settled over a reservation: %v", err)
	}
}
