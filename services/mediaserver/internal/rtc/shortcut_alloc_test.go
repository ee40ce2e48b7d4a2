package rtc

import (
	"encoding/binary"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/rtp"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/testkit"
)

// A packet on its way by the shortcut, from the feed or from the sink to the kernel, leaves no garbage; nor
// do the decisions about layers beside it.
func TestShortcut_AllocatesNothing(t *testing.T) {
	engine := newTestEngine(t)
	source := engine.NewSource(control.KindVideo)
	defer source.Close()
	vp8 := Codec{MIME: "video/VP8", ClockRate: 90_000}
	source.setCodec(vp8)
	feed := source.OpenFeed(FeedConfig{Codec: vp8})
	peer := connectReceiver(t, engine, source)
	testkit.Eventually(t, func() error { return takenByAll(peer) })
	toNobody(t, peer.path)

	outlet := outlets(peer)[0]
	header, payload := rtp.Header{Version: 2, SSRC: 1}, make([]byte, 1100)
	packet, err := (&rtp.Packet{Header: header, Payload: payload}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	for name, send := range map[string]func() error{
		"outlet": func() error {
			_, err := outlet.WriteRTP(&header, payload)
			return err
		},
		"feed": func() error {
			binary.BigEndian.PutUint16(packet[2:], header.SequenceNumber)
			feed.Write(packet, time.Now())
			return nil
		},
		"decision": func() error { // there is one layer: nothing to choose
			peer.shaper.decide(time.Now())
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			one := func() {
				header.SequenceNumber++
				if err := send(); err != nil {
					t.Fatal(err)
				}
			}
			for range 2000 { // until stores and batches have grown
				one()
			}
			if n := testing.AllocsPerRun(2000, one); n > 0 {
				t.Errorf("%v allocations", n)
			}
		})
	}
}

// outlets are the ways of all tracks of a connection.
func outlets(peer *SubscribePeer) (all []*outlet) {
	for _, out := range peer.tracks {
		var writer rtpWriter = out.sink.out.Load().Writer
		if numbered, ok := writer.(*numberedWriter); ok {
			writer = numbered.rtpWriter
		}
		all = append(all, writer.(*outlet))
	}
	return all
}

func takenByAll(peer *SubscribePeer) error {
	for _, o := range outlets(peer) {
		if !o.take(1) {
			return fmt.Errorf("not taken: open %v, pair %v", peer.short.open.Load(), peer.path.pair())
		}
	}
	return nil
}

// toNobody has the pair in use lead to a socket that is not read: the client, in the same process, would allocate.
func toNobody(t *testing.T, p *path) {
	t.Helper()
	socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.Close() })
	remote, err := ice.NewCandidatePeerReflexive(&ice.CandidatePeerReflexiveConfig{
		Network: "udp", Address: "127.0.0.1", Port: socket.LocalAddr().(*net.UDPAddr).Port, Component: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	p.inUse.Store(&ice.CandidatePair{Local: p.pair().Local, Remote: remote})
}
