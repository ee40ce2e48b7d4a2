package media_test

import (
	"fmt"
	"testing"

	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/testkit"
)

func TestNACK_IsAnsweredUnderTheSameNumber(t *testing.T) {
	f := newFixture(t)
	p := f.pipeline(t)
	pub := newPublisher(t, p, "ann")
	pub.track(webrtc.MimeTypeVP8, "cam")
	id := pub.publish().Streams[0].ID
	sub := prepareSubscriber(t)
	sub.lossless = true // no interceptor asks or answers on the client's side, and repetitions are let through
	sub.attach(f, p, "ben", control.Subscriptions{})
	testkit.Eventually(t, func() error { return sub.receives(id, "video", 50) })
	r := sub.track(id, "video")
	r.mu.Lock()
	wanted := r.sequences[10:30]
	ssrc := uint32(r.ssrc)
	r.mu.Unlock()
	err := sub.pc.WriteRTCP([]rtcp.Packet{&rtcp.TransportLayerNack{
		MediaSSRC: ssrc, Nacks: rtcp.NackPairsFromSequenceNumbers(wanted),
	}})
	if err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, func() error {
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, sequence := range wanted {
			times := map[uint32]int{}
			for i, got := range r.sequences {
				if got == sequence {
					times[r.times[i]]++
				}
			}
			if len(times) != 1 {
				return fmt.Errorf("packet %d has timestamps %v", sequence, times)
			}
			for _, n := range times {
				if n != 2 {
					return fmt.Errorf("packet %d came %d times", sequence, n)
				}
			}
		}
		return nil
	})
}
