package overview_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/health"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/pkg/testkit/mongo"
	"github.com/orkestro/orkestro/services/wrapper/internal/overview"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// queues has as many messages in each queue as it says; others are not there.
type queues map[string]int

func (q queues) Inspect(_ context.Context, queue string) (broker.Info, error) {
	n, found := q[queue]
	if !found {
		return broker.Info{}, broker.ErrNotFound
	}
	return broker.Info{Messages: n}, nil
}

// fleet is a store with something of everything.
func fleet(t *testing.T) *store.Store {
	t.Helper()
	url, database := mongo.URL(t)
	st, err := store.Open(t.Context(), url, database)
	must(t, err)
	t.Cleanup(func() { _ = st.Close(context.Background()) })
	ctx, now := t.Context(), time.Now().UTC()
	must(t, st.Sessions.Insert(ctx, control.Session{ID: "s", State: control.SessionActive, CreatedAt: now}))
	must(t, st.Sessions.AddUser(ctx, "s", control.User{ID: "u", Join: "j"}, 0))
	for id, capacity := range map[control.MediaServerID]int{"m1": 10, "m2": 5} {
		server := control.MediaServer{ID: id, Instance: "i", Capacity: capacity, HeartbeatAt: now}
		must(t, st.MediaServers.Register(ctx, server))
	}
	must(t, st.MediaServers.Heartbeat(ctx, "m1", "i", control.Load{Pipelines: 3}, now))
	must(t, st.MediaServers.Heartbeat(ctx, "m2", "i", control.Load{}, now.Add(-20*time.Second)))
	must(t, st.MediaServers.DrainInstance(ctx, "m2", "i", control.Drain{
		Since: now, Deadline: time.Unix(1900000000, 0), Then: control.DrainWait, By: "key:k", Remaining: 4,
	}))
	for id, heard := range map[string]time.Time{"w1": now, "w2": now.Add(-time.Minute)} {
		must(t, st.Wrappers.Register(ctx, control.Replica{
			ID: id, Service: "wrapper", State: control.ReplicaReady, HeartbeatAt: heard,
		}))
	}
	must(t, st.Rollouts.Insert(ctx, control.Rollout{ID: "r", State: control.RolloutPaused, Total: 7, Replaced: 2}))
	return st
}

func scraped(registry *prometheus.Registry) string {
	answer := httptest.NewRecorder()
	health.Metrics(registry).ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return answer.Body.String()
}

func TestRun_ExportsTheFleetWhileItLeads(t *testing.T) {
	registry := prometheus.NewRegistry()
	waiting := queues{message.WrapperQueue: 2, message.SessionQueue("s").Name: 5}
	o := overview.New(fleet(t), waiting, func() []control.SessionID { return []control.SessionID{"s", "gone"} },
		registry, slog.New(slog.DiscardHandler))

	const before = "orkestro_wrapper_lease_held{lease=\"fleet\"} 0\n"
	if text := scraped(registry); !strings.HasSuffix(text, before) || strings.Contains(text, "orkestro_fleet") {
		t.Errorf("before it leads:\n%s", text)
	}
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { o.Run(ctx) })
	for _, line := range []string{
		`orkestro_wrapper_lease_held{lease="fleet"} 1`,
		`orkestro_fleet_sessions{state="active"} 1`, `orkestro_fleet_sessions{state="closing"} 0`,
		"orkestro_fleet_users 1", "orkestro_fleet_relocating_sessions 0",
		`orkestro_fleet_mediaservers{availability="active",status="up"} 1`,
		`orkestro_fleet_mediaservers{availability="draining",status="up"} 1`,
		`orkestro_fleet_mediaservers{availability="drained",status="down"} 0`,
		"orkestro_fleet_free_places 7",
		`orkestro_fleet_heartbeat_age_seconds{service="mediaserver"} 20.`,
		`orkestro_fleet_replicas{service="wrapper",state="ready"} 1`,
		`orkestro_fleet_replicas{service="wrapper",state="silent"} 1`,
		`orkestro_fleet_replicas{service="restapi",state="ready"} 0`,
		`orkestro_fleet_queue_messages{queue="wrapper"} 2`, `orkestro_fleet_queue_messages{queue="sessions"} 5`,
		`orkestro_fleet_queue_messages{queue="dead"} 0`,
		`orkestro_fleet_drain_remaining_sessions{server="m2",then="wait"} 4`,
		`orkestro_fleet_drain_deadline_timestamp_seconds{server="m2",then="wait"} 1.9e+09`,
		`orkestro_fleet_rollout_state{state="paused"} 1`, `orkestro_fleet_rollout_state{state="running"} 0`,
		"orkestro_fleet_rollout_servers 7", "orkestro_fleet_rollout_replaced_servers 2",
	} {
		testkit.Eventually(t, func() error {
			if text := scraped(registry); !strings.Contains(text, "\n"+line) {
				return fmt.Errorf("no %s in:\n%s", line, text)
			}
			return nil
		})
	}
	stop()
	running.Wait()
	if text := scraped(registry); !strings.HasSuffix(text, before) {
		t.Errorf("when it leads no more:\n%s", text)
	}
}
