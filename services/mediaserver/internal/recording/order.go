package recording

import "time"

const (
	// patience is how long a missing packet is waited for: chosen; a few round trips of requests for it.
	patience = 400 * time.Millisecond
	// maxWaiting bounds the packets that wait behind a missing one: more than patience of 4 Mbit/s.
	maxWaiting = 512
	// farAway is a distance between numbers that no disorder makes.
	farAway = 2 * maxWaiting
)

// order puts the packets of a track in the order of their sequence numbers. A packet that does not come is given up
// when those behind it have waited long enough.
type order struct {
	free    func(*packet)
	started bool
	next    uint16
	waiting map[uint16]*packet
	since   time.Time // since when the next one is missing
}

// push takes a packet and calls deliver for all whose turn it is; lost says that there is a gap before the packet. What
// is delivered is free to be reused afterwards.
func (o *order) push(p *packet, deliver func(p *packet, lost bool)) {
	if !o.started {
		o.started, o.next = true, p.sequence
	}
	ahead := int16(p.sequence - o.next)
	if ahead > farAway || ahead < -farAway {
		o.jump(p, deliver)
		return
	}
	if ahead < 0 || o.waiting[p.sequence] != nil {
		o.free(p) // a repetition, or too late
		return
	}
	at := p.at // p is free once it is delivered
	if len(o.waiting) == 0 {
		o.since = at
		o.waiting = map[uint16]*packet{}
	}
	o.waiting[p.sequence] = p
	if o.deliver(deliver, false) {
		o.since = at
	}
	if len(o.waiting) > 0 && (at.Sub(o.since) > patience || len(o.waiting) > maxWaiting) {
		o.skip()
		o.since = at
		o.deliver(deliver, true)
	}
}

// jump goes on with a packet that has nothing to do with those before it: too many were lost.
func (o *order) jump(p *packet, deliver func(p *packet, lost bool)) {
	o.flush(deliver)
	o.next = p.sequence
	o.waiting = map[uint16]*packet{p.sequence: p}
	o.deliver(deliver, true)
}

// flush delivers what waits, gaps and all.
func (o *order) flush(deliver func(p *packet, lost bool)) {
	for len(o.waiting) > 0 {
		o.skip()
		o.deliver(deliver, true)
	}
}

// deliver delivers up to the next gap, and reports whether there was anything.
func (o *order) deliver(deliver func(p *packet, lost bool), lost bool) (some bool) {
	for {
		p := o.waiting[o.next]
		if p == nil {
			return some
		}
		some = true
		delete(o.waiting, o.next)
		o.next++
		deliver(p, lost)
		o.free(p)
		lost = false
	}
}

// skip gives up the packets before the first that waits.
func (o *order) skip() {
	nearest := uint16(1<<16 - 1)
	for sequence := range o.waiting {
		nearest = min(nearest, sequence-o.next)
	}
	o.next += nearest
}
