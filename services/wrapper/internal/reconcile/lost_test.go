package reconcile_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/pkg/testkit/mongo"
	"github.com/orkestro/orkestro/services/wrapper/internal/reconcile"
)

// One that was drained has only left; the loss of another is put on record once, however often it is seen to.
func TestLost_IsNotWhatWasDrained(t *testing.T) {
	url, database := mongo.URL(t)
	st, err := store.Open(t.Context(), url, database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close(context.Background()) })
	r := reconcile.New(time.Hour, "w", st, nil, nil, fullQueues{}, slog.New(slog.DiscardHandler))
	for _, id := range []control.MediaServerID{"drained", "killed"} {
		now := time.Now().UTC()
		instance := control.InstanceID("i-" + id)
		steps := []error{st.MediaServers.Register(t.Context(), control.MediaServer{ID: id, Instance: instance, HeartbeatAt: now})}
		if id == "drained" {
			drain := control.Drain{Since: now, Deadline: now, Then: control.DrainRelocate, By: "key:ops"}
			steps = append(steps, st.MediaServers.Drain(t.Context(), id, drain))
			server, err := st.MediaServers.Get(t.Context(), id)
			steps = append(steps, err, st.MediaServers.SetDrained(t.Context(), server))
		}
		steps = append(steps, r.Lost(t.Context(), id, instance), r.Lost(t.Context(), id, instance))
		for i, err := range steps {
			if err != nil {
				t.Fatalf("%s, step %d: %v", id, i, err)
			}
		}
	}
	entries, err := st.Audit.List(t.Context(), store.AuditFilter{Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	var actions []string
	for _, e := range entries {
		actions = append(actions, e.Action+" "+e.Object)
	}
	if diff := cmp.Diff([]string{"server.leave server:drained", "server.down server:killed"}, actions); diff != "" {
		t.Errorf("audit, -want +got:\n%s", diff)
	}
}
