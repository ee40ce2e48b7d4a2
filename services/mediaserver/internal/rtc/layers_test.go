package rtc

import (
	"encoding/binary"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"github.com/orkestro/orkestro/pkg/control"
)

const frameTime = 33 * time.Millisecond

func vp8Codec() Codec { return Codec{MIME: webrtc.MimeTypeVP8, ClockRate: 90_000} }

// stage is a source fed by encoders, in virtual time.
type stage struct {
	*Source
	tb       testing.TB
	encoders []*encoder
	asked    []*atomic.Int64
}

// newStage has an encoder for each name, the largest picture first; a single "" is a track without layers.
func newStage(tb testing.TB, names ...string) *stage {
	tb.Helper()
	s := &stage{Source: (&Engine{}).NewSource(control.KindVideo), tb: tb}
	tb.Cleanup(s.Close)
	for i, name := range names {
		e, asked := newEncoder(append([]byte(name), 'x')[0], 640>>i, uint16(1000*i)), &atomic.Int64{}
		cfg := FeedConfig{Codec: vp8Codec(), RequestKeyframe: func() { asked.Add(1) }}
		if name != "" {
			cfg.Layer, cfg.Layers = name, names
		}
		e.feed = s.OpenFeed(cfg)
		s.encoders, s.asked = append(s.encoders, e), append(s.asked, asked)
	}
	return s
}

// frames sends n frames of every encoder that is named, all of them when none is.
func (s *stage) frames(n int, only ...int) {
	s.tb.Helper()
	for range n {
		for i, e := range s.encoders {
			packets := e.frame(s.tb)
			if len(only) > 0 && !slices.Contains(only, i) {
				e.header.SequenceNumber -= uint16(len(packets))
				continue
			}
			for _, raw := range packets {
				e.feed.Write(raw, time.Now())
				s.replays.Wait()
			}
		}
		time.Sleep(frameTime)
		synctest.Wait()
	}
}

func (s *stage) sink(w interface {
	WriteRTP(header *rtp.Header, payload []byte) (int, error)
},
) *Sink {
	k := NewSink(control.KindVideo, "stream", "track")
	k.Attach(s.Source)
	k.Bind(Output{Codec: vp8Codec(), SSRC: 7, Writer: w})
	return k
}

func newReceiver() *receiver { return &receiver{sent: map[uint64]sentPacket{}} }

// Who begins while the last keyframe is young gets it and what followed at once, squeezed in time so that it is not
// played late, and nobody is asked for another.
func TestReplay_GivesAPictureAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, "")
		s.frames(1)
		asked := s.asked[0].Load()
		s.frames(20)
		r := newReceiver()
		s.sink(r)
		s.frames(5)
		list := r.inOrder()
		if len(list) != 2*26 || !list[0].vp8.Keyframe {
			t.Fatalf("%d packets, the first one of a keyframe: %v", len(list), list[0].vp8.Keyframe)
		}
		if span := list[2*20].timestamp - list[0].timestamp; span == 0 || span > 90_000/20 {
			t.Errorf("what is past takes %d ticks", span)
		}
		if step := list[51].timestamp - list[49].timestamp; step != 3000 {
			t.Errorf("what is live takes %d ticks a frame, want 3000", step)
		}
		if got := s.asked[0].Load(); got != asked {
			t.Errorf("the sender was asked for %d keyframes", got-asked)
		}
		if traffic := &s.engine.traffic; traffic.packetsIn.Load() != 52 || traffic.packetsOut.Load() != 52 {
			t.Errorf("%d packets in and %d out, want 52", traffic.packetsIn.Load(), traffic.packetsOut.Load())
		}
	})
}

