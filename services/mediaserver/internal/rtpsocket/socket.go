// Package rtpsocket carries RTP and RTCP over UDP ports of their own, without ICE: what telephones, cameras and ffmpeg
// speak, in the clear or with keys from the description (SDES, RFC 4568). Package rtc uses it for RtpEndpoints. It
// knows nothing of SDP, sources or sinks.
package rtpsocket

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
)

const (
	maxPacketBytes = 1500 // an Ethernet frame
	maxReadErrors  = 100  // in a row, after which a socket is taken for broken
	replayWindow   = 1024 // packets
)

// Remote is the other side as its description has it, and what to do with what it sends.
type Remote struct {
	RTP, RTCP   netip.AddrPort // where to send; invalid: to where packets come from
	Mux         bool           // RTCP has the ports of RTP (RFC 5761)
	PayloadType uint8          // of the packets that are taken
	Inbound     *Key           // of what comes in, nil: not encrypted
	Outbound    *Key           // of what goes out, nil: not encrypted

	// Received gets every RTP packet, decrypted, and Controlled every RTCP packet. Each is called by one goroutine at a
	// time and keeps nothing of what it gets.
	Received   func(packet []byte, at time.Time)
	Controlled func([]rtcp.Packet)
}

// Socket is a pair of UDP ports for one stream each way. Safe for concurrent use.
type Socket struct {
	rtp, rtcp *net.UDPConn
	remote    Remote
	toRTP     atomic.Pointer[netip.AddrPort]
	toRTCP    atomic.Pointer[netip.AddrPort]
	reading   sync.WaitGroup

	receiving sync.Mutex // guards what follows: both ports may carry RTCP
	inbound   *srtp.Context
	latch     latch

	sending  sync.Mutex // guards what follows
	outbound *srtp.Context
	plain    []byte
	sealed   []byte
}

// Open takes ports on an address; an unspecified one means every address of its family. The caller closes the socket.
func Open(ports *Ports, address netip.Addr) (*Socket, error) {
	media, control, err := ports.open(address)
	if err != nil {
		return nil, err
	}
	return &Socket{rtp: media, rtcp: control}, nil
}

// Port is that of RTP; RTCP has the next one.
func (s *Socket) Port() int { return s.rtp.LocalAddr().(*net.UDPAddr).Port }

// Start begins to receive and to send. Call it once, before the first write.
func (s *Socket) Start(remote Remote) error {
	var err error
	if remote.Inbound != nil {
		s.inbound, err = remote.Inbound.context(
			srtp.SRTPReplayProtection(replayWindow), srtp.SRTCPReplayProtection(replayWindow))
		if err != nil {
			return fmt.Errorf("key of the remote side: %w", err)
		}
	}
	if remote.Outbound != nil {
		if s.outbound, err = remote.Outbound.context(); err != nil {
			return fmt.Errorf("own key: %w", err)
		}
	}
	s.remote = remote
	if remote.RTP.IsValid() {
		s.latch.expected = remote.RTP.Addr()
		s.toRTP.Store(&remote.RTP)
	}
	if remote.RTCP.IsValid() {
		s.toRTCP.Store(&remote.RTCP)
	}
	s.reading.Go(func() { s.read(s.rtp) })
	s.reading.Go(func() { s.read(s.rtcp) })
	return nil
}

// Close ends everything and waits for it.
func (s *Socket) Close() {
	_ = s.rtp.Close()
	_ = s.rtcp.Close()
	s.reading.Wait()
}

func (s *Socket) read(conn *net.UDPConn) {
	buffer, clear := make([]byte, maxPacketBytes+1), make([]byte, 0, maxPacketBytes)
	for failures := 0; failures < maxReadErrors; {
		n, from, err := conn.ReadFromUDPAddrPort(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			failures++
			continue
		}
		failures = 0
		if n > maxPacketBytes {
			continue // there is no room for the rest of it
		}
		s.received(conn, buffer[:n], clear, netip.AddrPortFrom(from.Addr().Unmap(), from.Port()))
	}
}

