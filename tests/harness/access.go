package harness

import (
	"errors"
	"net"
	"sync"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/webrtc/v4"
)

// Access is a client's way into the network: it can be cut and healed, and it can go over to another address, all without
// the client's noticing. Safe for concurrent use.
type Access struct {
	mu      sync.Mutex
	address string // without a port
	cut     bool
	lines   []*line
}

// NewAccess is a way into the network from an address of the loopback interface.
func NewAccess(address string) *Access { return &Access{address: address} }

// Cut has every packet dropped, both ways.
func (a *Access) Cut() { a.setCut(true) }

// Heal undoes Cut.
func (a *Access) Heal() { a.setCut(false) }

func (a *Access) setCut(cut bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.cut = cut
}

// Move goes over to another address. What is on its way to the old one is lost.
func (a *Access) Move(address string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.address = address
	var errs []error
	for _, l := range a.lines {
		errs = append(errs, l.open(address))
	}
	return errors.Join(errs...)
}

// Close ends all that goes over it.
func (a *Access) Close() {
	a.mu.Lock()
	lines := a.lines
	a.lines = nil
	a.mu.Unlock()
	for _, l := range lines {
		_ = l.mux.Close()
	}
}

// connect makes a peer connection over a line of its own.
func (a *Access) connect() (*webrtc.PeerConnection, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	l := &line{access: a, packets: make(chan datagram, 1000), done: make(chan struct{})}
	if err := l.open(a.address); err != nil {
		return nil, err
	}
	l.home = l.socket.LocalAddr()
	l.mux = ice.NewUDPMuxDefault(ice.UDPMuxParams{UDPConn: l})
	a.lines = append(a.lines, l)
	return newPeerConnection((*webrtc.MediaEngine).RegisterDefaultCodecs, func(s *webrtc.SettingEngine) { s.SetICEUDPMux(l.mux) })
}

// line is the socket that a connection believes to have.
type line struct {
	access  *Access
	home    net.Addr
	mux     *ice.UDPMuxDefault
	packets chan datagram
	done    chan struct{}
	once    sync.Once
	readers sync.WaitGroup

	mu     sync.Mutex
	socket net.PacketConn
}

type datagram struct {
	data []byte
	from net.Addr
}

// open goes over to a socket at another address.
func (l *line) open(address string) error {
	socket, err := net.ListenPacket("udp4", net.JoinHostPort(address, "0")) //nolint:noctx // returns at once
	if err != nil {
		return err
	}
	l.mu.Lock()
	before := l.socket
	l.socket = socket
	l.mu.Unlock()
	if before != nil {
		_ = before.Close()
	}
	l.readers.Go(func() { l.read(socket) })
	return nil
}

func (l *line) read(socket net.PacketConn) {
	buffer := make([]byte, 2048)
	for {
		n, from, err := socket.ReadFrom(buffer)
		if err != nil {
			return
		}
		if l.isCut() {
			continue
		}
		select {
		case l.packets <- datagram{append([]byte{}, buffer[:n]...), from}:
		case <-l.done:
			return
		}
	}
}

func (l *line) isCut() bool {
	l.access.mu.Lock()
	defer l.access.mu.Unlock()
	return l.access.cut
}

// ReadFrom implements net.PacketConn.
func (l *line) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case p := <-l.packets:
		return copy(b, p.data), p.from, nil
	case <-l.done:
		return 0, nil, net.ErrClosed
	}
}

// WriteTo implements net.PacketConn.
func (l *line) WriteTo(b []byte, to net.Addr) (int, error) {
	if l.isCut() {
		return len(b), nil
	}
	l.mu.Lock()
	socket := l.socket
	l.mu.Unlock()
	n, err := socket.WriteTo(b, to)
	if errors.Is(err, net.ErrClosed) {
		return len(b), nil // it is just moving
	}
	return n, err
}

// Close implements net.PacketConn.
func (l *line) Close() error {
	var err error
	l.once.Do(func() {
		close(l.done)
		l.mu.Lock()
		err = l.socket.Close()
		l.mu.Unlock()
		l.readers.Wait()
	})
	return err
}

// LocalAddr implements net.PacketConn.
func (l *line) LocalAddr() net.Addr { return l.home }

// SetDeadline implements net.PacketConn: nothing waits here that Close does not end.
func (l *line) SetDeadline(time.Time) error { return nil }

// SetReadDeadline implements net.PacketConn.
func (l *line) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements net.PacketConn.
func (l *line) SetWriteDeadline(time.Time) error { return nil }
