package payload_test

import (
	"testing"

	"github.com/orkestro/orkestro/services/mediaserver/internal/payload"
)

func TestFormat_Read_AllocatesNothing(t *testing.T) {
	packets := map[payload.Format][]byte{
		payload.FormatVP8:  append([]byte{0x90, 0xe0, 0x81, 0x02, 0x07, 0x60}, keyframe640x360...),
		payload.FormatVP9:  {0xaa, 0x81, 0x02, 0x00, 0x07, 0x50, 1, 64, 0, 180, 2, 128, 1, 104, 5, 0, 2, 208, 0x00},
		payload.FormatH264: sps720,
		payload.FormatAV1:  {0x28, 0x02, 0x0a, 0x00, 0x32, 0x00},
	}
	for format, packet := range packets {
		allocated := testing.AllocsPerRun(100, func() {
			if _, ok := format.Read(packet); !ok {
				t.Error("not read")
			}
		})
		if allocated != 0 {
			t.Errorf("format %d: %v allocations", format, allocated)
		}
	}
	var stream payload.Dependencies
	var d payload.Dependency
	keyframe := keyframeL2T2()
	if allocated := testing.AllocsPerRun(100, func() { stream.Read(keyframe, &d) }); allocated != 0 {
		t.Errorf("dependency descriptor: %v allocations", allocated)
	}
}

func TestFormatOf(t *testing.T) {
	for mime, want := range map[string]payload.Format{
		"video/VP8": payload.FormatVP8, "video/vp9": payload.FormatVP9, "video/H264": payload.FormatH264,
		"video/AV1": payload.FormatAV1, "audio/opus": payload.Unknown, "": payload.Unknown,
	} {
		if got := payload.FormatOf(mime); got != want {
			t.Errorf("FormatOf(%q) = %d, want %d", mime, got, want)
		}
	}
	if info, ok := payload.Unknown.Read([]byte{1}); ok || info != (payload.Info{}) {
		t.Errorf("an unknown format was read: %+v", info)
	}
}