// Who joins shortly after another one has a picture at once. Without the replay the keyframe that the sender was just
// asked for would have to be half a second old before it may be asked for the next.
func TestReplay_SavesTheWaitForTheNextKeyframe(t *testing.T) {
	wait := func(live bool) (waited time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t, "")
			answer := func() {
				if s.asked[0].Swap(0) > 0 {
					s.encoders[0].keyframe.Store(true)
				}
			}
			s.frames(40)
			s.sink(newReceiver())
			for range 3 {
				answer()
				s.frames(1)
			}
			r := newReceiver()
			k := NewSink(control.KindVideo, "stream", "track")
			k.Attach(s.Source)
			k.Bind(Output{Codec: vp8Codec(), SSRC: 7, Writer: r, Live: live})
			began := time.Now()
			for !slices.ContainsFunc(r.inOrder(), func(p sentPacket) bool { return p.vp8.Keyframe }) {
				answer()
				s.frames(1)
			}
			waited = time.Since(began)
		})
		return waited
	}
	with, without := wait(false), wait(true)
	t.Logf("picture after %s, without a replay after %s", with, without)
	if with > frameTime || without < 10*frameTime {
		t.Error("the replay does not save what it is for")
	}
}

// An old keyframe is of no use, and the sender is asked for a new one.
func TestReplay_OnlyOfAYoungKeyframe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, "")
		s.frames(40)
		r := newReceiver()
		s.sink(r)
		s.frames(1)
		if len(r.sent) != 2 || s.asked[0].Load() == 0 {
			t.Errorf("%d packets, asked %d times", len(r.sent), s.asked[0].Load())
		}
	})
}

// Of H264 the parameter sets come in a packet of their own before the picture, and nothing is decoded without them.
func TestReplay_BeginsWithTheParameterSets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h264 := Codec{MIME: webrtc.MimeTypeH264, ClockRate: 90_000}
		s := (&Engine{}).NewSource(control.KindVideo)
		defer s.Close()
		f := s.OpenFeed(FeedConfig{Codec: h264})
		r := newReceiver()
		for i, nal := range [][]byte{{0x67, 0x42, 0, 0x1f, 0x8c}, {0x68, 0xce}, {0x65, 0x88, 0x80}, {0x41, 0x9a}, {0x41, 0x9a}} {
			if i == 4 {
				k := NewSink(control.KindVideo, "stream", "track")
				k.Attach(s)
				k.Bind(Output{Codec: h264, SSRC: 7, Writer: r})
			}
			header := rtp.Header{
				Version: 2, SSRC: 1, SequenceNumber: uint16(i), Timestamp: uint32(max(0, i-2)) * 3000, Marker: i >= 2,
			}
			raw, err := (&rtp.Packet{Header: header, Payload: nal}).Marshal()
			if err != nil {
				t.Fatal(err)
			}
			f.Write(raw, time.Now())
			s.replays.Wait()
		}
		if list := r.inOrder(); len(list) != 5 || list[0].content[0] != 0x67 {
			t.Errorf("%d packets, the first one %x", len(list), list[0].content)
		}
	})
}

// connecting takes nothing until it is connected.
type connecting struct {
	receiver
	up bool
}

func (c *connecting) WriteRTP(h *rtp.Header, content []byte) (int, error) {
	if !c.up {
		return 0, nil
	}
	return c.receiver.WriteRTP(h, content)
}

// What is written before the connection is up is not sent, so the first that arrives is the keyframe.
func TestReplay_WaitsForTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, "")
		s.frames(1)
		c := &connecting{receiver: *newReceiver()}
		s.sink(c)
		s.frames(5)
		c.up = true
		s.frames(1)
		list := c.inOrder()
		if len(list) != 14 || !list[0].vp8.Keyframe || list[13].number-list[0].number != 13 {
			t.Errorf("%d packets, the first one of a keyframe: %v", len(list), len(list) > 0 && list[0].vp8.Keyframe)
		}
	})
}

// The layers are in order of their size, whatever order the sender has, and measured.
func TestLayers_AreMeasured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, "f", "h", "q")
		s.frames(70)
		layers := s.Layers()
		for i, width := range []uint16{160, 320, 640} {
			l := layers[i]
			// 2 packets of 31 bytes every 33 ms
			if l.Width != width || !l.Active || l.Bitrate < 13_000 || l.Bitrate > 17_000 {
				t.Errorf("layer %d: %+v", i, l)
			}
		}
		s.frames(40, 1, 2)
		if layers := s.Layers(); layers[2].Active || !layers[1].Active {
			t.Errorf("after the largest was stopped: %+v", layers)
		}
	})
}

