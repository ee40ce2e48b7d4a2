package media_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"
	"go.uber.org/goleak"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/testkit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTwoUsers_HearAndSeeEachOther(t *testing.T) {
	f := newFixture(t)
	p := f.pipeline(t)
	var publishers []*publisher
	var subscribers []*subscriber
	for _, user := range []control.UserID{"ann", "ben"} {
		subscribers = append(subscribers, newSubscriber(t, f, p, user, control.Subscriptions{}))
		pub := newPublisher(t, p, user)
		pub.track(webrtc.MimeTypeOpus, "cam")
		pub.track(webrtc.MimeTypeVP8, "cam")
		pub.publish()
		publishers = append(publishers, pub)
	}
	for i, sub := range subscribers {
		other := publishers[1-i].last.Streams[0]
		if want := control.StreamIDFor(publishers[1-i].endpoint.User(), "cam"); other.ID != want {
			t.Errorf("stream id = %s, want %s", other.ID, want)
		}
		if got := fmt.Sprint(other.Kinds); got != "[audio video]" {
			t.Errorf("kinds = %s", got)
		}
		testkit.Eventually(t, func() error {
			return errors.Join(sub.receives(other.ID, "audio", 20), sub.receives(other.ID, "video", 20))
		})
		if own := publishers[i].last.Streams[0].ID; sub.track(own, "audio") != nil {
			t.Error("a user got its own stream")
		}
	}
	testkit.Eventually(t, func() error {
		if publishers[0].plis.Load() == 0 {
			return errors.New("nobody asked for a keyframe")
		}
		return nil
	})
	if stats := f.Stats(); stats.Endpoints != 4 || stats.Pipelines != 1 || stats.PacketsOut == 0 || stats.BytesIn == 0 {
		t.Errorf("stats = %+v", stats)
	}
}

func TestThirdUser_JoinsLateAndLeaves(t *testing.T) {
	f := newFixture(t)
	p := f.pipeline(t)
	pub := newPublisher(t, p, "ann")
	pub.track(webrtc.MimeTypeVP8, "cam")
	id := pub.publish().Streams[0].ID
	early := newSubscriber(t, f, p, "ben", control.Subscriptions{})
	testkit.Eventually(t, func() error { return early.receives(id, "video", 5) })

	late := newSubscriber(t, f, p, "cid", control.Subscriptions{})
	testkit.Eventually(t, func() error { return late.receives(id, "video", 5) })
	f.Release(late.endpoint.ID())
	f.Release(late.endpoint.ID())
	before := early.track(id, "video").count()
	testkit.Eventually(t, func() error { return early.receives(id, "video", before+20) })
	if _, found := f.Object(late.endpoint.ID()); found {
		t.Error("released endpoint is still there")
	}
	if err := late.endpoint.RequestOffer(t.Context(), false, false); err == nil {
		t.Error("released endpoint takes requests")
	}
}

func TestPublisherLeaves_StreamsGoAway(t *testing.T) {
	f := newFixture(t)
	p := f.pipeline(t)
	pub := newPublisher(t, p, "ann")
	pub.track(webrtc.MimeTypeVP8, "cam")
	id := pub.publish().Streams[0].ID
	sub := newSubscriber(t, f, p, "ben", control.Subscriptions{})
	testkit.Eventually(t, func() error { return sub.receives(id, "video", 5) })
	f.Release(pub.endpoint.ID())
	testkit.Eventually(t, func() error {
		if offer := sub.lastOffer().SDP; strings.Contains(offer, "a=sendonly") {
			return errors.New("the last offer still sends")
		}
		return nil
	})
	// The m-line is used again for whoever comes next.
	next := newPublisher(t, p, "cid")
	next.track(webrtc.MimeTypeH264, "cam")
	nextID := next.publish().Streams[0].ID
	testkit.Eventually(t, func() error { return sub.receives(nextID, "video", 5) })
	if got := strings.Count(sub.lastOffer().SDP, "m=video"); got != 1 {
		t.Errorf("%d video m-lines, want the one that was free", got)
	}
	if got := sub.track(nextID, "video").mime; got != webrtc.MimeTypeH264 {
		t.Errorf("codec = %s", got)
	}
}

