package rtc

import (
	"slices"
	"time"

	"github.com/orkestro/orkestro/services/mediaserver/internal/payload"
)

const (
	silence      = time.Second            // chosen: then an encoding counts as one that the sender has stopped
	settling     = time.Second            // chosen: how long an encoding that was stopped must be back to be gone up to
	measured     = time.Second            // over which rates are measured
	maxEncodings = 4                      // of one source: chosen; browsers send up to three
	maxSpatial   = 8                      // VP9 has no more
	maxReplay    = 256                    // packets: chosen; about a second of 2.5 Mbit/s
	replayAge    = time.Second            // chosen: an older keyframe is asked for anew
	reviewPeriod = 100 * time.Millisecond // chosen: how often the choice of layers is looked at
)

// encoding is one RTP stream of a source, over the feeds that carry it. Its numbers and time go on without a break when
// the sender comes back on another connection. The source's mu guards it.
type encoding struct {
	name string // RID (RFC 8851), "" when there is only one
	feed *Feed  // nil: nobody sends at the moment

	format    payload.Format
	line      timeline
	lastAt    time.Time   // when the last packet came
	synced    []syncPoint // the last two
	store     *packetStore
	keyframes *keyframes // nil for audio
	keyframe  keyframeMark

	active  bool      // packets come
	since   time.Time // when active became true
	settled bool      // active for long enough, or from the beginning

	rates         rates
	width, height uint16 // of its picture, 0: not known
	spatial       uint8  // highest spatial layer seen
}

// syncPoint says what time of day a timestamp of the source stands for. The last two of a feed are kept for sinks that
// begin later: senders report every few seconds only, and browsers need two to keep audio and video in step.
type syncPoint struct {
	ntp       uint64
	timestamp uint32
}

// keyframeMark is the last keyframe, and how much of what followed it is stored.
type keyframeMark struct {
	known     bool
	sequence  uint64 // of its first packet
	timestamp uint32
	at        time.Time
	packets   uint64 // stored from there on
}

// before says whether p begins a later keyframe, or the same one earlier: of H264 more than one packet may be one to
// begin with, parameter sets and the picture.
func (m *keyframeMark) before(p *packet) bool {
	if m.known && p.timestamp == m.timestamp {
		return p.sequence < m.sequence
	}
	return !m.known || p.sequence > m.sequence
}

// newEncoding makes an encoding; asked counts requests for keyframes.
func (s *Source) newEncoding(name string) *encoding {
	e := &encoding{name: name}
	if s.video() {
		e.keyframes = newKeyframes(func() { s.askFor(e) })
	}
	return e
}

// askFor asks whoever feeds e for a keyframe.
func (s *Source) askFor(e *encoding) {
	s.mu.Lock()
	f := e.feed
	s.mu.Unlock()
	if f == nil || f.cfg.RequestKeyframe == nil {
		return // a feed that begins asks for itself
	}
	s.asked.keyframes.Add(1)
	s.engine.traffic.keyframes.Add(1)
	f.cfg.RequestKeyframe()
}

func (e *encoding) requestKeyframe() {
	if e.keyframes != nil {
		e.keyframes.request()
	}
}

// close waits for a request that is being sent. It needs the source's mu not to be held.
func (e *encoding) close() {
	if e.keyframes != nil {
		e.keyframes.close()
	}
}

// place numbers a packet of f and says whether it is to be used. clock is in Hz.
func (e *encoding) place(f *Feed, p *packet, number uint16, timestamp, ssrc uint32) bool {
	pause := ticks(p.at.Sub(e.lastAt), f.cfg.Codec.ClockRate)
	e.lastAt = p.at
	var placed bool
	p.sequence, p.timestamp, placed = e.line.place(number, timestamp, ssrc, pause)
	return placed
}

// ticks is a duration in units of a clock in Hz, 0 when it is negative.
func ticks(d time.Duration, clock uint32) uint32 { return uint32(max(0, d.Seconds()) * float64(clock)) }

// keep stores a packet of a video and notes what it says about the encoding.
func (e *encoding) keep(p *packet) {
	if e.store == nil {
		e.store = &packetStore{}
	}
	e.store.put(p)
	e.spatial = max(e.spatial, p.info.Spatial)
	if p.info.Width > 0 {
		e.width, e.height = p.info.Width, p.info.Height
	}
	mark := &e.keyframe
	switch {
	case p.info.Keyframe && mark.before(p):
		*mark = keyframeMark{known: true, sequence: p.sequence, timestamp: p.timestamp, at: p.at}
		for n := p.sequence; n <= e.line.highest && n-p.sequence < maxReplay; n++ {
			if e.store.slot(n) != nil {
				mark.packets++
			}
		}
	case mark.known && p.sequence > mark.sequence:
		mark.packets++
	}
}

// replayable says whether a receiver can be sent everything since a young keyframe, so that it need not wait for one.
func (e *encoding) replayable(now time.Time) bool {
	m := &e.keyframe
	return m.known && m.packets <= maxReplay && m.packets == e.line.highest-m.sequence+1 && now.Sub(m.at) <= replayAge
}

// sync notes a sender report, in the time of the encoding.
func (e *encoding) sync(point syncPoint) {
	e.synced = append(slices.Clone(e.synced[max(0, len(e.synced)-1):]), point)
}

// timeOfDay is the NTP time, in units of 2^-32 s, of a timestamp.
func (e *encoding) timeOfDay(timestamp, clock uint32) (uint64, bool) {
	if len(e.synced) == 0 || clock == 0 {
		return 0, false
	}
	last := e.synced[len(e.synced)-1]
	ticks := int64(int32(timestamp - last.timestamp))
	return last.ntp + uint64(ticks<<32/int64(clock)), true
}

// timestampAt is the inverse of timeOfDay.
func (e *encoding) timestampAt(ntp uint64, clock uint32) (uint32, bool) {
	if len(e.synced) == 0 || clock == 0 {
		return 0, false
	}
	last := e.synced[len(e.synced)-1]
	distance := int64(ntp - last.ntp)
	const week = 7 * 24 * 3600 << 32
	if distance > week || distance < -week {
		return 0, false
	}
	// In two steps, because seconds times clock would not fit with the fraction.
	seconds, fraction := distance>>32, distance&(1<<32-1)
	return last.timestamp + uint32(seconds*int64(clock)) + uint32(fraction*int64(clock)>>32), true
}

// rates measures bits a second by spatial layer, over about the last second.
type rates struct {
	since  time.Time
	bytes  [maxSpatial]uint64
	rate   [maxSpatial]uint64
	lastAt [maxSpatial]time.Time
}

func (r *rates) count(spatial uint8, size int, at time.Time) {
	r.roll(at)
	layer := min(spatial, maxSpatial-1)
	r.bytes[layer] += uint64(size)
	r.lastAt[layer] = at
}

func (r *rates) roll(now time.Time) {
	elapsed := now.Sub(r.since)
	if elapsed < measured {
		return
	}
	for i, bytes := range r.bytes {
		r.rate[i] = uint64(float64(bytes*8) / elapsed.Seconds())
	}
	r.since, r.bytes = now, [maxSpatial]uint64{}
}
