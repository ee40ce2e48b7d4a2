package reconcile_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/pkg/testkit/mongo"
	"github.com/orkestro/orkestro/services/wrapper/internal/reconcile"
)

// fullQueues takes no request.
type fullQueues struct{}

func (fullQueues) Send(context.Context, string, broker.Message) error { return broker.ErrFull }

// A server that is back is used again, although a session that is still on it cannot be asked for anything.
func TestRun_TakesAServerBackDespiteAFullQueue(t *testing.T) {
	url, database := mongo.URL(t)
	st, err := store.Open(t.Context(), url, database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close(context.Background()) })
	m := &server{MediaServer: control.MediaServer{
		ID: "m", Instance: "i", Status: control.StatusDown, HeartbeatAt: time.Now().Add(time.Hour),
	}}
	for _, err := range []error{
		st.MediaServers.Register(t.Context(), m.MediaServer),
		st.MediaServers.SetStatus(t.Context(), "m", "i", control.StatusDown),
		st.Sessions.Insert(t.Context(), control.Session{
			ID: "s", State: control.SessionActive, Epoch: 1,
			Pipeline: &control.PipelineRef{ID: "p", Server: "m", Instance: "i"},
		}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	connect := func(context.Context, control.MediaServerID) (reconcile.Server, error) { return m, nil }
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	log := slog.New(slog.DiscardHandler)
	running.Go(func() { reconcile.New(5*time.Millisecond, "w", st, m, connect, fullQueues{}, log).Run(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	testkit.Eventually(t, func() error {
		found, err := st.MediaServers.Get(t.Context(), "m")
		if err == nil && found.Status != control.StatusUp {
			err = fmt.Errorf("the server is %s", found.Status)
		}
		return err
	})
}
