package rtpsocket

import (
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"github.com/orkestro/orkestro/pkg/testkit"
)

// A packet that is larger than any path carries is not taken in part.
func TestSocket_TakesNoHalfPackets(t *testing.T) {
	s := newSocket(t)
	var whole, others atomic.Int64
	err := s.Start(Remote{
		PayloadType: 96, Controlled: func([]rtcp.Packet) {},
		Received: func(packet []byte, _ time.Time) {
			if len(packet) == maxPacketBytes {
				whole.Add(1)
			} else {
				others.Add(1)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	sender, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(s.address()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sender.Close() }()
	const header = 12
	for _, size := range []int{maxPacketBytes + 1, 4000, maxPacketBytes} {
		packet := rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: 96}, Payload: make([]byte, size-header)}
		raw, err := packet.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := sender.Write(raw); err != nil {
			t.Fatal(err)
		}
	}
	testkit.Eventually(t, func() error {
		if whole.Load() == 0 {
			return fmt.Errorf("%d other packets came", others.Load())
		}
		return nil
	})
	if whole.Load() != 1 || others.Load() != 0 {
		t.Errorf("%d packets of the largest size, %d others", whole.Load(), others.Load())
	}
}
