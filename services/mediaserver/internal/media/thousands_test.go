package media_test

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"testing"

	"github.com/pion/webrtc/v4"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/services/mediaserver/internal/media"
)

// usage is what a process holds after a collection.
type usage struct {
	goroutines int
	heap       int64
}

func measure() usage {
	debug.FreeOSMemory() // collects twice over: what was finalized too
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return usage{runtime.NumGoroutine(), int64(m.HeapAlloc)}
}

// eventuallyBack waits until no more is held than before, but for a little that pools and caches keep.
func eventuallyBack(t *testing.T, before usage, slack int64) {
	t.Helper()
	testkit.Eventually(t, func() error {
		now := measure()
		if now.goroutines > before.goroutines || now.heap > before.heap+slack {
			return fmt.Errorf("%d goroutines and %d KiB, were %d and %d KiB",
				now.goroutines, now.heap>>10, before.goroutines, before.heap>>10)
		}
		return nil
	})
}

// Ten thousand endpoints come and go and leave nothing.
func TestThousands_OfEndpointsLeaveNothing(t *testing.T) {
	f := newFixture(t)
	f.OnEvent(func(media.Event) {}) // the fixture's own list of events would grow
	round := func() {
		p := f.pipeline(t)
		for i := range 50 {
			if _, err := p.NewWebRTCEndpoint(media.WebRTCEndpointParams{}); err != nil {
				t.Fatal(err)
			}
			user := control.UserID(fmt.Sprint(i))
			if _, err := p.NewPublishEndpoint(user, "join"); err != nil {
				t.Fatal(err)
			}
		}
		f.Release(p.ID())
	}
	round()
	before := measure()
	for range 100 {
		round()
	}
	eventuallyBack(t, before, 2<<20)
	if stats := f.Stats(); stats.Endpoints != 0 || stats.Pipelines != 0 {
		t.Errorf("stats %+v", stats)
	}
}

// So do hundreds that were connected.
func TestThousands_OfConnectionsLeaveNothing(t *testing.T) {
	f := newFixture(t)
	f.OnEvent(func(media.Event) {})
	round := func() {
		// A test of its own, with whose end the clients are forgotten.
		t.Run("round", func(t *testing.T) {
			p := f.pipeline(t)
			var clients sync.WaitGroup
			for range 20 {
				clients.Go(func() { connectOnce(t, p) })
			}
			clients.Wait()
			f.Release(p.ID())
		})
	}
	round()
	before := measure()
	for range 10 {
		round()
	}
	eventuallyBack(t, before, 4<<20)
}

// connectOnce has a client connect to a new endpoint and leave.
func connectOnce(t *testing.T, p *media.Pipeline) {
	t.Helper()
	endpoint, err := p.NewWebRTCEndpoint(media.WebRTCEndpointParams{})
	if err != nil {
		t.Error(err)
		return
	}
	client := newClientPC(t, true)
	defer func() { _ = client.GracefulClose() }()
	up := make(chan struct{})
	client.OnConnectionStateChange(func(s webrtc.PeerConnectionState) {
		if s == webrtc.PeerConnectionStateConnected {
			close(up)
		}
	})
	if _, err := client.AddTransceiverFromKind(webrtc.RTPCodecTypeVideo); err != nil {
		t.Error(err)
		return
	}
	created, err := client.CreateOffer(nil)
	if err != nil {
		t.Error(err)
		return
	}
	answer, err := endpoint.ProcessOffer(t.Context(), gather(t, client, created))
	if err != nil {
		t.Error(err)
		return
	}
	err = client.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer})
	if err != nil {
		t.Error(err)
		return
	}
	<-up // the server checks the client's candidates, which the offer had
}

// A thousand pipelines in which nothing happens fit into a small machine.
func TestThousands_OfIdlePipelines(t *testing.T) {
	f := newFixture(t)
	f.OnEvent(func(media.Event) {})
	before := measure()
	for range 1000 {
		p := f.pipeline(t)
		for _, user := range []control.UserID{"ann", "ben"} {
			if _, err := p.NewPublishEndpoint(user, "join"); err != nil {
				t.Fatal(err)
			}
			if _, err := p.NewSubscribeEndpoint(user, "join", control.Subscriptions{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	now := measure()
	t.Logf("%d KiB and %.1f goroutines a pipeline with two users",
		(now.heap-before.heap)/1000>>10, float64(now.goroutines-before.goroutines)/1000)
	if grown := now.heap - before.heap; grown > 100<<20 {
		t.Errorf("%d MiB for 1,000 pipelines", grown>>20)
	}
}
