package failover_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/orkestro/orkestro/pkg/testkit"
)

// TestLoss_SessionsSpreadOverTheSurvivors: all sessions are on one server, which dies.
func TestLoss_SessionsSpreadOverTheSurvivors(t *testing.T) {
	const sessions = 24
	server, survivors := fleet.MediaServers[0], fleet.MediaServers[1:]
	for _, s := range survivors {
		must(t, s.Stop())
	}
	var ids []string
	for range sessions {
		ids = append(ids, newPipeline(t))
	}
	for _, s := range survivors {
		must(t, s.Start(t.Context()))
	}
	server.Kill()
	t.Cleanup(func() { must(t, server.Start(context.Background())) })

	on := map[string]int{}
	testkit.Eventually(t, func() error {
		clear(on)
		for _, id := range ids {
			on[placement(t, id).Server.Name]++
		}
		if left := on[server.Name]; left > 0 {
			return fmt.Errorf("%d sessions are still on the server that died", left)
		}
		return nil
	})
	t.Logf("on the survivors: %v", on)
	for _, s := range survivors {
		if mean := float64(sessions) / float64(len(survivors)); float64(on[s.Name]) > 1.25*mean {
			t.Errorf("%s has %d of %d sessions", s.Name, on[s.Name], sessions)
		}
	}
}
