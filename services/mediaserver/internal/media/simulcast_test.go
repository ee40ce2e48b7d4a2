package media_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/services/mediaserver/internal/media"
	"github.com/orkestro/orkestro/services/mediaserver/internal/payload"
)

// camera encodes one picture in several sizes, as browsers do it: each encoding has numbers, time and keyframes of its
// own, and a keyframe comes when it is asked for.
type camera struct {
	pub    *publisher
	sender *webrtc.RTPSender
	rids   []string // one, that is empty: no layers
	layers map[string]*cameraLayer
}

type cameraLayer struct {
	track    *webrtc.TrackLocalStaticRTP
	width    int
	size     int // bytes that are added to each packet
	paused   atomic.Bool
	keyframe atomic.Bool // is asked for
	asked    atomic.Int64
	packet   rtp.Packet
	picture  uint16
	tl0      uint8
}

// simulcast adds a track that is sent in three sizes from [camera.start] on. The largest comes first, to check that
// order is not relied upon.
func (p *publisher) simulcast(msid string) *camera { return p.camera(msid, "f", "h", "q") }

func (p *publisher) camera(msid string, rids ...string) *camera {
	p.tb.Helper()
	c := &camera{pub: p, rids: rids, layers: map[string]*cameraLayer{}}
	for i, rid := range rids {
		track, err := webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8}, "v", msid,
			webrtc.WithRTPStreamID(rid))
		if err != nil {
			p.tb.Fatal(err)
		}
		if c.sender == nil {
			c.sender, err = p.pc.AddTrack(track)
		} else {
			err = c.sender.AddEncoding(track)
		}
		if err != nil {
			p.tb.Fatal(err)
		}
		c.layers[rid] = &cameraLayer{
			track: track, width: 640 >> i, picture: uint16(32_000 + 300*i), tl0: uint8(250 - i),
			packet: rtp.Packet{Header: rtp.Header{
				Version: 2, SequenceNumber: uint16(65_000 + 100*i), Timestamp: uint32(i) * 1_000_000_000,
			}},
		}
	}
	return c
}

// start begins to send, after the negotiation.
func (c *camera) start() {
	tb := c.pub.tb
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for rid, l := range c.layers {
		if rid != "" {
			for id, value := range simulcastHeader(tb, c.pub.pc, c.sender, rid) {
				if err := l.packet.SetExtension(id, []byte(value)); err != nil {
					tb.Fatal(err)
				}
			}
		}
		l.keyframe.Store(true)
		wg.Go(func() { c.listen(rid, l) })
	}
	wg.Go(func() {
		ticker := time.NewTicker(20 * time.Millisecond)
		defer ticker.Stop()
		for ctx.Err() == nil {
			for _, rid := range c.rids {
				c.layers[rid].frame()
			}
			<-ticker.C
		}
	})
	tb.Cleanup(func() {
		cancel()
		_ = c.pub.pc.Close()
		wg.Wait()
	})
}

func (c *camera) listen(rid string, l *cameraLayer) {
	for {
		packets, _, err := c.sender.ReadSimulcastRTCP(rid)
		if err != nil {
			return
		}
		for _, p := range packets {
			if _, ok := p.(*rtcp.PictureLossIndication); ok {
				l.asked.Add(1)
				l.keyframe.Store(true)
			}
		}
	}
}

