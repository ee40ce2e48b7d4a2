package rtc

import (
	"math/bits"
)

// window is how many packets back the numbers of a stretch are known: as long as a packet is stored.
const window = storedPackets

// stretch is a run of packets of one encoding that a sink sends under one set of rules: which layers, and what is added
// to numbers and time. A packet that is left out leaves no gap in the numbers, so what is added to the sequence number
// shrinks with each; which ones were left out is kept for packets that come late and those that are asked for again.
type stretch struct {
	of      *encoding
	base    uint64 // first sequence number of the encoding
	highest uint64 // last one looked at
	last    uint64 // the highest of the sink's own numbers that were given out
	offset  uint64 // added to sequence numbers after highest
	time    uint32 // added to timestamps
	top     uint8  // highest spatial layer that is sent

	// The replayed part: its time is squeezed to just before that of the first live packet.
	squeezed bool
	live     uint32 // timestamp of the encoding from which on nothing is squeezed

	renumber bool   // of VP8, as are
	picture  uint16 // added to picture ids
	tl0      uint8  // added to TL0PICIDX

	leftOut [window / 64]uint64 // by sequence number
}

// squeeze divides the time of what is replayed: a second becomes 31 ms, so that the receiver decodes it at once instead
// of playing it in its own time and staying behind for good.
const squeeze = 5

// unwanted says whether a packet is one to leave out: of a layer that is not sent, or padding.
func (t *stretch) unwanted(p *packet) bool { return p.info.Spatial > t.top || len(p.payload) == 0 }

func (t *stretch) bit(sequence uint64) (word *uint64, mask uint64) {
	at := sequence % window
	return &t.leftOut[at/64], 1 << (at % 64)
}

func (t *stretch) wasLeftOut(sequence uint64) bool {
	word, mask := t.bit(sequence)
	return *word&mask != 0
}

// reserved is the highest number that a packet has, or gets when it comes late.
func (t *stretch) reserved() uint64 { return t.highest + t.offset }

// advance makes sequence the highest, with everything after the present highest not left out. A gap in the numbers is
// no wider than what can still come late: SRTP counts their rounds (RFC 3711 section 3.3.1), and would count wrongly.
func (t *stretch) advance(sequence uint64) {
	if sequence-t.highest >= window {
		t.leftOut = [window / 64]uint64{}
	} else {
		for n := t.highest + 1; n <= sequence; n++ {
			word, mask := t.bit(n)
			*word &^= mask
		}
	}
	t.highest = sequence
	if gap := t.reserved() - t.last; gap > window {
		t.offset -= gap - window
	}
}

// send gives a packet its number. ok is false for one that is too old, was left out, or is from before the stretch.
func (t *stretch) send(sequence uint64) (number uint64, ok bool) {
	if sequence > t.highest {
		t.advance(sequence)
		t.last = sequence + t.offset
		return t.last, true
	}
	if sequence < t.base || t.highest-sequence >= window || t.wasLeftOut(sequence) {
		return 0, false
	}
	number = sequence + t.offset + t.leftOutAfter(sequence)
	t.last = max(t.last, number)
	return number, true
}

// leaveOut leaves no gap for a packet. It reports false when there is one already, because later ones were sent.
func (t *stretch) leaveOut(sequence uint64) bool {
	if sequence <= t.highest {
		return t.wasLeftOut(sequence) || sequence < t.base || t.highest-sequence >= window
	}
	t.advance(sequence)
	word, mask := t.bit(sequence)
	*word |= mask
	t.offset--
	return true
}

// leftOutAfter counts what was left out after a packet.
func (t *stretch) leftOutAfter(sequence uint64) (count uint64) {
	if t.leftOut == [window / 64]uint64{} {
		return 0
	}
	for n := sequence + 1; n <= t.highest; {
		word, mask := t.bit(n)
		if left := t.highest - n + 1; mask == 1 && left >= 64 {
			count += uint64(bits.OnesCount64(*word))
			n += 64
			continue
		}
		if *word&mask != 0 {
			count++
		}
		n++
	}
	return count
}

// original is the packet that was sent under a number.
func (t *stretch) original(number uint64) (sequence uint64, ok bool) {
	var after uint64 // left out after sequence
	for n := t.highest; n >= t.base && t.highest-n < window; n-- {
		switch {
		case t.wasLeftOut(n):
			after++
		case n+t.offset+after == number:
			return n, true
		}
	}
	return 0, false
}

// timestamp is the sink's own time of a packet.
func (t *stretch) timestamp(of uint32) uint32 {
	if before := int32(t.live - of); t.squeezed && before > 0 {
		return t.live - uint32(before)>>squeeze + t.time
	}
	return of + t.time
}
