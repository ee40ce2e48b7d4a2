package app

import (
	"errors"
	"net"
	"sync"
)

// sockets is a listener that knows the connections it has accepted, so that a server can drop them all at once, as the
// death of its process would.
type sockets struct {
	net.Listener

	mu      sync.Mutex
	dropped bool
	open    map[*socket]struct{}
}

// socket is one accepted connection.
type socket struct {
	net.Conn
	of *sockets
}

func newSockets(listener net.Listener) *sockets {
	return &sockets{Listener: listener, open: map[*socket]struct{}{}}
}

// Accept implements [net.Listener].
func (s *sockets) Accept() (net.Conn, error) {
	conn, err := s.Listener.Accept()
	if err != nil {
		return nil, err
	}
	accepted := &socket{Conn: conn, of: s}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dropped {
		return nil, errors.Join(net.ErrClosed, conn.Close())
	}
	s.open[accepted] = struct{}{}
	return accepted, nil
}

// Close implements [net.Conn].
func (c *socket) Close() error {
	c.of.mu.Lock()
	delete(c.of.open, c)
	c.of.mu.Unlock()
	return c.Conn.Close()
}

// drop closes the listener and every connection; what is not written yet is lost.
func (s *sockets) drop() {
	_ = s.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dropped = true
	for c := range s.open {
		_ = c.Conn.Close()
	}
	clear(s.open)
}
