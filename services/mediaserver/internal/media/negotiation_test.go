package media_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/pion/webrtc/v4"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/mediaapi"
	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/services/mediaserver/internal/media"
)

func TestCreate_IsIdempotent(t *testing.T) {
	f := newFixture(t)
	one, err := f.CreatePipeline("s", 1)
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := f.CreatePipeline("s", 1); again != one {
		t.Error("the same session and epoch got another pipeline")
	}
	if next, _ := f.CreatePipeline("s", 2); next == one {
		t.Error("the next epoch got the old pipeline")
	}
	publish, _ := one.NewPublishEndpoint("ann", "j1")
	if again, _ := one.NewPublishEndpoint("ann", "j1"); again != publish {
		t.Error("the same join got another endpoint")
	}
	if other, _ := one.NewPublishEndpoint("ann", "j2"); other == publish {
		t.Error("another join got the old endpoint")
	}
	f.Release(one.ID())
	if _, err := one.NewPublishEndpoint("ann", "j3"); err == nil {
		t.Error("a released pipeline takes endpoints")
	}
	if after, _ := f.CreatePipeline("s", 1); after == one {
		t.Error("a released pipeline was handed out")
	}
}

func TestProcessOffer_GarbageLeavesEndpointUsable(t *testing.T) {
	f := newFixture(t)
	p := f.pipeline(t)
	pub := newPublisher(t, p, "ann")
	pub.track(webrtc.MimeTypeVP8, "cam")
	good := pub.offer()
	for name, offer := range map[string]string{
		"empty":          "",
		"text":           "hello",
		"no media":       "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n",
		"no credentials": strings.ReplaceAll(good, "a=ice-pwd", "a=x"),
		"no fingerprint": strings.ReplaceAll(good, "a=fingerprint", "a=x"),
		"no mid":         strings.ReplaceAll(good, "a=mid:", "a=x:"),
		"bad candidate":  strings.Replace(good, "typ host", "typ what", 1),
		"too long":       good + strings.Repeat("a=x:yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n", 4000),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := pub.endpoint.ProcessOffer(t.Context(), offer, 1)
			var refused *media.Error
			if !errors.As(err, &refused) || refused.Code != mediaapi.CodeSDPParse {
				t.Errorf("error = %v", err)
			}
		})
	}
	result, err := pub.endpoint.ProcessOffer(t.Context(), good, 1)
	if err != nil || len(result.Streams) != 1 {
		t.Fatalf("good offer after bad ones: %v, %v", result.Streams, err)
	}
	if _, err := pub.endpoint.ProcessOffer(t.Context(), "garbage", 2); err == nil {
		t.Error("garbage was taken as renegotiation")
	}
	err = pub.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: result.Answer})
	if err != nil {
		t.Fatal(err)
	}
	sub := newSubscriber(t, f, p, "ben", control.Subscriptions{})
	testkit.Eventually(t, func() error { return sub.receives(result.Streams[0].ID, "video", 5) })
}

func TestProcessOffer_ICERestart(t *testing.T) {
	f := newFixture(t)
	p := f.pipeline(t)
	pub := newPublisher(t, p, "ann")
	pub.track(webrtc.MimeTypeVP8, "cam")
	id := pub.publish().Streams[0].ID
	sub := newSubscriber(t, f, p, "ben", control.Subscriptions{})
	testkit.Eventually(t, func() error { return sub.receives(id, "video", 5) })
	offer, err := pub.pc.CreateOffer(&webrtc.OfferOptions{ICERestart: true})
	if err != nil {
		t.Fatal(err)
	}
	result, err := pub.endpoint.ProcessOffer(t.Context(), gather(t, pub.pc, offer), 2)
	if err != nil {
		t.Fatal(err)
	}
	err = pub.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: result.Answer})
	if err != nil {
		t.Fatal(err)
	}
	count := sub.track(id, "video").count()
	testkit.Eventually(t, func() error { return sub.receives(id, "video", count+50) })
}

