package payload_test

import (
	"testing"

	"github.com/pion/rtp/codecs"
	"pgregory.net/rapid"

	"github.com/orkestro/orkestro/services/mediaserver/internal/payload"
)

func TestParseVP9(t *testing.T) {
	for name, c := range map[string]struct {
		descriptor []byte
		want       payload.Info
	}{
		"keyframe with the sizes of three spatial layers": {
			[]byte{
				0xaa, 0x81, 0x02, 0x00, 0x07, // I, L, B, V; picture 258; layer 0/0; TL0PICIDX 7
				0x50, 1, 64, 0, 180, 2, 128, 1, 104, 5, 0, 2, 208, // N_S 2, Y: 320x180, 640x360, 1280x720
			},
			payload.Info{Keyframe: true, Begin: true, SwitchUp: true, Width: 1280, Height: 720},
		},
		"its second spatial layer": {
			[]byte{0xac, 0x81, 0x02, 0x03, 0x07},
			payload.Info{Begin: true, End: true, SwitchUp: true, Spatial: 1},
		},
		"middle of a picture that depends on another": {
			[]byte{0xe0, 0x81, 0x02, 0x22, 0x07}, payload.Info{Spatial: 1, Temporal: 1},
		},
		"temporal layer that one can switch up to": {
			[]byte{0xe8, 0x81, 0x02, 0x50, 0x07}, payload.Info{Begin: true, Temporal: 2, SwitchUp: true},
		},
		"flexible mode with three references": {
			[]byte{0xf4, 0x05, 0x40, 0x03, 0x05, 0x08}, payload.Info{End: true, Temporal: 2},
		},
		"no layers": {[]byte{0x88, 0x05}, payload.Info{Keyframe: true, Begin: true, SwitchUp: true}},
		"structure with a group of pictures": {
			[]byte{0x8a, 0x05, 0x08, 0x02, 0x00, 0x28, 0x01, 0x02},
			payload.Info{Keyframe: true, Begin: true, SwitchUp: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := payload.FormatVP9.Read(append(c.descriptor, 0x00))
			if !ok || got != c.want {
				t.Errorf("got %+v, %v, want %+v", got, ok, c.want)
			}
			for cut := range len(c.descriptor) {
				if d, ok := payload.ParseVP9(c.descriptor[:cut]); ok {
					t.Errorf("cut after %d bytes: %+v", cut, d)
				}
			}
		})
	}
}

func TestParseVP9_FourReferencesAreNone(t *testing.T) {
	if d, ok := payload.ParseVP9([]byte{0xd8, 0x05, 0x03, 0x05, 0x07, 0x09, 0x00}); ok {
		t.Errorf("read %+v", d)
	}
}

// A payload that another implementation reads is read the same way.
func TestParseVP9_AgreesWithPion(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := rapid.SliceOfN(rapid.Byte(), 1, 64).Draw(t, "payload")
		var theirs codecs.VP9Packet
		frame, err := theirs.Unmarshal(data)
		ours, ok := payload.ParseVP9(data)
		if err != nil || len(frame) == 0 {
			return // Pion refuses more, such as spatial layers that no browser sends
		}
		if !ok {
			t.Fatalf("not read, Pion: %+v", theirs)
		}
		same := ours.Size == len(data)-len(frame) &&
			ours.Begin == theirs.B && ours.End == theirs.E && ours.Inter == theirs.P && ours.NonReference == theirs.Z &&
			ours.HasPictureID == theirs.I && ours.PictureID == theirs.PictureID &&
			ours.Temporal == theirs.TID && ours.SwitchUp == theirs.U &&
			ours.Spatial == theirs.SID && ours.InterLayer == theirs.D && ours.TL0 == theirs.TL0PICIDX
		if !same {
			t.Fatalf("ours %+v, Pion's %+v", ours, theirs)
		}
		if s := ours.Structure; theirs.V && (s.Layers != int(theirs.NS)+1 || s.HasSizes != theirs.Y) {
			t.Fatalf("structure %+v, Pion's %+v", s, theirs)
		}
		for i, width := range theirs.Width {
			if s := ours.Structure; s.Width[i] != width || s.Height[i] != theirs.Height[i] {
				t.Fatalf("layer %d is %dx%d, Pion: %dx%d", i, s.Width[i], s.Height[i], width, theirs.Height[i])
			}
		}
	})
}

func FuzzParseVP9(f *testing.F) {
	f.Add([]byte{0xaa, 0x81, 0x02, 0x00, 0x07, 0x50, 1, 64, 0, 180, 2, 128, 1, 104, 5, 0, 2, 208, 0x00})
	f.Add([]byte{0x8a, 0x05, 0x08, 0x02, 0x00, 0x28, 0x01, 0x02, 0x00})
	f.Fuzz(func(t *testing.T, data []byte) {
		if d, ok := payload.ParseVP9(data); ok && d.Size >= len(data) {
			t.Fatalf("%d bytes of descriptor in %d", d.Size, len(data))
		}
	})
}
