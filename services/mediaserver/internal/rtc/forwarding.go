package rtc

import (
	"time"

	"github.com/orkestro/orkestro/services/mediaserver/internal/payload"
)

// keptStretches is how many stretches of a sink are known for packets that are asked for again: chosen; layers change
// every second at most, and packets are stored for two.
const keptStretches = 4

// forwarding is what a sink is in the middle of:
//
//	resting -> a stretch begins (at a keyframe, with a replay, or in the middle when there is one encoding only)
//	        -> another stretch (other layer) -> ... -> resting (paused, another codec, source gone)
//
// The mu of the source that the sink is attached to guards it.
type forwarding struct {
	numbers   numbers
	stretches [keptStretches]stretch
	begun     int  // stretches that were begun with the present source
	sending   bool // the last one goes on
	replay    *replay

	want *encoding // what is to be sent; nil: nothing
	top  uint8     // highest spatial layer that is to be sent

	codec   *Codec // what decodes is about, with
	out     *Output
	decodes bool
}

// numbers are what a sink has sent last, of all its sources.
type numbers struct {
	begun   bool
	last    uint64
	time    uint32
	at      time.Time
	picture uint16 // of VP8, as is
	tl0     uint8
	counted bool // picture and tl0 were sent
}

// attach begins with another source.
func (fw *forwarding) attach() { *fw = forwarding{numbers: fw.numbers} }

// rest ends what is being sent. What comes next goes on without a gap.
func (fw *forwarding) rest() { fw.sending, fw.replay = false, nil }

// current is the last stretch, nil when there was none of the present source.
func (fw *forwarding) current() *stretch {
	if fw.begun == 0 {
		return nil
	}
	return &fw.stretches[(fw.begun-1)%keptStretches]
}

// encoding is that of the last stretch, nil when there was none.
func (fw *forwarding) encoding() *encoding {
	if t := fw.current(); t != nil {
		return t.of
	}
	return nil
}

// each calls f with every stretch that is known, the last one first, until it returns false.
func (fw *forwarding) each(f func(t *stretch) bool) {
	for i := fw.begun - 1; i >= max(0, fw.begun-keptStretches); i-- {
		if !f(&fw.stretches[i%keptStretches]) {
			return
		}
	}
}

// stretchOf is the stretch that a packet belongs to, nil: none.
func (fw *forwarding) stretchOf(e *encoding, sequence uint64) (found *stretch) {
	current := fw.current()
	fw.each(func(t *stretch) bool {
		if t.of == e && sequence >= t.base && (sequence <= t.highest || t == current && fw.sending) {
			found = t
		}
		return found == nil
	})
	return found
}

// take decides whether and how the sink gets a packet of e. It needs s.mu.
func (k *Sink) take(s *Source, e *encoding, p *packet) (delivery, bool) {
	out, fw := k.out.Load(), &k.forwarding
	if out == nil || !k.decodes(s, out) {
		return delivery{}, false
	}
	t := fw.stretchOf(e, p.sequence)
	begins := false
	switch {
	case t != nil && fw.replay != nil:
		return delivery{}, false // the replay takes it from the store
	case t != nil:
		before := t
		if t = fw.changeTop(t, p); t != before {
			s.engine.traffic.switches.Add(1)
		}
	case !fw.mayBegin(s, e, p):
		return delivery{}, false
	default:
		before := fw.encoding()
		if replay := fw.beginReplay(e, p); replay != nil {
			s.replays.Add(1)
			s.engine.traffic.switched(before, e)
			return delivery{sink: k, out: out, replay: replay}, true
		}
		if !fw.startsHere(s, e, p) {
			return delivery{}, false
		}
		t, begins = fw.begin(e, p, p.sequence), true
		s.engine.traffic.switched(before, e)
	}
	d, ok := fw.deliver(t, p)
	d.sink, d.out, d.begins = k, out, begins
	return d, ok
}

// mayBegin says whether a stretch of e may begin at p or, by a replay, before it.
func (fw *forwarding) mayBegin(s *Source, e *encoding, p *packet) bool {
	if fw.want == nil || fw.replay != nil || p.sequence != e.line.highest || len(p.payload) == 0 && s.video() {
		return false
	}
	// While nothing is sent, a layer below the wanted one is better than none.
	return e == fw.want || !fw.sending && s.rank(e) < s.rank(fw.want)
}

// startsHere says whether a stretch of e may begin with p. The only encoding begins with any packet: a sender that has
// no keyframes, or whose keyframes are not understood, is forwarded nevertheless.
func (fw *forwarding) startsHere(s *Source, e *encoding, p *packet) bool {
	if p.info.Keyframe || e.format == payload.Unknown {
		return true
	}
	if len(s.encodings) > 1 || fw.sending {
		return false
	}
	e.requestKeyframe()
	return true
}

