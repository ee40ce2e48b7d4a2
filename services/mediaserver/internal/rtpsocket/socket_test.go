package rtpsocket

import (
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"go.uber.org/goleak"

	"github.com/orkestro/orkestro/pkg/testkit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newSocket(tb testing.TB) *Socket {
	tb.Helper()
	s, err := Open(&Ports{}, netip.MustParseAddr("127.0.0.1"))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(s.Close)
	return s
}

func (s *Socket) address() netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(s.Port()))
}

// A socket with a key takes what was encrypted with it and nothing else, and sends nothing that can be read.
func TestSocket_TakesOnlyWhatIsEncrypted(t *testing.T) {
	here, there := newSocket(t), newSocket(t)
	mine, theirs := NewKey(AES256SHA80), NewKey(AES256SHA80)
	var packets, reports atomic.Int64
	remote := Remote{
		RTP: there.address(), Mux: true, PayloadType: 96, Inbound: &theirs, Outbound: &mine,
		Received:   func(packet []byte, _ time.Time) { packets.Add(int64(len(packet))) },
		Controlled: func(list []rtcp.Packet) { reports.Add(int64(len(list))) },
	}
	if err := here.Start(remote); err != nil {
		t.Fatal(err)
	}
	remote.RTP, remote.Inbound, remote.Outbound = here.address(), &mine, &theirs
	remote.Received, remote.Controlled = func([]byte, time.Time) {}, func([]rtcp.Packet) {}
	if err := there.Start(remote); err != nil {
		t.Fatal(err)
	}
	stranger, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(here.address()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stranger.Close() }()
	plain, err := (&rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: 96}, Payload: make([]byte, 1000)}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		_, _ = stranger.Write(plain)
	}
	header := &rtp.Header{Version: 2, PayloadType: 96, SSRC: 1}
	if n, err := there.WriteRTP(header, make([]byte, 100)); n != 112 || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
	if err := there.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{}}); err != nil {
		t.Error(err)
	}
	testkit.Eventually(t, func() error {
		if packets.Load() == 0 || reports.Load() == 0 {
			return fmt.Errorf("%d bytes and %d reports came", packets.Load(), reports.Load())
		}
		return nil
	})
	if packets.Load() != 112 {
		t.Errorf("%d bytes came, what was sent are 112", packets.Load())
	}
	if _, err := there.WriteRTP(header, make([]byte, 2000)); err == nil {
		t.Error("a packet larger than any path takes was sent")
	}
}

// Whatever comes, nothing breaks.
func FuzzSocket_Received(f *testing.F) {
	f.Add([]byte{0x80, 96, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2, 1, 2, 3})
	f.Add([]byte{0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2})
	f.Add([]byte{0x80, 200, 0, 6})
	key := NewKey(AES128SHA80)
	var sockets []*Socket
	for _, inbound := range []*Key{nil, &key} {
		s := newSocket(f)
		err := s.Start(Remote{
			PayloadType: 96, Inbound: inbound, Received: func([]byte, time.Time) {}, Controlled: func([]rtcp.Packet) {},
		})
		if err != nil {
			f.Fatal(err)
		}
		sockets = append(sockets, s)
	}
	from := netip.MustParseAddrPort("127.0.0.1:9")
	f.Fuzz(func(_ *testing.T, packet []byte) {
		clear := make([]byte, 0, maxPacketBytes)
		for _, s := range sockets {
			for _, conn := range []*net.UDPConn{s.rtp, s.rtcp} {
				s.received(conn, packet[:min(len(packet), maxPacketBytes)], clear, from)
			}
		}
	})
}
