//go:build !linux

package udp

import (
	"net"
	"time"
)

// sender writes packet by packet.
type sender struct{ socket *net.UDPConn }

func newSender(socket *net.UDPConn) *sender { return &sender{socket} }

// send sends a batch and gives the number of packets that could not be.
func (s *sender) send(b *batch) (failed int) {
	b.group(false)
	for i := range b.packets {
		p := &b.packets[i]
		if _, err := s.socket.WriteToUDPAddrPort(p.payload, p.to); err != nil {
			failed++
		}
	}
	return failed
}

// nap is never called: without segments there are no bursts.
func nap(d time.Duration) { time.Sleep(d) }
