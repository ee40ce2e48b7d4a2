package media_test

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"

	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/services/mediaserver/internal/media"
)

// A sender is told twice how much it may send: in the answer, and again and again while it sends.
func TestLimits_SenderIsTold(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := newKurentoClient(t, f, f.pipeline(t), media.WebRTCEndpointParams{})
	c.sends(webrtc.MimeTypeVP8)
	var allowed atomic.Uint64
	sender := c.pc.GetSenders()[0]
	go func() { // ends with the connection
		for {
			packets, _, err := sender.ReadRTCP()
			if err != nil {
				return
			}
			for _, p := range packets {
				if limit, ok := p.(*rtcp.ReceiverEstimatedMaximumBitrate); ok {
					allowed.Store(uint64(limit.Bitrate))
				}
			}
		}
	}()
	if err := c.endpoint.SetLimits(func(l *media.Limits) { l.MaxVideoRecv = 300 }); err != nil {
		t.Fatal(err)
	}
	if answer := c.negotiate(); !strings.Contains(answer, "b=AS:300\r\n") || !strings.Contains(answer, "goog-remb") {
		t.Errorf("answer\n%s", answer)
	}
	told := func(want uint64) error {
		if got := allowed.Load(); got < want-1000 || got > want+1000 { // REMB rounds
			return fmt.Errorf("%d bits/s are allowed, want about %d", got, want)
		}
		return nil
	}
	testkit.Eventually(t, func() error { return told(364_000) })
	if err := c.endpoint.SetLimits(func(l *media.Limits) { l.MaxVideoRecv = 100 }); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, func() error { return told(164_000) })
}

// Of a video in several layers the one is sent that the receiver's limit allows.
func TestLimits_ChooseTheLayer(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := f.pipeline(t)
	source := newKurentoClient(t, f, p, media.WebRTCEndpointParams{})
	camera := (&publisher{tb: t, pc: source.pc}).simulcast("camera")
	source.negotiate()
	camera.start()
	viewer := newKurentoClient(t, f, p, media.WebRTCEndpointParams{})
	viewer.receivesOnly(webrtc.RTPCodecTypeVideo)
	viewer.negotiate()
	if err := source.endpoint.Connect(viewer.endpoint); err != nil {
		t.Fatal(err)
	}
	sends := func(layer int) error {
		if got := viewer.endpoint.SentLayer(); got != layer {
			return fmt.Errorf("layer %d is sent, want %d", got, layer)
		}
		return nil
	}
	limit := func(kbps int) {
		if err := viewer.endpoint.SetLimits(func(l *media.Limits) { l.MaxVideoSend = kbps }); err != nil {
			t.Fatal(err)
		}
	}
	testkit.Eventually(t, func() error { return sends(2) })
	limit(1)
	testkit.Eventually(t, func() error { return sends(0) })
	limit(0)
	testkit.Eventually(t, func() error { return sends(2) })
	var refused *media.Error
	err := viewer.endpoint.SetLimits(func(l *media.Limits) { l.MinVideoRecv = -1 })
	if !errors.As(err, &refused) || refused.Code != 40107 {
		t.Errorf("a negative limit: %v", err)
	}
}

// What receivers report of a stream, and what is counted of one that comes in.
func TestStats_OfStreams(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := presenting(t, f, f.pipeline(t))
	if err := c.endpoint.Connect(c.endpoint); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, func() error { return c.has(1) })
	for _, receiver := range c.pc.GetReceivers() {
		go func() { // ends with the connection; Pion learns of sender reports only while somebody reads them
			for {
				if _, _, err := receiver.ReadRTCP(); err != nil {
					return
				}
			}
		}()
	}
	testkit.Eventually(t, func() error {
		var missing error
		list := c.endpoint.Stats(media.Video)
		for _, s := range list {
			switch {
			case s.Inbound && (s.Lost != 0 || s.FractionLost != 0 || s.Jitter <= 0):
				missing = fmt.Errorf("incoming %+v", s)
			case !s.Inbound && s.RoundTrip <= 0:
				missing = fmt.Errorf("outgoing %+v", s)
			}
		}
		if len(list) != 2 {
			missing = fmt.Errorf("%d streams", len(list))
		}
		return missing
	})
}
