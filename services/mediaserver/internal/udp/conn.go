package udp

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// How long packets are held for more to come, once traffic has shown that it comes in bursts.
const (
	holdStep = 100 * time.Microsecond // nothing new for so long: the burst is over
	maxHold  = time.Millisecond
	// patience is how many batches without a burst end the holding: chosen, so that audio between video frames does not.
	patience = 16
)

// maxKnown bounds the addresses that a socket remembers; it begins anew after that.
const maxKnown = 4096

// Conn is a UDP socket that sends in batches. It implements [net.PacketConn]. Safe for concurrent use, but for
// ReadFrom, which one goroutine calls at a time.
type Conn struct {
	socket *net.UDPConn
	sender *sender
	known  map[netip.AddrPort]*net.UDPAddr // for ReadFrom, which would make an address for every packet

	mu      sync.Mutex
	filling *batch
	closed  bool

	wake    chan struct{} // holds one: filling has its first packet, or closed
	done    sync.WaitGroup
	dropped atomic.Uint64
}

// New takes a socket over: Close closes it.
func New(socket *net.UDPConn) *Conn {
	c := &Conn{
		socket: socket, sender: newSender(socket), known: map[netip.AddrPort]*net.UDPAddr{},
		filling: newBatch(), wake: make(chan struct{}, 1),
	}
	c.done.Go(c.flush)
	return c
}

// Dropped counts the packets that were not sent: the kernel took none for long, or refused them.
func (c *Conn) Dropped() uint64 { return c.dropped.Load() }

// WriteTo implements [net.PacketConn]. Media is copied and sent a moment later: it never waits, and is dropped while
// too much waits already. Packets to one destination stay in order. All else (handshakes, checks of connectivity) is
// sent at once.
func (c *Conn) WriteTo(p []byte, addr net.Addr) (int, error) {
	to, ok := addr.(*net.UDPAddr)
	if !ok || to.Zone != "" || !isMedia(p) {
		return c.socket.WriteTo(p, addr)
	}
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return 0, net.ErrClosed
	}
	added := c.filling.add(p, to.AddrPort())
	first := added && len(c.filling.packets) == 1
	c.mu.Unlock()
	if !added {
		c.dropped.Add(1)
	}
	if first {
		c.signal()
	}
	return len(p), nil
}

// isMedia tells RTP and RTCP from the rest (RFC 7983 section 7).
func isMedia(p []byte) bool { return len(p) > 0 && p[0] >= 128 && p[0] <= 191 }

func (c *Conn) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// flush sends batch after batch until the socket is closed; what waits then is still sent.
func (c *Conn) flush() {
	sending := newBatch()
	bursts := 0
	for range c.wake {
		if bursts > 0 {
			c.hold()
		}
		c.mu.Lock()
		sending, c.filling = c.filling, sending
		closed := c.closed
		c.mu.Unlock()
		c.dropped.Add(uint64(c.sender.send(sending)))
		if len(sending.messages) < len(sending.packets) {
			bursts = patience
		} else {
			bursts--
		}
		sending.reset()
		if closed {
			return
		}
	}
}

// hold waits until nothing more comes.
func (c *Conn) hold() {
	count := 0
	for began := time.Now(); time.Since(began) < maxHold; {
		c.mu.Lock()
		now, closed := len(c.filling.packets), c.closed
		c.mu.Unlock()
		if now == count || closed {
			return
		}
		count = now
		nap(holdStep)
	}
}

// ReadFrom implements [net.PacketConn]. The address is shared: nobody changes it.
func (c *Conn) ReadFrom(p []byte) (int, net.Addr, error) {
	n, from, err := c.socket.ReadFromUDPAddrPort(p)
	if err != nil {
		return n, nil, err
	}
	addr := c.known[from]
	if addr == nil {
		if len(c.known) == maxKnown {
			clear(c.known)
		}
		addr = net.UDPAddrFromAddrPort(from)
		c.known[from] = addr
	}
	return n, addr, nil
}

// Close sends what waits and closes the socket.
func (c *Conn) Close() error {
	c.mu.Lock()
	closed := c.closed
	c.closed = true
	c.mu.Unlock()
	if closed {
		return net.ErrClosed
	}
	c.signal()
	c.done.Wait()
	return c.socket.Close()
}

// LocalAddr implements [net.PacketConn].
func (c *Conn) LocalAddr() net.Addr { return c.socket.LocalAddr() }

// SetDeadline implements [net.PacketConn]; see SetWriteDeadline.
func (c *Conn) SetDeadline(t time.Time) error { return c.socket.SetReadDeadline(t) }

// SetReadDeadline implements [net.PacketConn].
func (c *Conn) SetReadDeadline(t time.Time) error { return c.socket.SetReadDeadline(t) }

// SetWriteDeadline implements [net.PacketConn]. It has no effect: writing does not wait, and a deadline of one writer
// would hit the packets of others.
func (c *Conn) SetWriteDeadline(time.Time) error { return nil }
