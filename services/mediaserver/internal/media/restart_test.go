package media_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/testkit"
)

// restart offers with new ICE credentials on the same connection.
func (p *publisher) restart() {
	p.tb.Helper()
	offer, err := p.pc.CreateOffer(&webrtc.OfferOptions{ICERestart: true})
	if err != nil {
		p.tb.Fatal(err)
	}
	p.seq++
	result, err := p.endpoint.ProcessOffer(p.tb.Context(), gather(p.tb, p.pc, offer), p.seq)
	if err != nil {
		p.tb.Fatal(err)
	}
	err = p.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: result.Answer})
	if err != nil {
		p.tb.Fatal(err)
	}
}

// Both connections come back from failed by an ICE restart, under the addresses that the clients have by then, with the
// same tracks: nobody is offered anything new.
func TestICERestart_AfterFailure(t *testing.T) {
	f := newFixture(t)
	p := f.pipeline(t)
	out, in := &lossyConn{}, &lossyConn{}
	pub := newPublisher(t, p, "ann")
	pub.pc = newClientPCWith(t, false, out.on(t))
	pub.track(webrtc.MimeTypeVP8, "cam")
	seen := f.states(pub.endpoint)
	id := pub.publish().Streams[0].ID
	sub := prepareSubscriber(t)
	sub.adjust = in.on(t)
	sub.attach(f, p, "ben", control.Subscriptions{})
	other := newSubscriber(t, f, p, "cleo", control.Subscriptions{})
	testkit.Eventually(t, func() error { return sub.receives(id, "video", 5) })
	testkit.Eventually(t, func() error { return other.receives(id, "video", 5) })

	out.silenced.Store(true)
	in.silenced.Store(true)
	testkit.Eventually(t, func() error { return seen.last(control.ConnectionFailed) })
	testkit.Eventually(t, func() error { return sub.lastState(control.ConnectionFailed) })
	out.silenced.Store(false)
	in.silenced.Store(false)

	count := other.track(id, "video").count()
	began := time.Now()
	pub.restart()
	testkit.Eventually(t, func() error { return other.receives(id, "video", count+20) })
	t.Logf("publisher back after %s", time.Since(began))
	count = sub.track(id, "video").count()
	began = time.Now()
	if err := sub.endpoint.RequestOffer(t.Context(), false, true); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, func() error { return sub.receives(id, "video", count+20) })
	t.Logf("subscriber back after %s", time.Since(began))
	testkit.Eventually(t, func() error { return seen.last(control.ConnectionConnected) })
	testkit.Eventually(t, func() error { return sub.lastState(control.ConnectionConnected) })
	if got := other.offerCount(); got != 1 {
		t.Errorf("the one who was well got %d offers, want the first only", got)
	}
	if got := sub.offerCount(); got != 2 {
		t.Errorf("the one who came back got %d offers, want 2", got)
	}
}

// A client that closes its connection is noticed at once, and not after the time that silence takes.
func TestClose_IsNoticedAtOnce(t *testing.T) {
	f := newFixture(t)
	p := f.pipeline(t)
	pub := newPublisher(t, p, "ann")
	pub.track(webrtc.MimeTypeVP8, "cam")
	seen := f.states(pub.endpoint)
	id := pub.publish().Streams[0].ID
	sub := newSubscriber(t, f, p, "ben", control.Subscriptions{})
	testkit.Eventually(t, func() error { return sub.receives(id, "video", 5) })
	if err := pub.pc.Close(); err != nil {
		t.Fatal(err)
	}
	sub.mu.Lock()
	pc := sub.pc
	sub.mu.Unlock()
	if err := pc.Close(); err != nil {
		t.Fatal(err)
	}
	closed := time.Now()
	testkit.Eventually(t, func() error { return seen.last(control.ConnectionClosed) })
	testkit.Eventually(t, func() error { return sub.lastState(control.ConnectionClosed) })
	if took := time.Since(closed); took > 900*time.Millisecond {
		t.Errorf("noticed after %s, silence would have shown after a second", took)
	}
}

