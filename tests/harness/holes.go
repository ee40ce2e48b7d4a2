package harness

import (
	"encoding/binary"
	"sync"
)

// holes finds RTP packets that did not arrive, by the sequence numbers of those that did (RFC 3550 section 5.1). Safe for
// concurrent use.
type holes struct {
	mu     sync.Mutex
	tracks []*sequence
}

// sequence is the numbers of one track, which only its reader adds to.
type sequence struct {
	holes   *holes
	started bool
	next    uint16          // expected
	missing map[uint16]bool // skipped, and not come late
}

// track begins the numbers of a track.
func (h *holes) track() *sequence {
	s := &sequence{holes: h, missing: map[uint16]bool{}}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tracks = append(h.tracks, s)
	return s
}

// missing is how many packets did not arrive, of all tracks.
func (h *holes) missing() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	sum := 0
	for _, s := range h.tracks {
		sum += len(s.missing)
	}
	return sum
}

// add takes an RTP packet.
func (s *sequence) add(packet []byte) {
	const header = 12
	if len(packet) < header {
		return
	}
	number := binary.BigEndian.Uint16(packet[2:4])
	s.holes.mu.Lock()
	defer s.holes.mu.Unlock()
	if !s.started {
		s.started, s.next = true, number
	}
	if int16(number-s.next) < 0 { // they wrap around
		delete(s.missing, number)
		return
	}
	for ; s.next != number; s.next++ {
		s.missing[s.next] = true
	}
	s.next++
}

// Missing is how many packets have not arrived so far that others, sent after them, overtook.
func (u *User) Missing() int { return u.arrivals.holes.missing() }
