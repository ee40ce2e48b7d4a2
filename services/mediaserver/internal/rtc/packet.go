package rtc

import (
	"sync"
	"time"

	"github.com/pion/rtp"
)

const (
	maxPacketBytes = 1500 // an Ethernet frame; larger ones would have been fragmented
	storedPackets  = 512  // chosen: about two seconds of 2.5 Mbit/s video, more than any NACK waits
)

// packet is one RTP packet of a source. Its sequence number is extended to 64 bits and, like its timestamp, goes on
// without a break when the publisher comes back on another connection. It is valid until the next is read.
type packet struct {
	at         time.Time // when it came
	sequence   uint64
	timestamp  uint32
	marker     bool
	audioLevel []byte // RFC 6464, one byte; nil: none
	payload    []byte
}

// packetStore keeps the latest packets of one source to answer NACKs: one store a stream, whatever the number of its
// receivers. Slots grow to the size of what they held and are reused. Safe for concurrent use.
type packetStore struct {
	mu    sync.Mutex
	slots [storedPackets]storedPacket
}

type storedPacket struct {
	used      bool
	sequence  uint64
	timestamp uint32
	marker    bool
	payload   []byte
}

func (s *packetStore) put(p *packet) {
	s.mu.Lock()
	defer s.mu.Unlock()
	slot := &s.slots[p.sequence%storedPackets]
	slot.used, slot.sequence, slot.timestamp, slot.marker = true, p.sequence, p.timestamp, p.marker
	slot.payload = append(slot.payload[:0], p.payload...)
}

// get copies a packet; the payload goes into buffer.
func (s *packetStore) get(sequence uint64, buffer []byte) (packet, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	slot := &s.slots[sequence%storedPackets]
	if !slot.used || slot.sequence != sequence {
		return packet{}, false
	}
	return packet{
		sequence: sequence, timestamp: slot.timestamp, marker: slot.marker, payload: append(buffer[:0], slot.payload...),
	}, true
}

// timeline makes one continuous run of sequence numbers and timestamps out of the successive RTP streams of a source.
type timeline struct {
	started    bool
	ssrc       uint32
	base       uint64 // where the present stream began; what comes from before it is dropped
	highest    uint64 // highest sequence number given out
	raw        uint16 // the RTP sequence number that highest stands for
	timeOffset uint32
	lastTime   uint32 // timestamp given out with highest
}

// firstSequence keeps numbers positive whatever is subtracted.
const firstSequence = 1 << 20

// place gives a packet its number and time; pause is how many timestamp ticks a change of stream took. ok is false for
// a packet from before the stream's first.
func (t *timeline) place(h *rtp.Header, pause uint32) (sequence uint64, timestamp uint32, ok bool) {
	if !t.started || h.SSRC != t.ssrc {
		t.restart(h, pause)
	}
	// RFC 3550 appendix A.1: the distance on the ring of 65536 is taken the short way round.
	distance := int16(h.SequenceNumber - t.raw)
	sequence = t.highest + uint64(int64(distance))
	timestamp = h.Timestamp + t.timeOffset
	if distance > 0 {
		t.highest, t.raw, t.lastTime = sequence, h.SequenceNumber, timestamp
	}
	return sequence, timestamp, sequence >= t.base
}

func (t *timeline) restart(h *rtp.Header, pause uint32) {
	if t.started {
		t.timeOffset = t.lastTime + max(pause, 1) - h.Timestamp
	} else {
		t.started = true
		t.highest = firstSequence
	}
	t.base = t.highest + 1
	t.ssrc = h.SSRC
	t.raw = h.SequenceNumber - 1
}
