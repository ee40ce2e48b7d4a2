package rtc

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
	"pgregory.net/rapid"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/services/mediaserver/internal/payload"
)

// encoder makes the packets of one encoding: VP8 frames of two packets, each packet marked so that it is known again.
type encoder struct {
	feed     *Feed
	rid      byte
	width    uint16
	header   rtp.Header
	picture  uint16
	tl0      uint8
	keyframe atomic.Bool // is asked for
	marked   uint32
}

func newEncoder(rid byte, width uint16, start uint16) *encoder {
	e := &encoder{rid: rid, width: width, picture: start, tl0: uint8(start), header: rtp.Header{
		Version: 2, SSRC: uint32(rid), SequenceNumber: start, Timestamp: uint32(start) << 16,
	}}
	e.keyframe.Store(true)
	return e
}

// frame are the packets of the next frame.
func (e *encoder) frame(tb interface{ Fatal(args ...any) }) [][]byte {
	e.picture = (e.picture + 1) & 0x7fff
	e.tl0++
	e.header.Timestamp += 3000
	keyframe := e.keyframe.Swap(false)
	var packets [][]byte
	for part := range 2 {
		e.header.SequenceNumber++
		e.header.Marker = part == 1
		e.marked++
		content := []byte{0x80, 0xc0, 0x80 | byte(e.picture>>8), byte(e.picture), e.tl0, 0x51, 0, 0, 0, 0, 0, 0, 0, 0, 0}
		if part == 0 {
			content[0] = 0x90
			if keyframe {
				copy(content[5:], []byte{0x50, 0, 0, 0x9d, 0x01, 0x2a})
				binary.LittleEndian.PutUint16(content[11:], e.width)
				binary.LittleEndian.PutUint16(content[13:], e.width)
			}
		}
		content = binary.BigEndian.AppendUint32(append(content, e.rid), e.marked)
		raw, err := (&rtp.Packet{Header: e.header, Payload: content}).Marshal()
		if err != nil {
			tb.Fatal(err)
		}
		packets = append(packets, raw)
	}
	return packets
}

// sentPacket is what a receiver got under one number.
type sentPacket struct {
	number    uint64
	timestamp uint32
	marker    bool
	content   string
	mark      string // encoding and number of the packet at its sender
	vp8       payload.VP8
}

// ntpOf is a time of day as sender reports have it.
func ntpOf(at time.Time) uint64 {
	nanoseconds := uint64(at.UnixNano())
	return nanoseconds/1e9<<32 | nanoseconds%1e9<<32/1e9
}

// receiver keeps what a sink writes.
type receiver struct {
	sent   map[uint64]sentPacket
	resent []sentPacket
	last   uint64
	faults []string
	again  bool // what comes now was asked for
}

func (r *receiver) WriteRTP(h *rtp.Header, content []byte) (int, error) {
	p := sentPacket{timestamp: h.Timestamp, marker: h.Marker, content: string(content)}
	p.vp8, _ = payload.ParseVP8(content)
	if len(content) > 5 {
		p.mark = string(content[len(content)-5:])
	}
	if r.last == 0 {
		r.last = 1<<20 + uint64(h.SequenceNumber)
	}
	p.number = r.last + uint64(int64(int16(h.SequenceNumber-uint16(r.last))))
	if before, found := r.sent[p.number]; found && before != p {
		r.faults = append(r.faults, fmt.Sprintf("number %d was sent as %+v and then as %+v", p.number, before, p))
	}
	if r.again {
		r.resent = append(r.resent, p)
		return len(content), nil
	}
	r.sent[p.number] = p
	r.last = max(r.last, p.number)
	return len(content), nil
}

// inOrder is everything that was sent, by number.
func (r *receiver) inOrder() []sentPacket {
	var list []sentPacket
	for _, p := range r.sent {
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b sentPacket) int { return int(int64(a.number - b.number)) })
	return list
}

// Over losses, packets that come late, changes of layer, pauses and stopped layers, a receiver gets one stream: numbers
// without gaps but those of lost packets, time and pictures that go on, and whatever it asks for again is what it was.
func TestForwarding_IsOneStream(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		seed := rapid.Uint64().Draw(r, "seed")
		synctest.Test(t, func(t *testing.T) { checkOneStream(t, rand.New(rand.NewPCG(seed, 0))) })
	})
}

