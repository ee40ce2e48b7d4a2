package media_test

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/services/mediaserver/internal/media"
)

// states notes the connection states of an endpoint.
type states struct {
	mu   sync.Mutex
	list []control.ConnectionState
	at   []time.Time
}

func (f *fixture) states(object media.Object) *states {
	s := &states{}
	f.listen(object, func(e media.Event) {
		if change, ok := e.Data.(media.EndpointStateChanged); ok {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.list, s.at = append(s.list, change.State), append(s.at, e.Time)
		}
	})
	return s
}

func (s *states) are(want ...control.ConnectionState) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if fmt.Sprint(s.list) != fmt.Sprint(want) {
		return fmt.Errorf("states %v, want %v", s.list, want)
	}
	return nil
}

// A client that vanishes without a word is told of twice, at the times of the settings, and nothing of it is left once
// it is released.
func TestSilentClient_DisconnectedThenFailed(t *testing.T) {
	f := newFixture(t)
	p := f.pipeline(t)
	conn := &lossyConn{}
	pub := newPublisher(t, p, "ann")
	pub.pc = newClientPCWith(t, false, conn.on(t))
	pub.track(webrtc.MimeTypeVP8, "cam")
	seen := f.states(pub.endpoint)
	pub.publish()
	testkit.Eventually(t, func() error {
		return seen.are(control.ConnectionConnecting, control.ConnectionConnected)
	})
	conn.silenced.Store(true)
	silent := time.Now()
	testkit.Eventually(t, func() error {
		return seen.are(control.ConnectionConnecting, control.ConnectionConnected, control.ConnectionDisconnected,
			control.ConnectionFailed)
	})
	// The fixture: silence of 1 s, then 2 s more.
	if got := seen.at[2].Sub(silent); got < 800*time.Millisecond || got > 4*time.Second {
		t.Errorf("disconnected after %s", got)
	}
	if got := seen.at[3].Sub(silent); got < 2500*time.Millisecond || got > 8*time.Second {
		t.Errorf("failed after %s", got)
	}
	f.Release(pub.endpoint.ID())
	if stats := f.Stats(); stats.Endpoints != 0 {
		t.Errorf("%d endpoints", stats.Endpoints)
	}
}

// A silence that ends is healed without a new offer.
func TestSilentClient_ComesBack(t *testing.T) {
	f := newFixture(t)
	p := f.pipeline(t)
	conn := &lossyConn{}
	pub := newPublisher(t, p, "ann")
	pub.pc = newClientPCWith(t, false, conn.on(t))
	pub.track(webrtc.MimeTypeVP8, "cam")
	seen := f.states(pub.endpoint)
	id := pub.publish().Streams[0].ID
	sub := newSubscriber(t, f, p, "ben", control.Subscriptions{})
	testkit.Eventually(t, func() error { return sub.receives(id, "video", 5) })
	conn.silenced.Store(true)
	testkit.Eventually(t, func() error {
		return seen.are(control.ConnectionConnecting, control.ConnectionConnected, control.ConnectionDisconnected)
	})
	conn.silenced.Store(false)
	testkit.Eventually(t, func() error {
		return seen.are(control.ConnectionConnecting, control.ConnectionConnected, control.ConnectionDisconnected,
			control.ConnectionConnected)
	})
	count := sub.track(id, "video").count()
	testkit.Eventually(t, func() error { return sub.receives(id, "video", count+20) })
}

// Hundreds of connections with media come and go: the process is as small as before.
func TestRelease_GivesBackEverything(t *testing.T) {
	const rounds, users = 10, 15
	f := newFixture(t)
	round := func(t *testing.T) {
		t.Helper()
		p := f.pipeline(t)
		for i := range users {
			user := control.UserID(fmt.Sprint(i))
			newSubscriber(t, f, p, user, control.Subscriptions{
				Mode: control.SubscribeList, Streams: []control.Subscription{{ID: control.StreamIDFor(user+"-", "cam")}},
			})
			pub := newPublisher(t, p, user+"-")
			pub.track(webrtc.MimeTypeVP8, "cam")
			pub.publish()
		}
		before := f.Stats().PacketsOut
		testkit.Eventually(t, func() error {
			if got := f.Stats().PacketsOut - before; got < users*50 {
				return fmt.Errorf("%d packets went out", got)
			}
			return nil
		})
		f.Release(p.ID())
		f.mu.Lock()
		clear(f.backlog)
		clear(f.listeners)
		f.mu.Unlock()
	}
	size := func() (int, int64) {
		runtime.GC()
		runtime.GC() // what finalizers and pools held
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return runtime.NumGoroutine(), int64(m.HeapAlloc)
	}
	t.Run("first", round)
	goroutines, heap := size()
	for n := range rounds {
		t.Run(fmt.Sprint(n), round)
	}
	testkit.Eventually(t, func() error {
		now, nowHeap := size()
		// A connection that stayed would be hundreds of KiB; there were 300.
		if now > goroutines+2 || nowHeap > heap+4<<20 {
			return fmt.Errorf("%d goroutines, were %d; %d KiB, were %d", now, goroutines, nowHeap>>10, heap>>10)
		}
		return nil
	})
}