// A list that begins with the largest is turned round as soon as two pictures show it, also for the one not seen yet.
func TestLayers_OfAListTheOtherWayRound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, "f", "h", "q")
		s.frames(10, 1, 2)
		for i, width := range []uint16{160, 320, 0} {
			if l := s.Layers()[i]; l.Width != width {
				t.Errorf("layer %d: %+v", i, l)
			}
		}
	})
}

// A layer that was stopped has to be back for a second before anybody goes up to it again.
func TestLayers_GoUpAgainLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, "f", "h", "q")
		s.frames(3)
		k := s.sink(newReceiver())
		s.frames(3)
		expect := func(layer int) {
			t.Helper()
			if got := k.Layer(); got != layer {
				t.Errorf("layer %d is sent, want %d", got, layer)
			}
		}
		keyframes := func(n int, only ...int) {
			for range n {
				for _, e := range s.encoders {
					e.keyframe.Store(true)
				}
				s.frames(1, only...)
			}
		}
		expect(2)
		keyframes(40, 1, 2)
		expect(1)
		keyframes(15)
		expect(1)
		keyframes(25)
		expect(2)
	})
}

// The target and the wish both limit, and nothing at all is a target too.
func TestLayers_AreChosen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, "f", "h", "q")
		s.frames(3)
		r := newReceiver()
		k := s.sink(r)
		expect := func(layer int) {
			t.Helper()
			for _, e := range s.encoders {
				e.keyframe.Store(true)
			}
			s.frames(2)
			if got := k.Layer(); got != layer {
				t.Errorf("layer %d is sent, want %d", got, layer)
			}
		}
		expect(2)
		k.SetMaxLayer(1)
		expect(1)
		k.SetTarget(0)
		expect(0)
		k.SetTarget(2)
		expect(1)
		k.SetTarget(NoLayer)
		expect(-1)
		k.SetTarget(AllLayers)
		k.SetMaxLayer(9)
		expect(2)
	})
}

// Until the keyframe comes that was asked for, what was sent goes on.
func TestLayers_ChangeAtAKeyframe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, "f", "h", "q")
		s.frames(3)
		k := s.sink(newReceiver())
		s.frames(40)
		asked := s.asked[2].Load()
		k.SetMaxLayer(0)
		s.frames(20)
		if got := k.Layer(); got != 2 {
			t.Errorf("layer %d without a keyframe", got)
		}
		if got := s.asked[2].Load() - asked; got < 1 || got > 2 {
			t.Errorf("asked %d times in 0.66 s", got)
		}
		s.encoders[2].keyframe.Store(true)
		s.frames(1)
		if got := k.Layer(); got != 0 {
			t.Errorf("layer %d after the keyframe", got)
		}
	})
}

// Sender reports tell which timestamps of two encodings are the same moment, however far apart they arrive.
func TestLayers_KeepTheTimeOfDay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, "h", "q")
		r := newReceiver()
		k := s.sink(r)
		s.frames(3)
		for i, e := range s.encoders {
			// The second encoder says that its clock is 60 ms further than the arrival of its packets shows.
			e.feed.Report(ntpOf(time.Now().Add(time.Duration(i)*60*time.Millisecond)), e.header.Timestamp)
		}
		k.SetMaxLayer(0)
		s.encoders[1].keyframe.Store(true)
		s.frames(1)
		list := r.inOrder()
		last := len(list) - 1
		if list[last].mark[0] != 'q' || list[last-2].mark[0] != 'h' {
			t.Fatalf("packets %x, %x", list[last-2].mark, list[last].mark)
		}
		// One frame of h went on before.
		if step := list[last].timestamp - list[last-2].timestamp; step < 5000 || step > 5800 {
			t.Errorf("%d ticks from layer to layer, want 60 ms", step)
		}
	})
}