func TestCandidates_BeforeTheOffer(t *testing.T) {
	f := newFixture(t)
	p := f.pipeline(t)
	pub := newPublisher(t, p, "ann")
	pub.track(webrtc.MimeTypeVP8, "cam")
	var trickled []control.Candidate
	var kept []string
	for line := range strings.SplitSeq(pub.offer(), "\r\n") {
		if text, found := strings.CutPrefix(line, "a="); found && strings.HasPrefix(text, "candidate:") {
			trickled = append(trickled, control.Candidate{Candidate: text})
			continue
		}
		kept = append(kept, line)
	}
	trickled = append(trickled, control.Candidate{})
	if err := pub.endpoint.AddICECandidates(t.Context(), trickled, true); err != nil {
		t.Fatal(err)
	}
	result, err := pub.endpoint.ProcessOffer(t.Context(), strings.Join(kept, "\r\n"), 1)
	if err != nil {
		t.Fatal(err)
	}
	err = pub.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: result.Answer})
	if err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, func() error {
		if f.Stats().PacketsIn == 0 {
			return errors.New("no media")
		}
		return nil
	})
	err = pub.endpoint.AddICECandidates(t.Context(), []control.Candidate{{Candidate: "nonsense"}}, false)
	var refused *media.Error
	if !errors.As(err, &refused) || refused.Code != mediaapi.CodeICEAddCandidate {
		t.Errorf("error = %v", err)
	}
}

// manualSubscriber has one unanswered offer of one stream.
func manualSubscriber(t *testing.T) (*fixture, *publisher, *subscriber) {
	t.Helper()
	f := newFixture(t)
	p := f.pipeline(t)
	pub := newPublisher(t, p, "ann")
	pub.track(webrtc.MimeTypeVP8, "cam")
	pub.publish()
	sub := prepareSubscriber(t)
	sub.manual = true
	sub.attach(f, p, "ben", control.Subscriptions{})
	testkit.Eventually(t, func() error { return sub.hasOffers(1) })
	return f, pub, sub
}

func (s *subscriber) hasOffers(n int) error {
	if got := s.offerCount(); got < n {
		return fmt.Errorf("%d offers, want %d", got, n)
	}
	return nil
}

func TestSubscribe_OneOfferAtATime(t *testing.T) {
	_, pub, sub := manualSubscriber(t)
	pub.track(webrtc.MimeTypeOpus, "cam")
	pub.publish()
	pub.track(webrtc.MimeTypeVP8, "screen")
	streams := pub.publish().Streams
	if err := sub.endpoint.SetSubscriptions(t.Context(), control.Subscriptions{}); err != nil {
		t.Fatal(err) // once this has been worked through, so have the changes before it
	}
	if got := sub.offerCount(); got != 1 {
		t.Fatalf("%d offers while the first waits", got)
	}
	first := sub.lastOffer()
	if err := sub.answer(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, func() error { return sub.hasOffers(2) })
	if second := sub.lastOffer(); second.Seq != 2 || !strings.Contains(second.SDP, string(streams[1].ID)) {
		t.Errorf("offer %d does not have all changes", second.Seq)
	}
	if err := sub.endpoint.ProcessAnswer(t.Context(), "late", 1); err != nil {
		t.Errorf("late answer: %v", err)
	}
	var refused *media.Error
	err := sub.endpoint.ProcessAnswer(t.Context(), "early", 3)
	if !errors.As(err, &refused) || refused.Code != mediaapi.CodeNotOfferGenerated {
		t.Errorf("answer to no offer: %v", err)
	}
	err = sub.endpoint.ProcessAnswer(t.Context(), "garbage", 2)
	if !errors.As(err, &refused) || refused.Code != mediaapi.CodeSDPParse {
		t.Errorf("garbage answer: %v", err)
	}
	if err := sub.answer(t.Context(), sub.lastOffer()); err != nil {
		t.Fatal(err)
	}
	if err := sub.endpoint.ProcessAnswer(t.Context(), "again", 2); err != nil {
		t.Errorf("repeated answer: %v", err)
	}
	testkit.Eventually(t, func() error { return sub.receives(streams[1].ID, "video", 5) })
}

