package recording

import (
	"bytes"
	"testing"
	"time"
)

// The frames of the spatial layers of one VP9 picture become one superframe, whose index names their sizes (VP9
// bitstream specification, annex B).
func TestFrames_SuperframeOfLayers(t *testing.T) {
	const begin, end = 0x08, 0x04 // flags of the payload descriptor: of a frame
	keyframe := []byte{0x82, 0x49, 0x83, 0x42, 0x00, 0x03, 0xf0, 0x02, 0xf0, 0x00}
	var got []frame
	f := newFrames(func(f frame) { got = append(got, f) }, func(time.Time) {})
	for i, payload := range [][]byte{
		append([]byte{begin}, keyframe...),
		{end, 1, 2, 3},
		{begin | end, 4, 5, 6, 7},
	} {
		f.push(&packet{codec: VP9, sequence: uint16(i), timestamp: 9, marker: i == 2, payload: payload}, false)
	}
	if len(got) != 1 || !got[0].keyframe {
		t.Fatalf("%d pictures", len(got))
	}
	const marker = 0xC0 | 3<<3 | 1 // sizes of four bytes, two frames
	want := append(append([]byte{}, keyframe...), 1, 2, 3, 4, 5, 6, 7, marker, 13, 0, 0, 0, 4, 0, 0, 0, marker)
	if !bytes.Equal(got[0].data, want) {
		t.Errorf("%x, want %x", got[0].data, want)
	}
}