// isRTCP tells RTCP from RTP on one port (RFC 5761 section 4).
func isRTCP(packet []byte) bool { return len(packet) > 1 && packet[1] >= 192 && packet[1] <= 223 }

func (s *Socket) received(conn *net.UDPConn, packet, clear []byte, from netip.AddrPort) {
	s.receiving.Lock()
	defer s.receiving.Unlock()
	if isRTCP(packet) {
		s.control(conn, packet, clear, from)
		return
	}
	if conn == s.rtp {
		s.media(packet, clear, from, time.Now())
	}
}

// media needs s.receiving.
func (s *Socket) media(packet, clear []byte, from netip.AddrPort, at time.Time) {
	if len(packet) < 12 || packet[0]>>6 != 2 || packet[1]&0x7f != s.remote.PayloadType {
		return
	}
	if s.inbound != nil {
		opened, err := s.inbound.DecryptRTP(clear[:0], packet, nil)
		if err != nil {
			return
		}
		packet = opened
	}
	if !s.latch.take(from, at) {
		return
	}
	if !s.remote.RTP.IsValid() {
		follow(&s.toRTP, from)
	}
	s.remote.Received(packet, at)
}

// control needs s.receiving.
func (s *Socket) control(conn *net.UDPConn, packet, clear []byte, from netip.AddrPort) {
	if s.inbound != nil {
		opened, err := s.inbound.DecryptRTCP(clear[:0], packet, nil)
		if err != nil {
			return
		}
		packet = opened
	} else if from.Addr() != s.latch.owner.Addr() && from.Addr() != s.latch.expected {
		return // a stranger
	}
	packets, err := rtcp.Unmarshal(packet)
	if err != nil {
		return
	}
	if !s.remote.RTCP.IsValid() && conn == s.rtcp {
		follow(&s.toRTCP, from)
	}
	s.remote.Controlled(packets)
}

func follow(to *atomic.Pointer[netip.AddrPort], from netip.AddrPort) {
	if last := to.Load(); last == nil || *last != from {
		to.Store(&from)
	}
}

// WriteRTP sends a packet and returns its length before encryption; 0 while it is not known where to.
func (s *Socket) WriteRTP(header *rtp.Header, payload []byte) (int, error) {
	to := s.toRTP.Load()
	if to == nil {
		return 0, nil
	}
	s.sending.Lock()
	defer s.sending.Unlock()
	whole := rtp.Packet{Header: *header, Payload: payload}
	size := whole.MarshalSize()
	if size > maxPacketBytes {
		return 0, fmt.Errorf("an RTP packet of %d bytes", size)
	}
	s.plain = slices.Grow(s.plain[:0], size)[:size]
	if _, err := whole.MarshalTo(s.plain); err != nil {
		return 0, fmt.Errorf("encode RTP: %w", err)
	}
	packet := s.plain
	if s.outbound != nil {
		sealed, err := s.outbound.EncryptRTP(s.sealed[:0], packet, nil)
		if err != nil {
			return 0, fmt.Errorf("encrypt RTP: %w", err)
		}
		s.sealed, packet = sealed, sealed
	}
	if _, err := s.rtp.WriteToUDPAddrPort(packet, *to); err != nil {
		return 0, fmt.Errorf("send RTP: %w", err)
	}
	return len(s.plain), nil
}

// WriteRTCP sends packets; nowhere while it is not known where to.
func (s *Socket) WriteRTCP(packets []rtcp.Packet) error {
	conn, to := s.rtcp, s.toRTCP.Load()
	if s.remote.Mux {
		conn, to = s.rtp, s.toRTP.Load()
	}
	if to == nil {
		return nil
	}
	packet, err := rtcp.Marshal(packets)
	if err != nil {
		return fmt.Errorf("encode RTCP: %w", err)
	}
	s.sending.Lock()
	defer s.sending.Unlock()
	if s.outbound != nil {
		if packet, err = s.outbound.EncryptRTCP(nil, packet, nil); err != nil {
			return fmt.Errorf("encrypt RTCP: %w", err)
		}
	}
	if _, err := conn.WriteToUDPAddrPort(packet, *to); err != nil {
		return fmt.Errorf("send RTCP: %w", err)
	}
	return nil
}