// Whoever has closed its connection, and asks for an offer again in whatever words, gets one of a fresh connection.
func TestRequestOffer_AfterTheClientClosed(t *testing.T) {
	for name, iceRestart := range map[string]bool{"plain": false, "ICE restart": true} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			p := f.pipeline(t)
			pub := newPublisher(t, p, "ann")
			pub.track(webrtc.MimeTypeVP8, "cam")
			id := pub.publish().Streams[0].ID
			sub := newSubscriber(t, f, p, "ben", control.Subscriptions{})
			testkit.Eventually(t, func() error { return sub.receives(id, "video", 5) })
			old := sub.pc
			sub.forget(id)
			if err := old.Close(); err != nil {
				t.Fatal(err)
			}
			testkit.Eventually(t, func() error { return sub.lastState(control.ConnectionClosed) })
			if err := sub.endpoint.RequestOffer(t.Context(), false, iceRestart); err != nil {
				t.Fatal(err)
			}
			testkit.Eventually(t, func() error { return sub.receives(id, "video", 5) })
		})
	}
}

// A client on another network that restarts ICE is found there at once.
func TestICERestart_AtAnotherAddress(t *testing.T) {
	f := newFixture(t)
	p := f.pipeline(t)
	pub := newPublisher(t, p, "ann")
	pub.track(webrtc.MimeTypeVP8, "cam")
	id := pub.publish().Streams[0].ID
	in := newRoamingConn(t)
	sub := prepareSubscriber(t)
	sub.adjust = in.on(t)
	sub.attach(f, p, "ben", control.Subscriptions{})
	testkit.Eventually(t, func() error { return sub.receives(id, "video", 5) })

	count := sub.track(id, "video").count()
	began := time.Now()
	in.move("127.0.0.3:0")
	if err := sub.endpoint.RequestOffer(t.Context(), false, true); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, func() error { return sub.receives(id, "video", count+20) })
	t.Logf("back after %s", time.Since(began))
	testkit.Eventually(t, func() error { return sub.lastState(control.ConnectionConnected) })
	sub.mu.Lock()
	defer sub.mu.Unlock()
	for _, s := range sub.states {
		if s.State == control.ConnectionFailed {
			t.Errorf("failed in between: %v", sub.states)
		}
	}
}

// An offer that restarts ICE waits for its own candidates, and not for those that were gathered before.
func TestICERestart_OfferHasCandidates(t *testing.T) {
	_, _, sub := manualSubscriber(t)
	for n := range 30 {
		offer := sub.lastOffer()
		if !strings.Contains(offer.SDP, "a=candidate:") || !strings.Contains(offer.SDP, "a=end-of-candidates") {
			t.Fatalf("offer %d has no candidates, or not all", offer.Seq)
		}
		if err := sub.answer(t.Context(), offer); err != nil {
			t.Fatal(err)
		}
		if err := sub.endpoint.RequestOffer(t.Context(), false, true); err != nil {
			t.Fatal(err)
		}
		testkit.Eventually(t, func() error { return sub.hasOffers(n + 2) })
	}
}

// A client that vanishes and comes back on fresh connections, again and again, costs no more than one that did not.
func TestComingBack_LeavesNothingBehind(t *testing.T) {
	const rounds = 10
	f := newFixture(t)
	p := f.pipeline(t)
	pub := newPublisher(t, p, "ann")
	sub := newSubscriber(t, f, p, "ben", control.Subscriptions{})
	var first int
	for n := range rounds {
		out, in := &lossyConn{}, &lossyConn{}
		pub.pc = newClientPCWith(t, false, out.on(t))
		_, sending := pub.track(webrtc.MimeTypeVP8, "cam")
		id := pub.publish().Streams[0].ID
		sub.adjust = in.on(t)
		sub.forget(id)
		if err := sub.endpoint.RequestOffer(t.Context(), true, false); err != nil {
			t.Fatal(err)
		}
		testkit.Eventually(t, func() error { return sub.receives(id, "video", 5) })
		out.silenced.Store(true)
		in.silenced.Store(true)
		sending.stop()
		_ = pub.pc.GracefulClose()
		_ = sub.pc.GracefulClose()
		_, _ = out.mux.Close(), in.mux.Close()
		if n == 0 {
			first = runtime.NumGoroutine()
		}
	}
	testkit.Eventually(t, func() error {
		if now := runtime.NumGoroutine(); now > first+2 {
			return fmt.Errorf("%d goroutines after %d rounds, %d after the first", now, rounds, first)
		}
		return nil
	})
}
