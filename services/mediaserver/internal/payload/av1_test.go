package payload_test

import (
	"testing"

	"github.com/pion/rtp/codecs"

	"github.com/orkestro/orkestro/services/mediaserver/internal/payload"
)

func TestParseAV1(t *testing.T) {
	for name, c := range map[string]struct {
		payload []byte
		want    payload.Info
	}{
		"sequence header and frame": {
			[]byte{0x28, 0x02, 0x0a, 0x00, 0x32, 0x00}, // N, W 2
			payload.Info{Keyframe: true, Begin: true, SwitchUp: true},
		},
		"frame of layer 1/2":       {[]byte{0x10, 0x36, 0x48, 0x00}, payload.Info{Begin: true, Spatial: 1, Temporal: 2}},
		"sized frame":              {[]byte{0x00, 0x02, 0x30, 0x00}, payload.Info{Begin: true}},
		"rest of an OBU":           {[]byte{0x90, 0x36, 0x48}, payload.Info{}},
		"tile group in the middle": {[]byte{0x10, 0x20, 0x00}, payload.Info{}},
	} {
		t.Run(name, func(t *testing.T) {
			if got, ok := payload.FormatAV1.Read(c.payload); !ok || got != c.want {
				t.Errorf("got %+v, %v, want %+v", got, ok, c.want)
			}
		})
	}
	for _, data := range [][]byte{{}, {0x10}, {0x10, 0x34}, {0x00, 0x80}, {0x98, 0x30}} {
		if p, ok := payload.ParseAV1(data); ok {
			t.Errorf("%x was read: %+v", data, p)
		}
	}
}

// What another implementation packs begins with a new sequence.
func TestParseAV1_ReadsPionPackets(t *testing.T) {
	sequence := []byte{0x0a, 0x0b, 0x00, 0x00, 0x00, 0x24, 0xce, 0x3f, 0xdb, 0xff, 0xd9, 0x5a, 0x00}
	frame := append([]byte{0x32, 0x90, 0x4e}, make([]byte, 10_000)...)
	packets := (&codecs.AV1Payloader{}).Payload(1200, append(sequence, frame...))
	if len(packets) < 9 {
		t.Fatalf("%d packets", len(packets))
	}
	for i, packet := range packets {
		got, ok := payload.FormatAV1.Read(packet)
		if want := i == 0; !ok || got.Keyframe != want || got.Begin != want {
			t.Errorf("packet %d: %+v, %v", i, got, ok)
		}
	}
}

func FuzzParseAV1(f *testing.F) {
	f.Add([]byte{0x28, 0x02, 0x0a, 0x00, 0x32, 0x00})
	f.Add([]byte{0x10, 0x36, 0x48, 0x00})
	f.Fuzz(func(t *testing.T, data []byte) {
		if p, ok := payload.ParseAV1(data); ok && p.Continues && p.NewSequence {
			t.Fatalf("%+v", p)
		}
	})
}
