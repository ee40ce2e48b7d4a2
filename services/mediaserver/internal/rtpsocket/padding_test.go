package rtpsocket

import (
	"errors"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"github.com/orkestro/orkestro/pkg/testkit"
)

// A packet that is nothing but padding, sent in the place of one that is left out, arrives as that.
func TestSocket_SendsPadding(t *testing.T) {
	here, there := newSocket(t), newSocket(t)
	came := make(chan rtp.Packet, 1)
	remote := Remote{
		RTP: there.address(), Mux: true, PayloadType: 96, Controlled: func([]rtcp.Packet) {},
		Received: func(raw []byte, _ time.Time) {
			var p rtp.Packet
			if p.Unmarshal(raw) == nil {
				came <- p
			}
		},
	}
	if err := here.Start(remote); err != nil {
		t.Fatal(err)
	}
	remote.RTP, remote.Received = here.address(), func([]byte, time.Time) {}
	if err := there.Start(remote); err != nil {
		t.Fatal(err)
	}
	header := rtp.Header{Version: 2, PayloadType: 96, SSRC: 1, Padding: true, PaddingSize: 1}
	if n, err := there.WriteRTP(&header, nil); n != 13 || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
	testkit.Eventually(t, func() error {
		select {
		case p := <-came:
			if p.Header.PaddingSize != 1 || len(p.Payload) > 0 {
				t.Errorf("came: %+v", p)
			}
			return nil
		default:
			return errors.New("nothing came")
		}
	})
}
