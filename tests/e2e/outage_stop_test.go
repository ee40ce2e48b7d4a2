package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/tests/harness"
)

// stopWithin is the promise of every service.
const stopWithin = 10 * time.Second

// TestStop_WhileEverythingIsFrozen stops one of each service, with requests in hand, while neither broker nor database
// answer, and starts them again: all end in time, and start although there is nothing to work with.
func TestStop_WhileEverythingIsFrozen(t *testing.T) {
	ownStore(t)
	chosen := []*harness.Process{fleet.MediaServers[0], fleet.Wrappers[0], fleet.RestAPIs[0]}
	users := join(t, fleet.NewSession(t), "ann", "ben")
	expectMedia(t, users...)
	victim := newVictim(t)
	thaw := freezeAll(t)

	ctx, cancel := context.WithCancel(t.Context())
	var inHand sync.WaitGroup
	for _, call := range everyCall() {
		inHand.Go(func() { _, _, _ = call.make(ctx, victim) }) // whatever comes of it
	}
	var stopping sync.WaitGroup
	for _, p := range chosen {
		stopping.Go(func() {
			began := time.Now()
			err := p.Stop()
			took := time.Since(began)
			t.Logf("%s stopped in %s: %v", p.Name, took, err)
			if took > stopWithin {
				t.Errorf("%s took %s to stop", p.Name, took)
			}
		})
	}
	stopping.Wait()
	cancel()
	inHand.Wait()

	var starting sync.WaitGroup
	for _, p := range chosen {
		starting.Go(func() {
			if err := p.Start(t.Context()); err != nil {
				t.Error(err)
			}
		})
		testkit.Eventually(t, func() error { return expectWaiting(t.Context(), p) })
	}
	began := time.Now()
	thaw()
	starting.Wait()
	t.Logf("started services were ready %s after the thaw", time.Since(began))
	expectReady(t)
	expectMedia(t, users...)
}

// freezeAll stops broker and database; thaw, which is called at the end of the test at the latest, has them go on.
func freezeAll(t *testing.T) (thaw func()) {
	t.Helper()
	thaw = sync.OnceFunc(func() {
		if err := fleet.Broker.Resume(); err != nil {
			t.Error(err)
		}
		if err := fleet.Store.Resume(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(thaw)
	if err := fleet.Store.Pause(); err != nil {
		t.Fatal(err)
	}
	if err := fleet.Broker.Pause(); err != nil {
		t.Fatal(err)
	}
	return thaw
}

// expectWaiting is nil for a process that is alive and not ready.
func expectWaiting(ctx context.Context, p *harness.Process) error {
	alive, _, err := probe(ctx, p, "/healthz")
	if err != nil {
		return err
	}
	ready, said, err := probe(ctx, p, "/readyz")
	if alive != http.StatusOK || ready != http.StatusServiceUnavailable {
		return fmt.Errorf("%s is alive: %d, and ready: %d %s %w", p.Name, alive, ready, said, err)
	}
	return nil
}
