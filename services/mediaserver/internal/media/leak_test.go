package media_test

import (
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/pion/webrtc/v4"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/testkit"
)

func TestRelease_LeavesNothingBehind(t *testing.T) {
	f := newFixture(t)
	client := newClientPC(t, false)
	if _, err := client.AddTransceiverFromKind(webrtc.RTPCodecTypeVideo); err != nil {
		t.Fatal(err)
	}
	created, err := client.CreateOffer(nil)
	if err != nil {
		t.Fatal(err)
	}
	offer := gather(t, client, created)
	before := runtime.NumGoroutine()
	for range 10 {
		p := f.pipeline(t)
		var wg sync.WaitGroup
		for i := range 10 {
			wg.Go(func() {
				user := control.UserID(fmt.Sprint(i))
				if _, err := p.NewSubscribeEndpoint(user, "join", control.Subscriptions{}); err != nil {
					t.Error(err)
				}
				pub, err := p.NewPublishEndpoint(user, "join")
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := pub.ProcessOffer(t.Context(), offer, 1); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		f.Release(p.ID())
	}
	testkit.Eventually(t, func() error {
		if now := runtime.NumGoroutine(); now > before {
			return fmt.Errorf("%d goroutines, were %d", now, before)
		}
		return nil
	})
	if stats := f.Stats(); stats.Endpoints != 0 || stats.Pipelines != 0 || stats.PipelinesCreated != 10 {
		t.Errorf("stats = %+v", stats)
	}
}
