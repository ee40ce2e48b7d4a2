package rtc

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/testkit"
)

// keyframeL2T2 is the Dependency Descriptor of a keyframe's lowest layer, with a structure of two spatial and two
// temporal layers: templates 60 to 1 are those of 0/0 (keyframe), 0/0, 0/1, 1/0 (keyframe), 1/0, 1/1.
const keyframeL2T2 = "bc00078783187aa0a04a0a0404d1413456002190888a19404fc02cc09fc059c0"

func descriptor(tb testing.TB, template byte, number uint16) []byte {
	tb.Helper()
	if template == 60 {
		structure, err := hex.DecodeString(keyframeL2T2)
		if err != nil {
			tb.Fatal(err)
		}
		structure[0] |= 0x40 // the frame ends with the packet, too
		structure[1], structure[2] = byte(number>>8), byte(number)
		return structure
	}
	return []byte{0xc0 | template, byte(number >> 8), byte(number)} // a frame in one packet
}

// writePicture writes both spatial layers of a picture, each in one packet.
func (s *stream) writePicture(tb testing.TB, keyframe bool) {
	tb.Helper()
	lower, upper := byte(61), byte(0)
	if keyframe {
		lower, upper = 60, 63
	}
	timestamp := uint32(s.number) * 3000
	for _, template := range []byte{lower, upper} {
		s.number++
		p := rtp.Packet{
			Header: rtp.Header{
				Version: 2, PayloadType: 45, SSRC: 5, SequenceNumber: s.number, Timestamp: timestamp, Marker: template == upper,
			},
			Payload: []byte{0x10, 0x30, template, byte(s.number)},
		}
		p.Extension, p.ExtensionProfile = true, rtp.ExtensionProfileTwoByte
		if err := p.SetExtension(3, descriptor(tb, template, s.number)); err != nil {
			tb.Fatal(err)
		}
		raw, err := p.Marshal()
		if err != nil {
			tb.Fatal(err)
		}
		s.feed.Write(raw, time.Now())
	}
}

func registerAV1(engine *webrtc.MediaEngine) error {
	at := slices.IndexFunc(videoCodecs(), func(c webrtc.RTPCodecParameters) bool { return c.MimeType == webrtc.MimeTypeAV1 })
	return errors.Join(
		engine.RegisterCodec(videoCodecs()[at], webrtc.RTPCodecTypeVideo),
		engine.RegisterHeaderExtension(webrtc.RTPHeaderExtensionCapability{URI: extensionDependency}, webrtc.RTPCodecTypeVideo),
	)
}

// A receiver of a lower layer of AV1 gets whole pictures of that layer, and the descriptor that tells its decoder so, which
// is too long for the short form of a header extension where it brings a structure.
func TestAV1_LayerAndDescriptor(t *testing.T) {
	engine := newTestEngine(t)
	source := engine.NewSource(control.KindVideo)
	t.Cleanup(source.Close)
	s := &stream{Source: source, feed: source.OpenFeed(FeedConfig{
		Codec: Codec{MIME: webrtc.MimeTypeAV1, ClockRate: 90_000}, DependencyID: 3,
	})}
	v := newViewer(t, engine, registerAV1)
	lowest := 0
	v.watch(Track{Stream: "cam", Source: source, MaxLayer: &lowest})
	testkit.Eventually(t, func() error {
		s.writePicture(t, true)
		for range 4 {
			s.writePicture(t, false)
		}
		if got := len(v.of("cam")); got < 40 {
			return fmt.Errorf("%d packets", got)
		}
		return nil
	})
	id := uint8(0)
	for _, e := range v.client.GetReceivers()[0].GetParameters().HeaderExtensions {
		if e.URI == extensionDependency {
			id = uint8(e.ID)
		}
	}
	list := v.of("cam")[10:] // layers are known by then
	structures := 0
	for i, a := range list {
		template, number := a.Payload[2], uint16(a.Payload[3])
		if template != 60 && template != 61 || !a.Marker {
			t.Fatalf("packet %d is of template %d, marker %v", i, template, a.Marker)
		}
		got := a.GetExtension(id)
		if want := descriptor(t, template, 0); len(got) != len(want) || !bytes.Equal(got[3:], want[3:]) || got[2] != byte(number) {
			t.Fatalf("descriptor %x of packet %d with template %d", got, i, template)
		}
		if len(got) > maxShortExtension {
			structures++
		}
		if i > 0 && a.SequenceNumber != list[i-1].SequenceNumber+1 {
			t.Fatalf("%d follows %d", a.SequenceNumber, list[i-1].SequenceNumber)
		}
	}
	if structures == 0 {
		t.Error("no structure came")
	}
}