// frame sends a frame of two packets.
func (l *cameraLayer) frame() {
	l.packet.Timestamp += 1800
	if l.paused.Load() {
		return
	}
	l.picture = (l.picture + 1) & 0x7fff
	l.tl0++
	frame := []byte{0x51, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	if l.keyframe.Swap(false) {
		height := l.width * 3 / 4
		frame = []byte{
			0x50, 0, 0, 0x9d, 0x01, 0x2a, byte(l.width), byte(l.width >> 8), byte(height), byte(height >> 8),
		}
	}
	for part := range 2 {
		begin := byte(0x90)
		if part > 0 {
			begin = 0x80
		}
		l.packet.SequenceNumber++
		l.packet.Marker = part == 1
		l.packet.Payload = append([]byte{begin, 0xc0, 0x80 | byte(l.picture>>8), byte(l.picture), l.tl0}, frame...)
		l.packet.Payload = append(l.packet.Payload, make([]byte, l.size)...)
		_ = l.track.WriteRTP(&l.packet)
	}
}

// layerViewer checks what a subscriber gets: that it is one stream without a seam, and how large its picture is.
type layerViewer struct {
	*subscriber
	anywhere bool // it may begin in the middle

	mu      sync.Mutex
	early   []*rtp.Packet
	packets int
	last    rtp.Header
	vp8     payload.VP8
	width   int
	faults  []error
}

func newLayerViewer(
	t *testing.T, f *fixture, p *media.Pipeline, user control.UserID, id control.StreamID, maxLayer *int,
) *layerViewer {
	t.Helper()
	v := &layerViewer{subscriber: prepareSubscriber(t)}
	v.subscriber.watch = v.watch
	v.attach(f, p, user, listed(id, maxLayer))
	return v
}

func listed(id control.StreamID, maxLayer *int) control.Subscriptions {
	return control.Subscriptions{
		Mode: control.SubscribeList, Streams: []control.Subscription{{ID: id, MaxLayer: maxLayer}},
	}
}

// watch puts packets in order: around a change of layer they leave on two goroutines.
func (v *layerViewer) watch(p *rtp.Packet) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.early = append(v.early, p)
	if v.packets == 0 && len(v.early) < 8 {
		return
	}
	slices.SortFunc(v.early, func(a, b *rtp.Packet) int { return int(int16(a.SequenceNumber - b.SequenceNumber)) })
	for len(v.early) > 0 && (v.packets == 0 || v.early[0].SequenceNumber == v.last.SequenceNumber+1) {
		v.look(v.early[0])
		v.early = v.early[1:]
	}
	if len(v.early) > 50 {
		v.fault("packet %d after %d", v.early[0].SequenceNumber, v.last.SequenceNumber)
	}
}

// look needs v.mu.
func (v *layerViewer) look(p *rtp.Packet) {
	d, ok := payload.ParseVP8(p.Payload)
	switch {
	case !ok:
		v.fault("packet %d is no VP8", p.SequenceNumber)
	case v.packets == 0 && !d.Keyframe && !v.anywhere:
		v.fault("the first packet is none of a keyframe")
	case v.packets == 0:
	case d.Start && (d.PictureID != (v.vp8.PictureID+1)&0x7fff || d.TL0 != v.vp8.TL0+1):
		v.fault("picture %d, %d after %d, %d", d.PictureID, d.TL0, v.vp8.PictureID, v.vp8.TL0)
	case d.Start && int32(p.Timestamp-v.last.Timestamp) <= 0:
		v.fault("time goes back by %d", v.last.Timestamp-p.Timestamp)
	case !d.Start && (p.Timestamp != v.last.Timestamp || d.PictureID != v.vp8.PictureID):
		v.fault("a frame of two pictures")
	}
	if d.Keyframe {
		v.width = int(d.Width)
	}
	v.packets, v.last, v.vp8 = v.packets+1, p.Header, d
}

// fault needs v.mu.
func (v *layerViewer) fault(format string, values ...any) {
	v.faults = append(v.faults, fmt.Errorf("after %d packets: %s", v.packets, fmt.Sprintf(format, values...)))
}

func (v *layerViewer) sees(width int) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.faults) > 0 {
		v.tb.Fatal(errors.Join(v.faults...))
	}
	if v.width != width {
		return fmt.Errorf("a picture %d wide, want %d (%d packets)", v.width, width, v.packets)
	}
	return nil
}

func published(t *testing.T, p *media.Pipeline) (*camera, control.StreamID) {
	t.Helper()
	pub := newPublisher(t, p, "ann")
	c := pub.simulcast("cam")
	id := pub.publish().Streams[0].ID
	c.start()
	return c, id
}

