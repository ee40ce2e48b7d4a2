package rtc

import (
	"time"

	"github.com/orkestro/orkestro/services/mediaserver/internal/payload"
)

const (
	maxPacketBytes = 1500 // an Ethernet frame; larger ones would have been fragmented
	storedPackets  = 512  // chosen: about two seconds of 2.5 Mbit/s video, more than any NACK waits
)

// packet is one RTP packet of an encoding. Its sequence number is extended to 64 bits and, like its timestamp, goes on
// without a break when the publisher comes back on another connection. It is valid until the next is read.
type packet struct {
	at         time.Time // when it came
	sequence   uint64
	timestamp  uint32
	marker     bool
	audioLevel []byte // RFC 6464, one byte; nil: none
	dependency []byte // AV1 Dependency Descriptor; nil: none
	payload    []byte
	red        []byte       // payload with redundancy (RFC 2198); nil: there is none
	redInner   uint8        // payload type of the frames in it
	info       payload.Info // of video
	vp8        payload.VP8  // of VP8
}

// packetStore keeps the latest packets of one encoding to answer NACKs: one store for all of its receivers. Slots grow
// to the size of what they held and are reused. The source's mu guards it.
type packetStore struct {
	slots [storedPackets]storedPacket
}

type storedPacket struct {
	used       bool
	at         time.Time
	sequence   uint64
	timestamp  uint32
	marker     bool
	info       payload.Info
	vp8        payload.VP8
	payload    []byte
	dependency []byte
}

func (s *packetStore) put(p *packet) {
	slot := &s.slots[p.sequence%storedPackets]
	payload, dependency := append(slot.payload[:0], p.payload...), append(slot.dependency[:0], p.dependency...)
	*slot = storedPacket{true, p.at, p.sequence, p.timestamp, p.marker, p.info, p.vp8, payload, dependency}
}

// slot is nil when the packet is not stored.
func (s *packetStore) slot(sequence uint64) *storedPacket {
	if slot := &s.slots[sequence%storedPackets]; slot.used && slot.sequence == sequence {
		return slot
	}
	return nil
}

// get copies a packet; payload and descriptor go into buffer.
func (s *packetStore) get(sequence uint64, buffer []byte) (packet, bool) {
	slot := s.slot(sequence)
	if slot == nil {
		return packet{}, false
	}
	buffer = append(append(buffer[:0], slot.payload...), slot.dependency...)
	return packet{
		at: slot.at, sequence: sequence, timestamp: slot.timestamp, marker: slot.marker, info: slot.info, vp8: slot.vp8,
		payload: buffer[:len(slot.payload)], dependency: buffer[len(slot.payload):],
	}, true
}

// timeline makes one continuous run of sequence numbers and timestamps out of the successive RTP streams of an
// encoding.
type timeline struct {
	started    bool
	ended      bool // another stream follows, maybe under the same SSRC
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
func (t *timeline) place(number uint16, time, ssrc, pause uint32) (sequence uint64, timestamp uint32, ok bool) {
	if !t.started || t.ended || ssrc != t.ssrc {
		t.restart(number, time, ssrc, pause)
	}
	// RFC 3550 appendix A.1: the distance on the ring of 65536 is taken the short way round.
	distance := int16(number - t.raw)
	sequence = t.highest + uint64(int64(distance))
	timestamp = time + t.timeOffset
	if distance > 0 {
		t.highest, t.raw, t.lastTime = sequence, number, timestamp
	}
	return sequence, timestamp, sequence >= t.base
}

func (t *timeline) restart(number uint16, time, ssrc, pause uint32) {
	if t.started {
		t.timeOffset = t.lastTime + max(pause, 1) - time
	} else {
		t.started = true
		t.highest = firstSequence
	}
	t.ended = false
	t.base = t.highest + 1
	t.ssrc = ssrc
	t.raw = number - 1
}