func TestRenegotiation_AddsAndRemovesTracks(t *testing.T) {
	f := newFixture(t)
	p := f.pipeline(t)
	pub := newPublisher(t, p, "ann")
	pub.track(webrtc.MimeTypeOpus, "cam")
	cam := pub.publish().Streams[0].ID
	sub := newSubscriber(t, f, p, "ben", control.Subscriptions{})
	testkit.Eventually(t, func() error { return sub.receives(cam, "audio", 5) })

	screenSender, _ := pub.track(webrtc.MimeTypeVP8, "screen")
	streams := pub.publish().Streams
	if len(streams) != 2 {
		t.Fatalf("streams = %+v", streams)
	}
	screen := streams[1].ID
	testkit.Eventually(t, func() error { return sub.receives(screen, "video", 5) })

	if err := pub.pc.RemoveTrack(screenSender); err != nil {
		t.Fatal(err)
	}
	if streams := pub.publish().Streams; len(streams) != 1 || streams[0].ID != cam {
		t.Fatalf("streams after removal = %+v", streams)
	}
	testkit.Eventually(t, func() error {
		if offer := sub.lastOffer().SDP; strings.Contains(offer, string(screen)) {
			return errors.New("the last offer still has the removed stream")
		}
		return nil
	})
	before := sub.track(cam, "audio").count()
	testkit.Eventually(t, func() error { return sub.receives(cam, "audio", before+20) })
}

func TestPause_KeepsSequenceContinuous(t *testing.T) {
	f := newFixture(t)
	p := f.pipeline(t)
	pub := newPublisher(t, p, "ann")
	pub.track(webrtc.MimeTypeVP8, "cam")
	id := pub.publish().Streams[0].ID
	sub := newSubscriber(t, f, p, "ben", control.Subscriptions{})
	testkit.Eventually(t, func() error { return sub.receives(id, "video", 20) })

	for range 3 {
		if err := pub.endpoint.SetPaused(t.Context(), id, []string{"video"}); err != nil {
			t.Fatal(err)
		}
		in := f.Stats().PacketsIn
		testkit.Eventually(t, func() error {
			if got := f.Stats().PacketsIn; got < in+30 {
				return fmt.Errorf("%d packets came in during the pause", got-in)
			}
			return nil
		})
		if err := pub.endpoint.SetPaused(t.Context(), id, nil); err != nil {
			t.Fatal(err)
		}
		count := sub.track(id, "video").count()
		testkit.Eventually(t, func() error { return sub.receives(id, "video", count+20) })
	}
	assertContinuous(t, sub.track(id, "video"))
}

func assertContinuous(tb testing.TB, r *received) {
	tb.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := 1; i < len(r.sequences); i++ {
		if r.sequences[i] != r.sequences[i-1]+1 {
			tb.Fatalf("sequence number %d follows %d at packet %d", r.sequences[i], r.sequences[i-1], i)
		}
		if int32(r.times[i]-r.times[i-1]) <= 0 {
			tb.Fatalf("timestamp %d follows %d at packet %d", r.times[i], r.times[i-1], i)
		}
	}
}

func TestFreshPeerConnection_KeepsStreamsAndContinues(t *testing.T) {
	f := newFixture(t)
	p := f.pipeline(t)
	pub := newPublisher(t, p, "ann")
	_, first := pub.track(webrtc.MimeTypeVP8, "cam")
	id := pub.publish().Streams[0].ID
	sub := newSubscriber(t, f, p, "ben", control.Subscriptions{})
	testkit.Eventually(t, func() error { return sub.receives(id, "video", 20) })
	offers := sub.offerCount()

	first.paused.Store(true)
	old := pub.pc
	pub.pc = newClientPC(t, false)
	pub.track(webrtc.MimeTypeVP8, "cam")
	if got := pub.publish().Streams[0].ID; got != id {
		t.Errorf("stream id = %s, was %s", got, id)
	}
	count := sub.track(id, "video").count()
	testkit.Eventually(t, func() error { return sub.receives(id, "video", count+20) })
	if got := sub.offerCount(); got != offers {
		t.Errorf("subscriber was offered again: %d offers, were %d", got, offers)
	}
	assertContinuous(t, sub.track(id, "video"))
	_ = old.Close()
}

