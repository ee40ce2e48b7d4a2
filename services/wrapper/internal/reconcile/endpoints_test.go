package reconcile_test

import (
	"context"
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

// server is a media server with one pipeline.
type server struct {
	control.MediaServer
	endpoints []mediaapi.FleetEndpoint
	views     []mediaapi.FleetEndpoint

	mu       sync.Mutex
	released []string
}

func (s *server) Servers() []control.MediaServer { return []control.MediaServer{s.MediaServer} }

func (s *server) Pipelines(context.Context) ([]mediaapi.FleetPipeline, error) {
	return []mediaapi.FleetPipeline{{ID: "p", Session: "s", Epoch: 1}}, nil
}

func (s *server) Endpoints(context.Context) ([]mediaapi.FleetEndpoint, error) {
	return s.endpoints, nil
}

func (s *server) Views(context.Context) ([]mediaapi.FleetEndpoint, error) { return s.views, nil }

func (s *server) ReleaseObject(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.released, id) {
		s.released = append(s.released, id)
	}
	return nil
}

func TestRun_ReleasesEndpointsThatNoUserWants(t *testing.T) {
	url, database := mongo.URL(t)
	st, err := store.Open(t.Context(), url, database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close(context.Background()) })
	log := slog.New(slog.DiscardHandler)
	b := memory.New(log)
	t.Cleanup(func() { _ = b.Close() })
	user := func(id control.UserID, join control.JoinID, leaving string) control.User {
		return control.User{ID: id, Join: join, Leaving: leaving}
	}
	err = st.Sessions.Insert(t.Context(), control.Session{
		ID: "s", State: control.SessionActive, Epoch: 1,
		Pipeline: &control.PipelineRef{ID: "p", Server: "m", Instance: "i"},
		Users:    []control.User{user("a", "a2", ""), user("b", "b1", "left")},
		Connections: []control.Connection{
			{ID: "publish/a", Endpoint: control.EndpointRef{ID: "present"}, Epoch: 1},
			{ID: "publish/b", Endpoint: control.EndpointRef{ID: "leaving"}, Epoch: 1},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	m := &server{
		MediaServer: control.MediaServer{ID: "m", Instance: "i", HeartbeatAt: time.Now().Add(time.Hour)},
		endpoints: []mediaapi.FleetEndpoint{
			{ID: "old", Pipeline: "p", User: "a", Join: "a1"},
			{ID: "present", Pipeline: "p", User: "a", Join: "a2"},
			{ID: "never stored", Pipeline: "p", User: "a", Join: "a2"},
			{ID: "leaving", Pipeline: "p", User: "b", Join: "b1"},
			{ID: "gone", Pipeline: "p", User: "c", Join: "c1"},
			{ID: "elsewhere", Pipeline: "q", User: "c", Join: "c1"},
		},
	}
	connect := func(context.Context, control.MediaServerID) (reconcile.Server, error) { return m, nil }
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { reconcile.New(10*time.Millisecond, "w", st, m, connect, b, log).Run(ctx) })
	testkit.Eventually(t, func() error {
		m.mu.Lock()
		defer m.mu.Unlock()
		if len(m.released) < 3 {
			return context.DeadlineExceeded
		}
		return nil
	})
	cancel()
	running.Wait()
	if slices.Sort(m.released); !slices.Equal(m.released, []string{"gone", "never stored", "old"}) {
		t.Errorf("released %v", m.released)
	}
}
