package payload_test

import (
	"bytes"
	"testing"

	"github.com/pion/rtp/codecs"
	"pgregory.net/rapid"

	"github.com/orkestro/orkestro/services/mediaserver/internal/payload"
)

// keyframe640x360 is a VP8 keyframe's frame tag, start code and size (RFC 6386 section 9.1).
var keyframe640x360 = []byte{0x50, 0x42, 0x00, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01, 0x00, 0x47}

func TestParseVP8(t *testing.T) {
	for name, c := range map[string]struct {
		descriptor, frame []byte
		want              payload.Info
	}{
		"RFC 7741 4.6.1: first fragment of a keyframe": {
			[]byte{0x90, 0x80, 0x11},
			keyframe640x360,
			payload.Info{Keyframe: true, Begin: true, SwitchUp: true, Width: 640, Height: 360},
		},
		"second fragment of it": {[]byte{0x80, 0x80, 0x11}, keyframe640x360, payload.Info{}},
		"start of a later partition": {
			[]byte{0x91, 0x80, 0x11}, keyframe640x360, payload.Info{},
		},
		"delta frame": {[]byte{0x10}, []byte{0x01}, payload.Info{Begin: true}},
		"temporal layer 2, discardable": {
			[]byte{0xb0, 0xe0, 0x81, 0x02, 0x07, 0x80},
			[]byte{0x01},
			payload.Info{Begin: true, Temporal: 2, Discardable: true},
		},
		"temporal layer 1 that one can switch up to": {
			[]byte{0x90, 0xe0, 0x81, 0x02, 0x07, 0x60}, []byte{0x01}, payload.Info{Begin: true, Temporal: 1, SwitchUp: true},
		},
		"scaled picture": {
			[]byte{0x10},
			[]byte{0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x42, 0x68, 0xc1},
			payload.Info{Keyframe: true, Begin: true, SwitchUp: true, Width: 640, Height: 360},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := payload.FormatVP8.Read(append(c.descriptor, c.frame...))
			if !ok || got != c.want {
				t.Errorf("got %+v, %v, want %+v", got, ok, c.want)
			}
			for cut := range len(c.descriptor) {
				if d, ok := payload.ParseVP8(c.descriptor[:cut]); ok {
					t.Errorf("cut after %d bytes: %+v", cut, d)
				}
			}
		})
	}
}

// A payload that another implementation reads is read the same way.
func TestParseVP8_AgreesWithPion(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := rapid.SliceOfN(rapid.Byte(), 1, 20).Draw(t, "payload")
		var theirs codecs.VP8Packet
		frame, err := theirs.Unmarshal(data)
		ours, ok := payload.ParseVP8(data)
		if want := err == nil && len(frame) > 0; ok != want {
			t.Fatalf("ok = %v, Pion: %v with %d bytes of frame", ok, err, len(frame))
		}
		if !ok {
			return
		}
		same := ours.Size == len(data)-len(frame) &&
			ours.Start == (theirs.S == 1 && theirs.PID == 0) && ours.NonReference == (theirs.N == 1) &&
			ours.HasPictureID == (theirs.I == 1) && ours.PictureID == theirs.PictureID &&
			ours.HasTL0 == (theirs.L == 1) && ours.TL0 == theirs.TL0PICIDX &&
			ours.HasTemporal == (theirs.T == 1) && ours.Temporal == theirs.TID && ours.LayerSync == (theirs.Y == 1)
		if !same {
			t.Fatalf("ours %+v, Pion's %+v", ours, theirs)
		}
	})
}

// Rewriting changes the numbers and nothing else.
func TestVP8_Rewrite(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := rapid.SliceOfN(rapid.Byte(), 1, 20).Draw(t, "payload")
		before, ok := payload.ParseVP8(data)
		if !ok {
			t.Skip("no VP8")
		}
		original := bytes.Clone(data)
		pictureID, tl0 := rapid.Uint16Max(0x7fff).Draw(t, "picture id"), rapid.Byte().Draw(t, "tl0")
		rewritten := before.Rewrite(make([]byte, 0, 32), data, pictureID, tl0)
		if !bytes.Equal(data, original) {
			t.Fatal("the payload itself was changed")
		}
		after, ok := payload.ParseVP8(rewritten)
		want := before
		if want.HasPictureID {
			want.PictureID = pictureID
			if !want.LongPictureID {
				want.PictureID &= 0x7f
			}
		}
		if want.HasTL0 {
			want.TL0 = tl0
		}
		if !ok || after != want || !bytes.Equal(rewritten[after.Size:], data[before.Size:]) {
			t.Fatalf("got %+v, want %+v", after, want)
		}
		if back := after.Rewrite(nil, rewritten, before.PictureID, before.TL0); !bytes.Equal(back, data) {
			t.Fatalf("back again %x, want %x", back, data)
		}
	})
}

func FuzzParseVP8(f *testing.F) {
	f.Add([]byte{0x90, 0xf0, 0x81, 0x02, 0x07, 0x60, 0x50, 0x42, 0x00, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01})
	f.Fuzz(func(t *testing.T, data []byte) {
		d, ok := payload.ParseVP8(data)
		if ok && d.Size >= len(data) {
			t.Fatalf("%d bytes of descriptor in %d", d.Size, len(data))
		}
		if ok && len(d.Rewrite(nil, data, 1, 1)) != len(data) {
			t.Fatal("rewriting changed the size")
		}
	})
}
