package rtc

import (
	"time"

	"github.com/pion/rtp"
)

// maxProbeStep bounds what is sent at once after the goroutine was late: chosen.
const maxProbeStep = 50 * time.Millisecond

// padding is how much a probe has to send.
type padding struct {
	at    time.Time // when it was last looked at; zero: there is no probe
	bytes uint64    // that the connection had sent by then
	owed  float64   // bytes
}

// probe sends what a probe needs beside the media, as repetitions of packets that were sent just before, and reports
// whether a probe is on.
func (s *shaper) probe(now time.Time) bool {
	s.mu.Lock()
	owed := s.owed(now)
	on := s.prober.Active()
	var sinks []*Sink
	if owed > 0 {
		for _, v := range s.videos {
			sinks = append(sinks, v.sink)
		}
	}
	s.mu.Unlock()
	for _, sink := range sinks {
		if owed -= sink.repeat(owed); owed <= 0 {
			break
		}
	}
	return on
}

// maxBack is how far back a probe goes for packets to repeat: chosen; they are still stored.
const maxBack = 64

// repeat sends again, by RTX (RFC 4588), about as many bytes of what was sent last, and returns how many went.
// Receivers throw away what they have, and are glad of what they have not.
func (k *Sink) repeat(bytes int) (sent int) {
	source, out := k.source.Load(), k.out.Load()
	if source == nil || out == nil || out.again == nil {
		return 0
	}
	var header rtp.Header
	var rewritten []byte
	stored := make([]byte, 0, maxPacketBytes)
	last, known := source.lastOf(k)
	for back := uint16(0); known && back < maxBack && sent < bytes; back++ {
		p, d, found := source.sentAs(k, last-back, stored)
		if !found || d.out != out {
			continue
		}
		d.out = out.again
		n := d.write(&header, &p, &rewritten)
		if stored = p.payload; n == 0 {
			break // not connected any more
		}
		source.sent(k, n, time.Now())
		sent += n
	}
	return sent
}

// lastOf is the number that a sink sent last.
func (s *Source) lastOf(k *Sink) (number uint16, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k.source.Load() != s {
		return 0, false
	}
	numbers := &k.forwarding.numbers
	return uint16(numbers.last), numbers.begun
}

// owed is how many bytes are to be sent now. It needs s.mu.
func (s *shaper) owed(now time.Time) int {
	history := s.history.Load()
	if history == nil {
		return 0
	}
	rate := s.prober.Rate(now, s.estimator, s.want)
	if rate == 0 {
		s.padding = padding{}
		return 0
	}
	p := &s.padding
	sent := history.Bytes()
	if !p.at.IsZero() {
		elapsed := min(now.Sub(p.at), maxProbeStep)
		p.owed += elapsed.Seconds()*float64(rate)/8 - float64(sent-p.bytes)
		// Neither is a large frame of the media made up for by a long pause, nor a pause by a burst.
		step := float64(rate) / 8 * maxProbeStep.Seconds()
		p.owed = min(max(p.owed, -step), step)
	}
	p.at, p.bytes = now, sent
	return int(p.owed)
}
