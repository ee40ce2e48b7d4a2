package rtc

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/pion/ice/v4"

	"github.com/orkestro/orkestro/services/mediaserver/internal/udp"
)

const (
	udpBufferBytes = 4 << 20 // chosen: a quarter second at 130 Mbit/s; the kernel may grant less
	tcpReadBuffer  = 16      // packets
	// What waits for one client over TCP, in bytes: chosen; more than a second of video. A client that does not read must
	// not hold up others, so what comes when it is full is dropped.
	tcpWriteBuffer = 512 << 10
	listenAttempts = 10 // free ports tried until one is free on every address
)

// NetworkConfig says how media reaches the process. The zero value listens on any free UDP port of every interface but
// loopback.
type NetworkConfig struct {
	UDPAddress   string        // "ip:port" of all media over UDP; no ip: every interface, port 0: any free one
	TCPAddress   string        // "ip:port" of ICE over TCP (RFC 6544); empty: none
	PublicIPs    []string      // what clients are told instead of the interfaces' addresses
	Interfaces   []string      // names of the interfaces to use; none: all
	Loopback     bool          // also offer loopback addresses: for development and tests on one machine
	Lite         bool          // ICE-lite (RFC 8445 section 2.5): only answers checks; for a server with a public address
	RTPPorts     string        // "LOW-HIGH" of RTP without ICE, two ports a stream; empty: any free ones
	Disconnected time.Duration // silence after which a connection counts as disconnected; 0: 5 s
	Failed       time.Duration // time after which a disconnected connection has failed; 0: 25 s
}

// network is the sockets.
type network struct {
	port  int
	conns []*udp.Conn
	udp   ice.UDPMux // over conns
	tcp   ice.TCPMux // nil: none
}

func (n *network) close() error {
	err := n.udp.Close()
	if n.tcp != nil {
		err = errors.Join(err, n.tcp.Close())
	}
	return err
}

func (n *network) dropped() (packets uint64) {
	for _, conn := range n.conns {
		packets += conn.Dropped()
	}
	return packets
}

func openNetwork(cfg NetworkConfig, loggers pionLoggers) (*network, error) {
	sockets, port, err := listenUDP(cfg)
	if err != nil {
		return nil, err
	}
	n := &network{port: port}
	muxes := make([]ice.UDPMux, 0, len(sockets))
	for _, socket := range sockets {
		conn := udp.New(socket)
		n.conns = append(n.conns, conn)
		muxes = append(muxes, ice.NewUDPMuxDefault(ice.UDPMuxParams{Logger: loggers.NewLogger("ice"), UDPConn: conn}))
	}
	n.udp = ice.NewMultiUDPMuxDefault(muxes...)
	if cfg.TCPAddress == "" {
		return n, nil
	}
	listener, err := net.Listen("tcp", cfg.TCPAddress) //nolint:noctx // resolves nothing and returns at once
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listen for media: %w", err), n.udp.Close())
	}
	n.tcp = ice.NewTCPMuxDefault(ice.TCPMuxParams{
		Listener: listener, Logger: loggers.NewLogger("ice"),
		ReadBufferSize: tcpReadBuffer, WriteBufferSize: tcpWriteBuffer,
	})
	return n, nil
}

// listenUDP opens one socket an address, all on the same port. A socket of its own for each address makes the kernel
// answer from the address that was asked.
func listenUDP(cfg NetworkConfig) ([]*net.UDPConn, int, error) {
	host, port, err := splitAddress(cfg.UDPAddress)
	if err != nil {
		return nil, 0, err
	}
	addresses := []netip.Addr{host}
	if !host.IsValid() || host.IsUnspecified() {
		if addresses, err = interfaceAddresses(cfg); err != nil {
			return nil, 0, err
		}
	}
	for attempt := 1; ; attempt++ {
		conns, chosen, err := listenAll(addresses, port)
		if err == nil {
			return conns, chosen, nil
		}
		if port != 0 || attempt == listenAttempts {
			return nil, 0, fmt.Errorf("listen for media: %w", err)
		}
	}
}

func splitAddress(address string) (netip.Addr, int, error) {
	if address == "" {
		return netip.Addr{}, 0, nil
	}
	host, portText, err := net.SplitHostPort(address)
	if err != nil {
		return netip.Addr{}, 0, fmt.Errorf("UDP address: %w", err)
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return netip.Addr{}, 0, fmt.Errorf("UDP address %q: %w", address, err)
	}
	if host == "" {
		return netip.Addr{}, int(port), nil
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}, 0, fmt.Errorf("UDP address: %w", err)
	}
	return ip, int(port), nil
}

func listenAll(addresses []netip.Addr, port int) ([]*net.UDPConn, int, error) {
	conns := make([]*net.UDPConn, 0, len(addresses))
	for _, address := range addresses {
		conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(address, uint16(port))))
		if err != nil {
			for _, c := range conns {
				err = errors.Join(err, c.Close())
			}
			return nil, 0, err
		}
		// Best effort: the kernel may refuse more than its own limit.
		_ = conn.SetReadBuffer(udpBufferBytes)
		_ = conn.SetWriteBuffer(udpBufferBytes)
		conns = append(conns, conn)
		port = conn.LocalAddr().(*net.UDPAddr).Port
	}
	return conns, port, nil
}

var errNoAddress = errors.New("no network interface has a usable address")

func interfaceAddresses(cfg NetworkConfig) ([]netip.Addr, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list network interfaces: %w", err)
	}
	var usable []netip.Addr
	for _, i := range interfaces {
		loopback := i.Flags&net.FlagLoopback != 0
		if i.Flags&net.FlagUp == 0 || loopback && !cfg.Loopback ||
			len(cfg.Interfaces) > 0 && !slices.Contains(cfg.Interfaces, i.Name) {
			continue
		}
		addresses, err := i.Addrs()
		if err != nil {
			return nil, fmt.Errorf("addresses of %s: %w", i.Name, err)
		}
		for _, address := range addresses {
			prefix, err := netip.ParsePrefix(address.String())
			// Link-local IPv6 needs a zone that other machines do not know.
			if err == nil && !prefix.Addr().IsLinkLocalUnicast() {
				usable = append(usable, prefix.Addr())
			}
		}
	}
	if len(usable) == 0 {
		return nil, errNoAddress
	}
	return usable, nil
}
