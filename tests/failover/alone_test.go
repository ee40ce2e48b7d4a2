package failover_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/tests/harness"
)

// TestWrapper_CutOffFromOneServer has one of two Wrappers lose its way to a healthy server. The sessions there stay, and
// what is asked of them is done by the other Wrapper.
func TestWrapper_CutOffFromOneServer(t *testing.T) {
	needsHosts(t)
	c := newCall(t, "ann", "ben")
	wrapper := fleet.Wrappers[0]
	must(t, wrapper.CutOffFrom(t.Context(), c.was.Server))
	t.Cleanup(func() {
		if err := wrapper.HealFrom(context.Background(), c.was.Server); err != nil {
			t.Error(err)
		}
	})
	c.mark()
	began := time.Now()
	for i := 0; time.Since(began) < 5*time.Second || i < 4; i++ { // longer than any loss needs to be noticed
		late := harness.Join(t, fleet.API, c.id, fmt.Sprintf("late-%d", i))
		late.Publish()
		c.users = append(c.users, late)
		c.waitMedia(t, c.was.Epoch)
		newCall(t, "cat", "dan") // on whichever server, by whichever Wrapper
	}
	expectSameServer(t, c)
}

// TestWrapper_FrozenForAWhile: when it goes on it has not heard of any server for long, and lets them be.
func TestWrapper_FrozenForAWhile(t *testing.T) {
	c := newCall(t, "ann", "ben")
	wrapper := fleet.Wrappers[0]
	must(t, wrapper.Pause())
	frozen := true
	resume := func() {
		if frozen {
			frozen = false
			must(t, wrapper.Resume())
		}
	}
	t.Cleanup(resume)
	testkit.Eventually(t, func() error { return silentFor(t, wrapper, 4*time.Second) })
	undisturbed := c.mark()
	resume()
	for range 3 { // all that happens meanwhile is judged by a Wrapper that has just woken up
		newCall(t, "cat", "dan")
	}
	c.expectUndisturbed(t, undisturbed)
}

// silentFor is nil once a Wrapper has not said for so long that it is there: twice what makes a media server that is
// silent count as lost.
func silentFor(t *testing.T, wrapper *harness.Process, least time.Duration) error {
	t.Helper()
	var replicas struct {
		Items []struct {
			ID          string    `json:"id"`
			HeartbeatAt time.Time `json:"heartbeatAt"`
		} `json:"items"`
	}
	request := harness.Request{Method: http.MethodGet, Path: "/v1/admin/replicas"}
	if _, err := fleet.API.Do(t.Context(), request, &replicas); err != nil {
		return err
	}
	for _, r := range replicas.Items {
		if silent := time.Since(r.HeartbeatAt); r.ID == wrapper.Name && silent < least {
			return fmt.Errorf("%s is silent for %s", r.ID, silent)
		}
	}
	return nil
}

// expectSameServer checks that a session has stayed where it was, with its media.
func expectSameServer(t *testing.T, c *call) {
	t.Helper()
	if now := placement(t, c.id); now != c.was {
		t.Errorf("the session is on %s in epoch %d, was on %s in %d",
			now.Server.Name, now.Epoch, c.was.Server.Name, c.was.Epoch)
	}
	for _, u := range c.users[:2] {
		for owner, stream := range u.Streams() {
			if seen := u.Arrivals(stream, "video"); owner != u.ID && seen.Gap > gapLimit {
				t.Errorf("%s received nothing of %s for %s", u.ID, owner, seen.Gap)
			}
		}
	}
	queues, err := fleet.Broker.Queues(t.Context())
	must(t, err)
	if dead := queues[broker.DeadLetterQueue]; dead > 0 {
		t.Errorf("%d requests were given up", dead)
	}
}