func TestRequestOffer_RepeatsTheOneThatWaits(t *testing.T) {
	_, _, sub := manualSubscriber(t)
	if err := sub.endpoint.RequestOffer(t.Context(), false, false); err != nil {
		t.Fatal(err)
	}
	if err := sub.hasOffers(2); err != nil {
		t.Fatal(err)
	}
	if sub.offers[0] != sub.offers[1] {
		t.Error("the repeated offer is another one")
	}
}

func TestRequestOffer_FreshRestartAndStop(t *testing.T) {
	_, pub, sub := manualSubscriber(t)
	id := pub.last.Streams[0].ID
	if err := sub.answer(t.Context(), sub.lastOffer()); err != nil {
		t.Fatal(err)
	}
	sub.mu.Lock()
	sub.manual = false
	sub.mu.Unlock()
	testkit.Eventually(t, func() error { return sub.receives(id, "video", 5) })

	if err := sub.endpoint.RequestOffer(t.Context(), false, true); err != nil {
		t.Fatal(err)
	}
	count := sub.track(id, "video").count()
	testkit.Eventually(t, func() error { return sub.receives(id, "video", count+30) })

	old := sub.pc
	sub.forget(id)
	if err := sub.endpoint.RequestOffer(t.Context(), true, false); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, func() error { return sub.receives(id, "video", 5) })
	_ = old.Close()

	if err := sub.endpoint.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, func() error { return sub.lastState(control.ConnectionClosed) })
	offers := sub.offerCount()
	pub.track(webrtc.MimeTypeOpus, "cam")
	pub.publish()
	old = sub.pc
	sub.forget(id)
	if err := sub.endpoint.RequestOffer(t.Context(), false, false); err != nil {
		t.Fatal(err)
	}
	if got := sub.offerCount(); got != offers+1 {
		t.Errorf("%d offers, were %d before the stop", got, offers)
	}
	testkit.Eventually(t, func() error { return sub.receives(id, "audio", 5) })
	_ = old.Close()
	sub.assertStatesNumbered()
}

// forget has the next offer answered by a new connection.
func (s *subscriber) forget(id control.StreamID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fresh = true
	delete(s.received, string(id)+"/video")
}

func (s *subscriber) lastState(want control.ConnectionState) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.states) == 0 || s.states[len(s.states)-1].State != want {
		return fmt.Errorf("states = %v", s.states)
	}
	return nil
}

func (s *subscriber) assertStatesNumbered() {
	s.tb.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, state := range s.states {
		if state.Number != int64(i+1) {
			s.tb.Errorf("state %d has number %d", i+1, state.Number)
		}
	}
}

func TestDataChannels_AreMirrored(t *testing.T) {
	f := newFixture(t)
	p := f.pipeline(t)
	sub := newSubscriber(t, f, p, "ben", control.Subscriptions{})
	pub := newPublisher(t, p, "ann")
	channel, err := pub.pc.CreateDataChannel("chat", nil)
	if err != nil {
		t.Fatal(err)
	}
	channel.OnOpen(func() {
		for i := range 20 {
			_ = channel.SendText(fmt.Sprint(i)) // before the subscriber has negotiated anything
		}
	})
	streams := pub.publish().Streams
	if len(streams) != 1 || fmt.Sprint(streams[0].Kinds) != "[data]" {
		t.Fatalf("streams = %+v", streams)
	}
	if want := control.StreamIDFor("ann", "data"); streams[0].ID != want {
		t.Errorf("id = %s, want %s", streams[0].ID, want)
	}
	testkit.Eventually(t, func() error { return sub.heard(streams[0].ID, "chat", 20) })
	late := newSubscriber(t, f, p, "cid", control.Subscriptions{})
	testkit.Eventually(t, func() error {
		_ = channel.SendText("more")
		return late.heard(streams[0].ID, "chat", 3)
	})
	sub.mu.Lock()
	defer sub.mu.Unlock()
	for i, text := range sub.channels[string(streams[0].ID)+"/chat"][:20] {
		if text != fmt.Sprint(i) {
			t.Fatalf("message %d is %q", i, text)
		}
	}
}

func (s *subscriber) heard(id control.StreamID, label string, n int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if got := len(s.channels[string(id)+"/"+label]); got < n {
		return fmt.Errorf("%d messages on %s, want %d", got, label, n)
	}
	return nil
}
