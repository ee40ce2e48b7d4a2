package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/orkestro/orkestro/tests/harness"
)

// TestStop_UnderLoad stops and starts each process of the services in turn, as a deployment does, while sessions are
// made, joined, talked in and closed. Each ends well and in time, and no call stays behind.
func TestStop_UnderLoad(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var load sync.WaitGroup
	for n := range 4 {
		load.Go(func() { keepBusy(ctx, fmt.Sprintf("busy-%d", n)) })
	}
	session := fleet.NewSession(t)
	users := join(t, session, "ann", "ben")
	expectMedia(t, users...)
	for _, p := range slices.Concat(fleet.RestAPIs, fleet.Wrappers, fleet.MediaServers) {
		began := time.Now()
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("%s took %s to stop", p.Name, took)
		}
		if err := p.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	load.Wait()
	expectMedia(t, users...)
}

// keepBusy does what a backend does, again and again until ctx ends. What fails is done again under a new name.
func keepBusy(ctx context.Context, name string) {
	for n := 0; ctx.Err() == nil; n++ {
		id := fmt.Sprintf("%s-%d", name, n)
		if _, err := fleet.API.CreateSession(ctx, id); err != nil {
			continue
		}
		for _, user := range []string{"x", "y"} {
			joined, err := fleet.API.Join(ctx, id, user)
			if err != nil {
				continue
			}
			_, _ = fleet.API.Send(ctx, id, user, joined.Token, "busy", n, "")
		}
		if err := fleet.API.CloseSession(ctx, id); err != nil && ctx.Err() == nil {
			_, _ = fleet.API.Do(ctx, harness.Request{Method: http.MethodDelete, Path: "/v1/sessions/" + id}, nil)
		}
	}
}
