package reconcile_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/broker/memory"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/mediaapi"
	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/pkg/testkit/mongo"
	"github.com/orkestro/orkestro/services/wrapper/internal/reconcile"
)

// A Wrapper that was frozen makes an endpoint for a viewer who has left, or stores a viewer whose endpoint is gone.
func TestRun_ForgetsViewersByHalves(t *testing.T) {
	url, database := mongo.URL(t)
	st, err := store.Open(t.Context(), url, database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close(context.Background()) })
	log := slog.New(slog.DiscardHandler)
	b := memory.New(log)
	t.Cleanup(func() { _ = b.Close() })
	err = st.Sessions.Insert(t.Context(), control.Session{
		ID: "s", State: control.SessionActive, Epoch: 2,
		Pipeline: &control.PipelineRef{ID: "p", Server: "m", Instance: "i"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for viewer, epoch := range map[control.UserID]int64{"well": 2, "lost": 2, "earlier": 1} {
		err := st.Negotiations.StoreView(t.Context(), store.Viewed{
			Session: "s", Viewer: viewer, Epoch: epoch, Seq: 1, Endpoint: "of " + string(viewer),
		}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
	}
	m := &server{
		MediaServer: control.MediaServer{ID: "m", Instance: "i", HeartbeatAt: time.Now().Add(time.Hour)},
		views: []mediaapi.FleetEndpoint{
			{ID: "of well", Pipeline: "p", User: "well", Join: "well"},
			{ID: "second", Pipeline: "p", User: "well", Join: "well"},
			{ID: "unknown", Pipeline: "p", User: "gone", Join: "gone"},
			{ID: "elsewhere", Pipeline: "q", User: "gone", Join: "gone"},
		},
	}
	connect := func(context.Context, control.MediaServerID) (reconcile.Server, error) { return m, nil }
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { reconcile.New(10*time.Millisecond, "w", st, m, connect, b, log).Run(ctx) })
	testkit.Eventually(t, func() error {
		left, err := st.Negotiations.Views(t.Context(), "s")
		m.mu.Lock()
		defer m.mu.Unlock()
		if len(left) != 1 || len(m.released) < 2 {
			return errors.Join(err, fmt.Errorf("viewers %v, released %v", left, m.released))
		}
		return err
	})
	cancel()
	running.Wait()
	left, err := st.Negotiations.Views(t.Context(), "s")
	if err != nil || len(left) != 1 || left[0].User != "well" {
		t.Errorf("viewers %v, %v", left, err)
	}
	if slices.Sort(m.released); !slices.Equal(m.released, []string{"second", "unknown"}) {
		t.Errorf("released %v", m.released)
	}
}
