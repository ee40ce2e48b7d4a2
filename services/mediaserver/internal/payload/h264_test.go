package payload_test

import (
	"bytes"
	"testing"

	"github.com/pion/rtp/codecs"

	"github.com/orkestro/orkestro/services/mediaserver/internal/payload"
)

// Parameter sets of x264 for 1280x720 (high profile, 4:2:0), and of a baseline encoder for 640x360, whose last row of
// macroblocks is cropped.
var (
	sps720 = []byte{
		0x67, 0x64, 0x00, 0x1f, 0xac, 0xd9, 0x40, 0x50, 0x05, 0xbb, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00, 0x10, 0x00, 0x00,
		0x03, 0x03, 0xc0, 0xf1, 0x83, 0x19, 0x60,
	}
	sps360 = []byte{0x67, 0x42, 0xc0, 0x1e, 0xd9, 0x00, 0xa0, 0x2f, 0xf9, 0x70, 0x11}
	pps    = []byte{0x68, 0xeb, 0xe3, 0xcb, 0x22, 0xc0}
)

func TestParseH264(t *testing.T) {
	aggregate := func(units ...[]byte) []byte {
		packet := []byte{0x78}
		for _, unit := range units {
			packet = append(append(packet, 0, byte(len(unit))), unit...)
		}
		return packet
	}
	for name, c := range map[string]struct {
		payload []byte
		want    payload.Info
	}{
		"parameter set": {
			sps720, payload.Info{Keyframe: true, Begin: true, SwitchUp: true, Width: 1280, Height: 720},
		},
		"aggregate of parameter sets": {
			aggregate(sps720, pps), payload.Info{Keyframe: true, Begin: true, SwitchUp: true, Width: 1280, Height: 720},
		},
		"IDR in one packet":        {[]byte{0x65, 0x88}, payload.Info{Keyframe: true, Begin: true, SwitchUp: true}},
		"second slice of an IDR":   {[]byte{0x65, 0x48}, payload.Info{}},
		"first fragment of an IDR": {[]byte{0x7c, 0x85, 0x88}, payload.Info{Keyframe: true, Begin: true, SwitchUp: true}},
		"middle fragment of it":    {[]byte{0x7c, 0x05, 0x88}, payload.Info{}},
		"last fragment of it":      {[]byte{0x7c, 0x45, 0x88}, payload.Info{}},
		"slice":                    {[]byte{0x41, 0x9a}, payload.Info{Begin: true}},
		"slice that nobody needs":  {[]byte{0x01, 0x9a}, payload.Info{Begin: true, Discardable: true}},
		"fragment that nobody needs": {
			[]byte{0x1c, 0x81, 0x9a}, payload.Info{Begin: true, Discardable: true},
		},
		"parameter set that is cut short": {sps720[:6], payload.Info{Keyframe: true, Begin: true, SwitchUp: true}},
	} {
		t.Run(name, func(t *testing.T) {
			if got, ok := payload.FormatH264.Read(c.payload); !ok || got != c.want {
				t.Errorf("got %+v, %v, want %+v", got, ok, c.want)
			}
		})
	}
}

func TestParseH264_Refuses(t *testing.T) {
	for name, data := range map[string][]byte{
		"nothing": {}, "one byte": {0x65}, "type 0": {0x60, 0x01}, "FU-A without header": {0x7c, 0x85},
		"aggregate cut short": {0x78, 0, 9, 0x67, 0x42}, "aggregate with an empty unit": {0x78, 0, 0, 0x67},
		"half a size at the end": {0x78, 0, 1, 0x67, 0},
	} {
		if p, ok := payload.ParseH264(data); ok {
			t.Errorf("%s: %+v", name, p)
		}
	}
}

// What another implementation packs, in one packet or in fragments, begins with one keyframe.
func TestParseH264_ReadsPionPackets(t *testing.T) {
	frame := bytes.Join([][]byte{nil, sps360, pps, append([]byte{0x65, 0x88}, make([]byte, 3000)...)}, []byte{0, 0, 0, 1})
	packets := (&codecs.H264Payloader{}).Payload(1200, frame)
	if len(packets) != 4 {
		t.Fatalf("%d packets", len(packets))
	}
	for i, packet := range packets {
		got, ok := payload.FormatH264.Read(packet)
		if want := i < 2; !ok || got.Keyframe != want {
			t.Errorf("packet %d: %+v, %v", i, got, ok)
		}
		if i == 0 && (got.Width != 640 || got.Height != 360) {
			t.Errorf("%dx%d", got.Width, got.Height)
		}
	}
}

func FuzzParseH264(f *testing.F) {
	f.Add(sps720)
	f.Add(sps360)
	f.Add(append([]byte{0x78, 0, byte(len(sps720))}, sps720...))
	f.Add([]byte{0x7c, 0x85, 0x88})
	f.Add([]byte{0x78, 0, 1, 0x67, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		if p, ok := payload.ParseH264(data); !ok && p != (payload.H264{}) {
			t.Fatalf("refused, and yet %+v", p)
		}
	})
}