// changeTop begins a new stretch where a change of spatial layers takes effect: up at a keyframe, down with any
// picture.
func (fw *forwarding) changeTop(t *stretch, p *packet) *stretch {
	if t.top == fw.top || p.sequence <= t.highest || t != fw.current() || !p.info.Begin || p.info.Spatial != 0 {
		return t
	}
	if fw.top > t.top && !p.info.Keyframe {
		return t
	}
	next := *t
	next.base, next.top = p.sequence, fw.top
	return fw.push(next)
}

func (fw *forwarding) push(t stretch) *stretch {
	fw.begun++
	fw.sending = true
	*fw.current() = t
	return fw.current()
}

// begin makes a stretch of e that begins with the packet of the given number, and in which p has the time that it has
// now.
func (fw *forwarding) begin(e *encoding, p *packet, sequence uint64) *stretch {
	t := stretch{of: e, base: sequence, highest: sequence - 1, last: sequence - 1, top: fw.top}
	if !fw.numbers.begun { // the source's own numbers are as good as any
		fw.begun = 0
		return fw.push(t)
	}
	before, last := fw.current(), fw.numbers.last
	if before != nil {
		last = max(last, before.reserved()) // no number is given out twice, however late a packet comes
	}
	t.last, t.offset = last, last+1-sequence
	if before != nil && before.of == e {
		t.time = before.time
	} else {
		t.time = fw.timeOf(before, e, p) - p.timestamp
	}
	if fw.numbers.counted && p.vp8.HasPictureID {
		t.picture, t.tl0 = fw.numbers.picture+1-p.vp8.PictureID, fw.numbers.tl0+1-p.vp8.TL0
		t.renumber = true
	}
	return fw.push(t)
}

// timeOf is the sink's time of a packet that is the first one of another encoding: what the sender reports say when
// they are known of both and sound right, else what the clock says.
func (fw *forwarding) timeOf(before *stretch, e *encoding, p *packet) uint32 {
	clock := fw.out.Codec.ClockRate
	last := fw.numbers.time
	arrival := last + max(1, ticks(p.at.Sub(fw.numbers.at), clock))
	if before == nil {
		return arrival
	}
	if ntp, known := e.timeOfDay(p.timestamp, clock); known {
		if same, known := before.of.timestampAt(ntp, clock); known {
			aligned := same + before.time
			if off := int32(aligned - arrival); int32(aligned-last) > 0 && max(off, -off) < int32(clock) {
				return aligned
			}
		}
	}
	return arrival
}

// deliver gives p its numbers in t. ok is false when it is left out.
func (fw *forwarding) deliver(t *stretch, p *packet) (d delivery, ok bool) {
	if t.unwanted(p) && t.leaveOut(p.sequence) {
		return delivery{}, false
	}
	number, ok := t.send(p.sequence)
	if !ok {
		return delivery{}, false
	}
	n := &fw.numbers
	fw.number(t, p, number, &d)
	if !n.begun || number > n.last {
		n.begun, n.last, n.time, n.at = true, number, d.timestamp, p.at
		if p.vp8.HasPictureID {
			n.counted, n.picture, n.tl0 = true, d.picture, d.tl0
		}
	}
	return d, true
}

// number fills in what a packet is sent with under a number, at first and when it is sent again.
func (fw *forwarding) number(t *stretch, p *packet, number uint64, d *delivery) {
	d.sequence, d.timestamp = uint16(number), t.timestamp(p.timestamp)
	d.filler = t.unwanted(p)
	d.marker = p.marker || p.info.End && p.info.Spatial == t.top
	d.renumber, d.picture, d.tl0 = t.renumber, p.vp8.PictureID+t.picture, p.vp8.TL0+t.tl0
}

// unsent takes back a beginning that was not sent because the output was not connected yet.
func (s *Source) unsent(k *Sink) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k.source.Load() != s {
		return
	}
	fw := &k.forwarding
	fw.rest()
	if fw.begun == 1 && k.sent.packets.Load() == 0 { // no other is being written
		fw.numbers, fw.begun = numbers{}, 0
	}
}

// sentAs finds the packet that a sink sent under a number.
func (s *Source) sentAs(k *Sink, sequence uint16, buffer []byte) (p packet, d delivery, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fw := &k.forwarding
	if k.source.Load() != s || fw.out == nil {
		return p, d, false
	}
	number := fw.numbers.last - uint64(uint16(fw.numbers.last)-sequence)
	fw.each(func(t *stretch) bool {
		original, found := t.original(number)
		if !found {
			return true
		}
		if t.of.store != nil {
			p, ok = t.of.store.get(original, buffer)
		}
		fw.number(t, &p, number, &d)
		return false
	})
	d.sink, d.out = k, fw.out
	return p, d, ok
}
