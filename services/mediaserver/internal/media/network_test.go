package media_test

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/pion/ice/v4"
	"github.com/pion/webrtc/v4"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/services/mediaserver/internal/rtc"
)

// exchange has a publisher and a subscriber, both adjusted, exchange media, and gives the publisher's answer.
func exchange(t *testing.T, f *fixture, adjust func(*webrtc.SettingEngine)) (answer string) {
	t.Helper()
	p := f.pipeline(t)
	pub := newPublisher(t, p, "ann")
	pub.pc = newClientPCWith(t, false, adjust)
	pub.track(webrtc.MimeTypeVP8, "cam")
	published := pub.publish()
	sub := prepareSubscriber(t)
	sub.adjust = adjust
	sub.attach(f, p, "ben", control.Subscriptions{})
	testkit.Eventually(t, func() error { return sub.receives(published.Streams[0].ID, "video", 50) })
	return published.Answer
}

// onSocket has a client use a socket of its own on an address; left to itself it would not use [::1].
func onSocket(t *testing.T, address string) func(*webrtc.SettingEngine) {
	t.Helper()
	return func(s *webrtc.SettingEngine) {
		conn, err := net.ListenPacket("udp", address)
		if err != nil {
			t.Fatal(err)
		}
		mux := ice.NewUDPMuxDefault(ice.UDPMuxParams{UDPConn: conn})
		t.Cleanup(func() { _ = mux.Close() })
		s.SetICEUDPMux(mux)
		s.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4, webrtc.NetworkTypeUDP6})
	}
}

// Each way for media to reach the server, by clients that have no other.
func TestNetwork_CarriesMedia(t *testing.T) {
	overTCP := func(s *webrtc.SettingEngine) { s.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeTCP4}) }
	for name, c := range map[string]struct {
		network rtc.NetworkConfig
		client  func(*webrtc.SettingEngine)
		want    string // in the answer
	}{
		"IPv6":                  {rtc.NetworkConfig{UDPAddress: "[::1]:0"}, onSocket(t, "[::1]:0"), " ::1 "},
		"IPv6 of every address": {rtc.NetworkConfig{}, onSocket(t, "[::1]:0"), " ::1 "},
		"ICE-lite": {
			rtc.NetworkConfig{UDPAddress: "127.0.0.1:0", Lite: true}, onSocket(t, "127.0.0.1:0"), "a=ice-lite\r\n",
		},
		"TCP": {rtc.NetworkConfig{UDPAddress: "127.0.0.1:0", TCPAddress: "127.0.0.1:0"}, overTCP, "tcptype passive"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if strings.HasPrefix(name, "IPv6") {
				needsIPv6(t)
			}
			c.network.Loopback = true
			if answer := exchange(t, newFixtureOn(t, c.network), c.client); !strings.Contains(answer, c.want) {
				t.Errorf("no %q in the answer:\n%s", c.want, answer)
			}
		})
	}
}

// needsIPv6 skips a test on a machine that has none.
func needsIPv6(t *testing.T) {
	t.Helper()
	conn, err := net.ListenPacket("udp6", "[::1]:0")
	if err != nil {
		t.Skip("skipped: no IPv6 here:", err)
	}
	_ = conn.Close()
}

// Behind a NAT, the public address is all that clients are told and all that they reach.
func TestNetwork_PublicAddress(t *testing.T) {
	const public = "127.0.0.3"
	f := newFixtureOn(t, rtc.NetworkConfig{UDPAddress: "127.0.0.2:0", Loopback: true, PublicIPs: []string{public}})
	nat := newNAT(t, netip.AddrPortFrom(netip.MustParseAddr(public), uint16(f.UDPPort())), "127.0.0.2")
	answer := exchange(t, f, func(*webrtc.SettingEngine) {})
	if !strings.Contains(answer, " "+public+" "+strconv.Itoa(f.UDPPort())+" typ host") || strings.Contains(answer, "127.0.0.2") {
		t.Errorf("the answer should have the public address alone:\n%s", answer)
	}
	if n := nat.clients(); n != 2 {
		t.Errorf("%d clients came through the NAT, want 2", n)
	}
}

// nat passes packets for a public address on to a server behind it.
type nat struct {
	public net.PacketConn
	inside net.Addr
	wg     sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	mapping map[string]net.PacketConn // by client
}

func newNAT(t *testing.T, public netip.AddrPort, inside string) *nat {
	t.Helper()
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(public))
	if err != nil {
		t.Fatal(err)
	}
	server := netip.AddrPortFrom(netip.MustParseAddr(inside), public.Port())
	n := &nat{public: conn, inside: net.UDPAddrFromAddrPort(server), mapping: map[string]net.PacketConn{}}
	n.wg.Go(n.run)
	t.Cleanup(n.close)
	return n
}

func (n *nat) run() {
	buffer := make([]byte, 1500)
	for {
		size, client, err := n.public.ReadFrom(buffer)
		if err != nil {
			return
		}
		if mapped := n.mapped(client); mapped != nil {
			_, _ = mapped.WriteTo(buffer[:size], n.inside)
		}
	}
}

// mapped is the socket that stands for a client inside.
func (n *nat) mapped(client net.Addr) net.PacketConn {
	n.mu.Lock()
	defer n.mu.Unlock()
	if known := n.mapping[client.String()]; known != nil || n.closed {
		return known
	}
	made, err := net.ListenPacket("udp4", "127.0.0.2:0")
	if err != nil {
		return nil
	}
	n.mapping[client.String()] = made
	n.wg.Go(func() {
		buffer := make([]byte, 1500)
		for {
			size, _, err := made.ReadFrom(buffer)
			if err != nil {
				return
			}
			_, _ = n.public.WriteTo(buffer[:size], client)
		}
	})
	return made
}

func (n *nat) clients() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.mapping)
}

func (n *nat) close() {
	n.mu.Lock()
	n.closed = true
	for _, mapped := range n.mapping {
		_ = mapped.Close()
	}
	n.mu.Unlock()
	_ = n.public.Close()
	n.wg.Wait()
}