// Each receiver gets the layer it wishes, in one stream without a seam, and a change of the wish needs no offer.
func TestSimulcast_EachGetsItsLayer(t *testing.T) {
	f := newFixture(t)
	p := f.pipeline(t)
	_, id := published(t, p)
	low, middle, all := 0, 1, newLayerViewer(t, f, p, "all", id, nil)
	ben, cleo := newLayerViewer(t, f, p, "ben", id, &low), newLayerViewer(t, f, p, "cleo", id, &middle)
	for v, width := range map[*layerViewer]int{all: 640, ben: 160, cleo: 320} {
		testkit.Eventually(t, func() error { return v.sees(width) })
	}
	for _, step := range []struct{ layer, width int }{{2, 640}, {0, 160}, {1, 320}} {
		if err := ben.endpoint.SetSubscriptions(t.Context(), listed(id, &step.layer)); err != nil {
			t.Fatal(err)
		}
		testkit.Eventually(t, func() error { return ben.sees(step.width) })
	}
	if got := ben.offerCount(); got != 1 {
		t.Errorf("%d offers, want the first only", got)
	}
	// Not at every moment: a sender that a busy machine holds up counts as one that has stopped a layer.
	for v, width := range map[*layerViewer]int{all: 640, cleo: 320} {
		testkit.Eventually(t, func() error { return v.sees(width) })
	}
}

// When a sender stops a layer, its receivers get the next lower one, and the layer again when it is back.
func TestSimulcast_StoppedLayerIsReplaced(t *testing.T) {
	f := newFixture(t)
	p := f.pipeline(t)
	c, id := published(t, p)
	v := newLayerViewer(t, f, p, "ben", id, nil)
	testkit.Eventually(t, func() error { return v.sees(640) })
	c.layers["f"].paused.Store(true)
	testkit.Eventually(t, func() error { return v.sees(320) })
	c.layers["h"].paused.Store(true)
	testkit.Eventually(t, func() error { return v.sees(160) })
	c.layers["f"].paused.Store(false)
	testkit.Eventually(t, func() error { return v.sees(640) })
}

// Pausing a stream is not a stopped layer: it goes on where it was.
func TestSimulcast_PauseAndResume(t *testing.T) {
	f := newFixture(t)
	p := f.pipeline(t)
	c, id := published(t, p)
	v := newLayerViewer(t, f, p, "ben", id, nil)
	testkit.Eventually(t, func() error { return v.sees(640) })
	if err := c.pub.endpoint.SetPaused(t.Context(), id, []string{control.KindVideo}); err != nil {
		t.Fatal(err)
	}
	v.mu.Lock()
	v.width = 0
	v.mu.Unlock()
	asked := c.layers["f"].asked.Load()
	if err := c.pub.endpoint.SetPaused(t.Context(), id, nil); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, func() error { return v.sees(640) })
	if c.layers["f"].asked.Load() == asked {
		t.Error("nobody asked for a keyframe")
	}
}

// A publisher who comes back with layers, or without, keeps its receivers, who are offered nothing new.
func TestSimulcast_ComesAndGoes(t *testing.T) {
	f := newFixture(t)
	p := f.pipeline(t)
	pub := newPublisher(t, p, "ann")
	single := pub.camera("cam", "")
	id := pub.publish().Streams[0].ID
	single.start()
	v := &layerViewer{subscriber: prepareSubscriber(t), anywhere: true} // of what is not layered anything is passed on
	v.subscriber.watch = v.watch
	v.attach(f, p, "ben", listed(id, nil))
	testkit.Eventually(t, func() error { return v.sees(640) })
	_ = pub.pc.Close()

	low := 0
	if err := v.endpoint.SetSubscriptions(t.Context(), listed(id, &low)); err != nil {
		t.Fatal(err)
	}
	pub.pc = newClientPC(t, false)
	layered := pub.simulcast("cam")
	if again := pub.publish().Streams[0].ID; again != id {
		t.Fatalf("stream %s, want %s", again, id)
	}
	layered.start()
	testkit.Eventually(t, func() error { return v.sees(160) })
	_ = pub.pc.Close()

	pub.pc = newClientPC(t, false)
	single = pub.camera("cam", "")
	pub.publish()
	single.start()
	testkit.Eventually(t, func() error { return v.sees(640) })
	if got := v.offerCount(); got != 1 {
		t.Errorf("%d offers, want the first only", got)
	}
}
