package rtc

import (
	"fmt"
	"net/netip"

	"github.com/orkestro/orkestro/services/mediaserver/internal/rtpsocket"
)

// rtpAddresses are where ports of their own are opened, and what is told about it.
func (e *Engine) rtpAddresses(ipv6 bool) (bind, told netip.Addr, err error) {
	fits := func(a netip.Addr) bool { return a.Is6() == ipv6 }
	host, _, err := splitAddress(e.rtp.network.UDPAddress)
	if err != nil {
		return bind, told, err
	}
	bind = netip.IPv4Unspecified()
	if ipv6 {
		bind = netip.IPv6Unspecified()
	}
	switch {
	case host.IsValid() && !host.IsUnspecified() && fits(host):
		bind, told = host, host
	default:
		told = e.interfaceAddress(fits)
		if len(e.rtp.network.Interfaces) > 0 {
			bind = told
		}
	}
	for _, public := range e.rtp.network.PublicIPs {
		if a, err := netip.ParseAddr(public); err == nil && fits(a) {
			return bind, a, nil
		}
	}
	if !told.IsValid() {
		return bind, told, errNoAddress
	}
	return bind, told, nil
}

// interfaceAddress is the first address that fits, one of the loopback interface only if there is no other.
func (e *Engine) interfaceAddress(fits func(netip.Addr) bool) netip.Addr {
	cfg := e.rtp.network
	cfg.Loopback = true
	addresses, _ := interfaceAddresses(cfg) // none is dealt with below
	var loopback netip.Addr
	for _, a := range addresses {
		switch {
		case !fits(a):
		case !a.IsLoopback():
			return a
		default:
			loopback = a
		}
	}
	return loopback
}

// rtpNetwork is what the sockets of [RTPPeer] need.
type rtpNetwork struct {
	ports   *rtpsocket.Ports
	network NetworkConfig
}

func newRTPNetwork(cfg NetworkConfig) (rtpNetwork, error) {
	ports, err := rtpsocket.ParsePorts(cfg.RTPPorts)
	if err != nil {
		return rtpNetwork{}, fmt.Errorf("ports of RTP: %w", err)
	}
	return rtpNetwork{ports, cfg}, nil
}