func checkOneStream(t *testing.T, random *rand.Rand) {
	t.Helper()
	roll := func(n int) int { return random.IntN(n) }
	vp8 := Codec{MIME: webrtc.MimeTypeVP8, ClockRate: 90_000}
	s := (&Engine{}).NewSource(control.KindVideo)
	defer s.Close()
	names := []string{"f", "h", "q"}[:1+2*roll(2)]
	encoders := make([]*encoder, len(names))
	lost := map[string]bool{}
	for i, name := range names {
		e := newEncoder(name[0], 640>>i, uint16(random.Uint32()))
		cfg := FeedConfig{Codec: vp8, RequestKeyframe: func() { e.keyframe.Store(true) }}
		if len(names) > 1 {
			cfg.Layer, cfg.Layers = name, names
		}
		e.feed = s.OpenFeed(cfg)
		encoders[i] = e
	}
	r := &receiver{sent: map[uint64]sentPacket{}}
	k := NewSink(control.KindVideo, "stream", "track")
	k.Attach(s)
	k.Bind(Output{Codec: vp8, SSRC: 7, Writer: r})
	var late []func()
	stopped := map[*encoder]bool{}
	for range 1 + roll(120) {
		switch roll(40) {
		case 0:
			k.SetMaxLayer(roll(5) - 1)
		case 1:
			k.SetTarget(roll(6) - 2)
		case 2:
			s.SetPaused(roll(2) == 0)
		case 3:
			e := encoders[roll(len(encoders))]
			stopped[e] = !stopped[e]
		case 4:
			k.Feedback([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: 7}})
		case 5:
			for _, e := range encoders {
				e.feed.Report(ntpOf(time.Now()), e.header.Timestamp)
			}
		}
		for _, e := range encoders {
			if stopped[e] {
				e.header.Timestamp += 3000
				continue
			}
			for _, raw := range e.frame(t) {
				give := func() {
					e.feed.Write(raw, time.Now())
					s.replays.Wait()
				}
				switch roll(30) {
				case 0:
					lost[string(raw[len(raw)-5:])] = true
				case 1:
					late = append(late, give)
				default:
					give()
				}
			}
		}
		time.Sleep(33 * time.Millisecond)
		synctest.Wait()
		for _, give := range late {
			give()
		}
		late = nil
	}
	check(t, r, lost)
	checkAgain(t, s, k, r)
}

// check looks at what was sent, in order.
func check(t *testing.T, r *receiver, lost map[string]bool) {
	t.Helper()
	if len(r.faults) > 0 {
		t.Fatal(r.faults)
	}
	list := r.inOrder()
	for i := 1; i < len(list); i++ {
		before, p := list[i-1], list[i]
		same := before.mark[0] == p.mark[0]
		from := binary.BigEndian.Uint32([]byte(before.mark[1:]))
		to := binary.BigEndian.Uint32([]byte(p.mark[1:]))
		switch gap := p.number - before.number - 1; {
		case gap == 0:
		case !same && gap <= 2: // the last ones before a change were lost
		case !same || gap != uint64(to-from-1):
			t.Fatalf("%d numbers are missing between packet %x and packet %x", gap, before.mark, p.mark)
		default:
			for n := from + 1; n < to; n++ {
				if mark := binary.BigEndian.AppendUint32([]byte{p.mark[0]}, n); !lost[string(mark)] {
					t.Fatalf("packet %x is missing and was not lost", mark)
				}
			}
		}
		if step := int32(p.timestamp - before.timestamp); step < 0 || step == 0 && p.vp8.PictureID != before.vp8.PictureID {
			t.Fatalf("the time of packet %x is %d after that of %x", p.mark, step, before.mark)
		}
		if !same && !p.vp8.Keyframe {
			t.Fatalf("packet %x after %x is none of a keyframe", p.mark, before.mark)
		}
		if step := int16((p.vp8.PictureID-before.vp8.PictureID)<<1) >> 1; step < 0 || p.number == before.number+1 && step > 1 {
			t.Fatalf("picture %d after %d", p.vp8.PictureID, before.vp8.PictureID)
		}
	}
}

// checkAgain asks for everything that is recent.
func checkAgain(t *testing.T, s *Source, k *Sink, r *receiver) {
	t.Helper()
	r.again = true
	want := 0
	for _, p := range r.inOrder() {
		if r.last-p.number > 60 {
			continue
		}
		want++
		k.Feedback([]rtcp.Packet{&rtcp.TransportLayerNack{
			MediaSSRC: 7, Nacks: rtcp.NackPairsFromSequenceNumbers([]uint16{uint16(p.number)}),
		}})
	}
	if len(r.faults) > 0 {
		t.Fatal(r.faults)
	}
	s.mu.Lock()
	kept := k.forwarding.begun <= keptStretches
	s.mu.Unlock()
	if kept && len(r.resent) != want {
		t.Fatalf("%d packets of %d came again", len(r.resent), want)
	}
}
