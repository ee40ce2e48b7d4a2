package reconcile_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/broker/memory"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/mediaapi"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/pkg/testkit/mongo"
	"github.com/orkestro/orkestro/services/wrapper/internal/reconcile"
	"github.com/orkestro/orkestro/services/wrapper/internal/session"
)

// moving begins to move session id from the pipeline p on m to q on n, until then.
func moving(t *testing.T, st *store.Store, id control.SessionID, until time.Time) {
	t.Helper()
	from := control.PipelineRef{ID: "p", Server: "m", Instance: "i"}
	err := st.Sessions.Insert(t.Context(), control.Session{
		ID: id, State: control.SessionActive, Epoch: 1, Pipeline: &from,
		Users: []control.User{{ID: "a", Join: "a1"}},
		Connections: []control.Connection{
			{ID: "publish/a", User: "a", Join: "a1", Endpoint: control.EndpointRef{ID: "old"}, Epoch: 1},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	err = st.Sessions.BeginRelocation(t.Context(), id,
		control.Relocation{From: from, Epoch: 1, Since: time.Now(), Until: until},
		control.PipelineRef{ID: "q", Server: "n", Instance: "i"})
	if err != nil {
		t.Fatal(err)
	}
}

// The pipeline that a session is being moved from is wanted until the move is over, with those who are connected to it.
func TestRun_KeepsThePipelineThatASessionLeaves(t *testing.T) {
	m := &server{
		MediaServer: control.MediaServer{ID: "m", Instance: "i", HeartbeatAt: time.Now().Add(time.Hour)},
		endpoints: []mediaapi.FleetEndpoint{
			{ID: "old", Pipeline: "p", User: "a", Join: "a1"}, {ID: "gone", Pipeline: "p", User: "b", Join: "b1"},
		},
		views: []mediaapi.FleetEndpoint{
			{ID: "viewer's", Pipeline: "p", User: "v", Join: "v"}, {ID: "nobody's", Pipeline: "p", User: "w", Join: "w"},
		},
	}
	st := reconciling(t, m)
	err := st.Negotiations.StoreView(t.Context(), store.Viewed{
		Session: "s", Viewer: "v", Epoch: 1, Seq: 1, Endpoint: "viewer's",
	}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	moving(t, st, "s", time.Now().Add(time.Hour))
	released := func() []string {
		m.mu.Lock()
		defer m.mu.Unlock()
		return slices.Sorted(slices.Values(m.released))
	}
	expect := func(want ...string) {
		t.Helper()
		testkit.Eventually(t, func() error {
			if got := released(); !slices.Equal(got, want) {
				return fmt.Errorf("released %v, want %v", got, want)
			}
			return nil
		})
	}
	expect("gone", "nobody's")
	if views, err := st.Negotiations.Views(t.Context(), "s"); err != nil || len(views) != 1 {
		t.Errorf("%d viewers are known, %v", len(views), err)
	}
	if err := st.Sessions.EndRelocation(t.Context(), "s", 1, nil); err != nil {
		t.Fatal(err)
	}
	expect("gone", "nobody's", "p")
	testkit.Eventually(t, func() error {
		views, err := st.Negotiations.Views(t.Context(), "s")
		if err == nil && len(views) != 0 {
			err = fmt.Errorf("%d viewers of the pipeline that is gone are known", len(views))
		}
		return err
	})
}

// A move whose time is up is asked to end by the request that began it, whoever made that; others are left alone.
func TestEndRelocations_AsksForWhatIsDue(t *testing.T) {
	url, database := mongo.URL(t)
	st, err := store.Open(t.Context(), url, database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close(context.Background()) })
	log := slog.New(slog.DiscardHandler)
	b := memory.New(log)
	t.Cleanup(func() { _ = b.Close() })
	for id, until := range map[control.SessionID]time.Duration{"due": -time.Second, "not yet": time.Hour, "no queue": -time.Minute} {
		moving(t, st, id, time.Now().Add(until))
		if id == "no queue" {
			continue
		}
		if err := b.DeclareQueue(t.Context(), message.SessionQueue(id)); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	running.Go(func() { reconcile.New(time.Hour, "w", st, &server{}, nil, b, log).EndRelocations(ctx) })

	mailbox, err := b.OpenMailbox(t.Context(), message.SessionQueue("due").Name, 10)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = mailbox.Close() }()
	d := <-mailbox.Deliveries()
	var asked message.Relocate
	if err := json.Unmarshal(d.Body, &asked); err != nil {
		t.Fatal(err)
	}
	if d.ID != session.RelocateID("due", 1) || d.Type != message.TypeRelocate ||
		asked != (message.Relocate{Epoch: 1, Pipeline: "p"}) {
		t.Errorf("got %s %s %+v", d.Type, d.ID, asked)
	}
	if info, err := b.Inspect(t.Context(), message.SessionQueue("not yet").Name); err != nil || info.Messages != 0 {
		t.Errorf("%d requests for a move that has time, %v", info.Messages, err)
	}
}
