package store_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/embeddedmongo"
	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/pkg/testkit"
)

// Whoever is killed cannot remove its record, and comes back under another id.
func TestReplicas_ForgetsThoseThatDiedLongAgo(t *testing.T) {
	config := embeddedmongo.Config{ExpirePeriod: 20 * time.Millisecond}
	server, err := embeddedmongo.Start(config, slog.New(slog.DiscardHandler))
	must(t, err)
	t.Cleanup(func() { _ = server.Close() })
	s, err := store.Open(t.Context(), server.URL(), "replicas")
	must(t, err)
	t.Cleanup(func() { _ = s.Close(context.Background()) })
	for name, replicas := range map[string]*store.Replicas{"restapis": s.RestAPIs, "wrappers": s.Wrappers} {
		for id, silent := range map[string]time.Duration{"dead": 2 * time.Hour, "dying": time.Minute} {
			must(t, replicas.Register(t.Context(), control.Replica{ID: id, HeartbeatAt: time.Now().Add(-silent)}))
		}
		testkit.Eventually(t, func() error {
			left, err := replicas.List(t.Context())
			if err == nil && (len(left) != 1 || left[0].ID != "dying") {
				err = fmt.Errorf("%s are left: %v", name, left)
			}
			return err
		})
	}
}
