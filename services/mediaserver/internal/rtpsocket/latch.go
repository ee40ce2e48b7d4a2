package rtpsocket

import (
	"net/netip"
	"time"
)

// latchSilence is how long the sender of a stream may be silent until another one takes its place: chosen; longer than
// any pause between the packets of a live stream.
const latchSilence = 3 * time.Second

// latch decides whose packets are taken. A port without ICE takes packets from anybody, and those who send often use
// another port, or another address, than their description says. So the first one is believed, until it falls silent
// or the address of the description speaks.
type latch struct {
	expected netip.Addr // of the description; invalid: none
	owner    netip.AddrPort
	heard    time.Time
}

// take says whether a packet from an address is taken.
func (l *latch) take(from netip.AddrPort, at time.Time) bool {
	switch {
	case from == l.owner:
	case !l.owner.IsValid() || at.Sub(l.heard) > latchSilence:
	case from.Addr() == l.expected && l.owner.Addr() != l.expected:
	default:
		return false
	}
	l.owner, l.heard = from, at
	return true
}