func TestProcessOffer_RepeatedGetsSameAnswer(t *testing.T) {
	f := newFixture(t)
	pub := newPublisher(t, f.pipeline(t), "ann")
	pub.track(webrtc.MimeTypeVP8, "cam")
	first := pub.publish()
	again, err := pub.endpoint.ProcessOffer(t.Context(), "whatever", first.Seq)
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(again) != fmt.Sprint(first) {
		t.Error("the repeated offer got another answer")
	}
}

func TestPLI_IsPassedAndThrottled(t *testing.T) {
	f := newFixture(t)
	p := f.pipeline(t)
	pub := newPublisher(t, p, "ann")
	pub.track(webrtc.MimeTypeVP8, "cam")
	id := pub.publish().Streams[0].ID
	sub := newSubscriber(t, f, p, "ben", control.Subscriptions{})
	testkit.Eventually(t, func() error { return sub.receives(id, "video", 5) })
	settled := pub.plis.Load()
	for range 50 {
		err := sub.pc.WriteRTCP([]rtcp.Packet{
			&rtcp.PictureLossIndication{MediaSSRC: uint32(sub.track(id, "video").ssrc)},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	testkit.Eventually(t, func() error {
		if pub.plis.Load() == settled {
			return errors.New("no PLI reached the publisher")
		}
		return nil
	})
	if got := pub.plis.Load() - settled; got > 3 {
		t.Errorf("%d PLIs for 50 in a moment", got)
	}
}

func TestSubscriptions_List(t *testing.T) {
	f := newFixture(t)
	p := f.pipeline(t)
	pub := newPublisher(t, p, "ann")
	pub.track(webrtc.MimeTypeOpus, "cam")
	pub.track(webrtc.MimeTypeVP8, "cam")
	pub.track(webrtc.MimeTypeVP8, "screen")
	streams := pub.publish().Streams
	cam, screen := streams[0].ID, streams[1].ID
	sub := newSubscriber(t, f, p, "ben", control.Subscriptions{
		Mode: control.SubscribeList, Streams: []control.Subscription{{ID: cam, Kinds: []string{"audio"}}},
	})
	testkit.Eventually(t, func() error { return sub.receives(cam, "audio", 20) })
	if sub.track(cam, "video") != nil || sub.track(screen, "video") != nil {
		t.Error("got what was not subscribed")
	}
	err := sub.endpoint.SetSubscriptions(t.Context(), control.Subscriptions{
		Mode: control.SubscribeList, Streams: []control.Subscription{{ID: screen}},
	})
	if err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, func() error { return sub.receives(screen, "video", 20) })
	if offer := sub.lastOffer().SDP; strings.Contains(offer, string(cam)) {
		t.Error("still offered what is not subscribed any more")
	}
	if err := sub.endpoint.SetSubscriptions(t.Context(), control.Subscriptions{}); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, func() error {
		return errors.Join(sub.receives(cam, "audio", 40), sub.receives(cam, "video", 5))
	})
}

func TestMesh_TenUsers(t *testing.T) {
	f := newFixture(t)
	p := f.pipeline(t)
	var ids []control.StreamID
	var subscribers []*subscriber
	for i := range 10 {
		user := control.UserID(fmt.Sprintf("user-%d", i))
		subscribers = append(subscribers, newSubscriber(t, f, p, user, control.Subscriptions{}))
		pub := newPublisher(t, p, user)
		pub.track(webrtc.MimeTypeOpus, "cam")
		pub.track(webrtc.MimeTypeVP8, "cam")
		ids = append(ids, pub.publish().Streams[0].ID)
	}
	testkit.Eventually(t, func() error {
		var errs []error
		for i, sub := range subscribers {
			for j, id := range ids {
				if i != j {
					errs = append(errs, sub.receives(id, "audio", 3), sub.receives(id, "video", 3))
				}
			}
		}
		return errors.Join(errs...)
	})
}
