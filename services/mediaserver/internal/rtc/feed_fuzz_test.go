package rtc

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"

	"github.com/orkestro/orkestro/pkg/control"
)

// FuzzFeed gives two encodings any packets, and what went out any requests: whatever a sender and a receiver do, numbers
// stand for one packet each.
func FuzzFeed(f *testing.F) {
	e := newEncoder('h', 320, 100)
	var seed []byte
	for range 3 {
		for _, raw := range e.frame(f) {
			seed = append(append(seed, byte(len(raw))), raw...)
		}
	}
	for codec := range byte(4) {
		f.Add(codec, seed)
	}
	mimes := []string{webrtc.MimeTypeVP8, webrtc.MimeTypeVP9, webrtc.MimeTypeAV1, webrtc.MimeTypeH264}
	f.Fuzz(func(t *testing.T, codec byte, data []byte) {
		s := (&Engine{}).NewSource(control.KindVideo)
		defer s.Close()
		c := Codec{MIME: mimes[int(codec)%len(mimes)], ClockRate: 90_000}
		var feeds []*Feed
		for _, name := range []string{"h", "q"} {
			feeds = append(feeds, s.OpenFeed(FeedConfig{
				Codec: c, Layer: name, Layers: []string{"h", "q"}, DependencyID: 3, Lost: func([]uint16) {},
			}))
		}
		r := newReceiver()
		k := NewSink(control.KindVideo, "stream", "track")
		k.Attach(s)
		k.Bind(Output{Codec: c, SSRC: 7, Writer: r})
		now := time.Now()
		for step := 0; len(data) > 1; step++ {
			size := min(int(data[0]), len(data)-1)
			packet := data[1 : 1+size]
			data = data[1+size:]
			now = now.Add(time.Duration(size) * time.Millisecond)
			feeds[step%2].Write(packet, now)
			s.replays.Wait()
			if size >= 12 {
				feeds[step%2].Report(binary.BigEndian.Uint64(packet[4:]), binary.BigEndian.Uint32(packet))
				k.SetMaxLayer(int(packet[1])%5 - 2)
				r.again = true
				k.Feedback([]rtcp.Packet{&rtcp.TransportLayerNack{
					MediaSSRC: 7, Nacks: []rtcp.NackPair{{PacketID: binary.BigEndian.Uint16(packet[2:]), LostPackets: 0xffff}},
				}})
				r.again = false
			}
			s.Layers()
			k.Layer()
		}
		if len(r.faults) > 0 {
			t.Fatal(r.faults)
		}
	})
}
