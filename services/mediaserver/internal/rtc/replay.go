package rtc

import (
	"time"

	"github.com/pion/rtp"
)

// replay sends a sink that begins everything since a young keyframe, which the store still has: there is a picture at
// once, and the publisher is not asked for another keyframe. Live packets meanwhile come from the store too, so the
// sink is left to the live ones without a gap. The source's mu guards it.
type replay struct {
	of   *encoding
	next uint64
}

// beginReplay makes the stretch for it; nil when it is not possible at p.
func (fw *forwarding) beginReplay(e *encoding, p *packet) *replay {
	key := e.keyframe
	if e != fw.want || fw.out.Live || p.info.Keyframe || key.sequence == p.sequence || !e.replayable(p.at) {
		return nil
	}
	span := (p.timestamp - key.timestamp) >> squeeze
	before := *fw
	first, _ := e.store.get(key.sequence, nil)
	first.timestamp, first.at = p.timestamp, p.at
	t := fw.begin(e, &first, key.sequence)
	t.squeezed, t.live = true, p.timestamp
	if fw.numbers.begun && before.begun == 0 {
		t.time += span // another source: its time may be anything
	}
	if fw.numbers.begun && int32(t.timestamp(key.timestamp)-fw.numbers.time) <= 0 {
		*fw = before // there is no time for it: the sink is in the middle of another layer
		return nil
	}
	fw.replay = &replay{of: e, next: key.sequence}
	return fw.replay
}

// startReplay runs what take has decided.
func (s *Source) startReplay(d *delivery) {
	sink, out, r := d.sink, d.out, d.replay
	go func() {
		defer s.replays.Done()
		s.run(sink, out, r)
	}()
}

func (s *Source) run(k *Sink, out *Output, r *replay) {
	var header rtp.Header
	stored, rewritten := make([]byte, 0, maxPacketBytes), make([]byte, 0, maxPacketBytes)
	for first := true; ; first = false {
		p, d, ok := s.nextReplayed(k, r, stored)
		if !ok {
			return
		}
		d.sink, d.out = k, out
		n := d.write(&header, &p, &rewritten)
		if n == 0 && first {
			s.unsent(k)
			return
		}
		s.sent(k, n, p.at)
		if first {
			s.sync(k)
		}
	}
}

// nextReplayed is the next packet to send; ok is false when the sink has caught up, or does something else now.
func (s *Source) nextReplayed(k *Sink, r *replay, buffer []byte) (p packet, d delivery, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fw := &k.forwarding
	if k.source.Load() != s || fw.replay != r {
		return p, d, false
	}
	if s.paused || k.out.Load() != fw.out {
		fw.rest()
		return p, d, false
	}
	for r.next <= r.of.line.highest {
		sequence := r.next
		r.next++
		if p, ok = r.of.store.get(sequence, buffer); !ok {
			continue // lost
		}
		p.at = time.Now()
		if d, ok = fw.deliver(fw.current(), &p); ok {
			return p, d, true
		}
	}
	fw.replay = nil
	return p, d, false
}