// svcFrame makes a picture of three spatial layers, a packet or two each (RFC 9628 section 4.2).
func svcFrame(tb testing.TB, h *rtp.Header, picture uint16, keyframe bool) [][]byte {
	tb.Helper()
	var packets [][]byte
	h.Timestamp += 3000
	for spatial := range byte(3) {
		for part := range byte(2) {
			h.SequenceNumber++
			h.Marker = spatial == 2 && part == 1
			first := byte(0xa0) | (1-part)<<3 | part<<2
			if !keyframe {
				first |= 0x40
			}
			content := []byte{first, 0x80 | byte(picture>>8), byte(picture), spatial << 1, byte(picture), 0, 0, 0}
			content = binary.BigEndian.AppendUint32(append(content, spatial), uint32(h.SequenceNumber))
			raw, err := (&rtp.Packet{Header: *h, Payload: content}).Marshal()
			if err != nil {
				tb.Fatal(err)
			}
			packets = append(packets, raw)
		}
	}
	return packets
}

// Of one stream with spatial layers the higher ones are left out: no gap shows, the last packet of what is left ends the
// picture, and going up waits for a keyframe.
func TestSpatialLayers_AreLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		vp9 := Codec{MIME: webrtc.MimeTypeVP9, ClockRate: 90_000}
		s := (&Engine{}).NewSource(control.KindVideo)
		defer s.Close()
		asked := 0
		f := s.OpenFeed(FeedConfig{Codec: vp9, RequestKeyframe: func() { asked++ }})
		r := newReceiver()
		k := NewSink(control.KindVideo, "stream", "track")
		k.Attach(s)
		k.Bind(Output{Codec: vp9, SSRC: 7, Writer: r})
		header, picture := &rtp.Header{Version: 2, SSRC: 1, SequenceNumber: 65_530}, uint16(0)
		frames := func(n int, keyframe bool, skip ...int) (skipped [][]byte) {
			for range n {
				picture++
				for i, raw := range svcFrame(t, header, picture, keyframe) {
					if slices.Contains(skip, i) {
						skipped = append(skipped, raw)
						continue
					}
					f.Write(raw, time.Now())
				}
				keyframe = false
				time.Sleep(frameTime)
				synctest.Wait()
			}
			return skipped
		}
		expect := func(packets, layer int) {
			t.Helper()
			if got := k.Layer(); len(r.sent) != packets || got != layer {
				t.Errorf("%d packets, layer %d, want %d and %d", len(r.sent), got, packets, layer)
			}
			list := r.inOrder()
			for i := 1; i < len(list); i++ {
				before, p := list[i-1], list[i]
				if p.number != before.number+1 {
					t.Errorf("packet %d after %d", p.number, before.number)
				}
				if ends := p.timestamp != before.timestamp || p.content == ""; before.content != "" && before.marker != ends {
					t.Errorf("packet %d has marker %v", before.number, before.marker)
				}
			}
		}
		frames(3, true)
		expect(18, 2)
		k.SetMaxLayer(1)
		frames(2, false)
		expect(18+8, 1)
		k.SetMaxLayer(0)
		late := frames(1, false, 3)
		frames(1, false)
		// Of layer 1, which was not known when its number was kept free: padding fills it.
		f.Write(late[0], time.Now())
		frames(1, false)
		expect(18+8+3*2+1, 0)
		before := asked
		k.SetMaxLayer(AllLayers)
		frames(1, false)
		expect(18+8+4*2+1, 0)
		time.Sleep(keyframeInterval)
		synctest.Wait()
		if asked == before {
			t.Error("nobody asked for a keyframe")
		}
		frames(2, true)
		expect(18+8+4*2+1+2*6, 2)
		r.again = true
		for _, p := range r.inOrder() {
			k.Feedback([]rtcp.Packet{&rtcp.TransportLayerNack{
				MediaSSRC: 7, Nacks: rtcp.NackPairsFromSequenceNumbers([]uint16{uint16(p.number)}),
			}})
		}
		if len(r.faults) > 0 || len(r.resent) != len(r.sent) {
			t.Errorf("%d of %d came again, %v", len(r.resent), len(r.sent), r.faults)
		}
		if layers := s.Layers(); len(layers) != 3 {
			t.Errorf("layers %+v", layers)
		}
	})
}
