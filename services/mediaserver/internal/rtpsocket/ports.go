package rtpsocket

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
)

// ephemeralAttempts is how many free ports are tried until one is even and the next one is free too: chosen.
const ephemeralAttempts = 50

// ErrNoPort says that no pair of ports is free.
var ErrNoPort = errors.New("no free UDP port for RTP")

// Ports are the UDP ports that sockets may take. The zero value leaves the choice to the system. Safe for concurrent
// use.
type Ports struct {
	low, high int // both may be taken; 0: the system's choice

	mu   sync.Mutex
	next int
}

// ParsePorts reads "LOW-HIGH"; "" is the system's choice.
func ParsePorts(text string) (*Ports, error) {
	if text == "" {
		return &Ports{}, nil
	}
	lowText, highText, found := strings.Cut(text, "-")
	low, errLow := strconv.ParseUint(strings.TrimSpace(lowText), 10, 16)
	high, errHigh := strconv.ParseUint(strings.TrimSpace(highText), 10, 16)
	if !found || errLow != nil || errHigh != nil || low == 0 {
		return nil, fmt.Errorf("%q is no range of ports as 40000-40999", text)
	}
	p := &Ports{low: int(low) + int(low)%2, high: int(high)}
	if p.high <= p.low {
		return nil, fmt.Errorf("there is no even port with the next one in %q", text)
	}
	return p, nil
}

// open takes an even port for RTP and the next one for RTCP (RFC 3550 section 11).
func (p *Ports) open(address netip.Addr) (rtp, rtcp *net.UDPConn, err error) {
	if p.low == 0 {
		return openEphemeral(address)
	}
	pairs := (p.high - p.low + 1) / 2
	for range pairs {
		if rtp, rtcp, err = openPair(address, p.advance(pairs)); err == nil {
			return rtp, rtcp, nil
		}
	}
	return nil, nil, fmt.Errorf("%w in %d-%d: %w", ErrNoPort, p.low, p.high, err)
}

// advance gives the next port to try: one that was given up lately may still get packets that were meant for others.
func (p *Ports) advance(pairs int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	port := p.low + 2*p.next
	p.next = (p.next + 1) % pairs
	return port
}

func openEphemeral(address netip.Addr) (rtp, rtcp *net.UDPConn, err error) {
	for range ephemeralAttempts {
		probe, err := listen(address, 0)
		if err != nil {
			return nil, nil, fmt.Errorf("%w: %w", ErrNoPort, err)
		}
		port := probe.LocalAddr().(*net.UDPAddr).Port
		_ = probe.Close() // it held nothing but a number
		if rtp, rtcp, err = openPair(address, port-port%2); err == nil {
			return rtp, rtcp, nil
		}
	}
	return nil, nil, ErrNoPort
}

func openPair(address netip.Addr, port int) (rtp, rtcp *net.UDPConn, err error) {
	if rtp, err = listen(address, port); err != nil {
		return nil, nil, err
	}
	if rtcp, err = listen(address, port+1); err != nil {
		return nil, nil, errors.Join(err, rtp.Close())
	}
	return rtp, rtcp, nil
}

func listen(address netip.Addr, port int) (*net.UDPConn, error) {
	network := "udp4"
	if address.Is6() {
		network = "udp6"
	}
	return net.ListenUDP(network, net.UDPAddrFromAddrPort(netip.AddrPortFrom(address, uint16(port))))
}
