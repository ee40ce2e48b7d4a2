package recording

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/av1"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/vp9"
)

// vp9HeaderBytes is more than the uncompressed header of a VP9 keyframe takes up to the size of the picture.
const vp9HeaderBytes = 32

// errKeyframe says that a frame does not begin a video.
var errKeyframe = errors.New("not a keyframe that describes itself")

// isKeyframe reports whether a decoder can begin with a picture.
func isKeyframe(codec string, data []byte) bool {
	switch codec {
	case VP8:
		return len(data) >= 10 && data[0]&1 == 0
	case VP9:
		var header vp9.Header
		return header.Unmarshal(data) == nil && !header.NonKeyFrame && !header.ShowExistingFrame
	case AV1:
		return find(obus(data), func(obu []byte) bool { return obu[0]>>3&15 == byte(av1.OBUTypeSequenceHeader) }) != nil
	case H264:
		return find(units(data), func(unit []byte) bool { return unit[0]&31 == byte(h264.NALUTypeIDR) }) != nil
	default:
		return false
	}
}

// describe is what a file must say about the track that begins with a frame.
func describe(f frame) (Track, error) {
	t := Track{Codec: f.codec}
	switch f.codec {
	case Opus:
		t.Channels = 1
		if len(f.data) > 0 && f.data[0]&4 != 0 { // RFC 6716 section 3.1
			t.Channels = 2
		}
		return t, nil
	case VP8:
		if !isKeyframe(VP8, f.data) {
			return t, errKeyframe
		}
		t.Width = int(binary.LittleEndian.Uint16(f.data[6:]) & 0x3fff) // RFC 6386 section 9.1
		t.Height = int(binary.LittleEndian.Uint16(f.data[8:]) & 0x3fff)
	case VP9:
		var header vp9.Header
		if err := header.Unmarshal(f.data); err != nil || header.NonKeyFrame || header.FrameSize == nil {
			return t, errKeyframe
		}
		t.Width, t.Height = header.Width(), header.Height()
		t.Sets = [][]byte{slices.Clone(f.data[:min(len(f.data), vp9HeaderBytes)])}
	case AV1:
		return describeAV1(f.data)
	case H264:
		return describeH264(f.data)
	default:
		return t, fmt.Errorf("%w: %s", ErrCodec, f.codec)
	}
	if t.Width == 0 || t.Height == 0 {
		return t, errKeyframe
	}
	return t, nil
}

// begins says whether a track can begin with a frame.
func begins(f frame) bool {
	_, err := describe(f)
	return err == nil
}

func describeAV1(data []byte) (Track, error) {
	set := find(obus(data), func(obu []byte) bool { return obu[0]>>3&15 == byte(av1.OBUTypeSequenceHeader) })
	var header av1.SequenceHeader
	if set == nil || header.Unmarshal(set) != nil {
		return Track{}, errKeyframe
	}
	return Track{Codec: AV1, Width: header.Width(), Height: header.Height(), Sets: [][]byte{set}}, nil
}

func describeH264(data []byte) (Track, error) {
	list := units(data)
	sps := find(list, func(unit []byte) bool { return unit[0]&31 == byte(h264.NALUTypeSPS) })
	pps := find(list, func(unit []byte) bool { return unit[0]&31 == byte(h264.NALUTypePPS) })
	var parsed h264.SPS
	if len(sps) < 4 || pps == nil || parsed.Unmarshal(sps) != nil {
		return Track{}, errKeyframe
	}
	return Track{Codec: H264, Width: parsed.Width(), Height: parsed.Height(), Sets: [][]byte{sps, pps}}, nil
}

// find copies the first part that is wanted, nil for none.
func find(parts [][]byte, wanted func([]byte) bool) []byte {
	for _, part := range parts {
		if wanted(part) {
			return append([]byte(nil), part...)
		}
	}
	return nil
}

// units are the units of an H264 picture with lengths; none is empty.
func units(data []byte) [][]byte {
	var list [][]byte
	for len(data) >= 4 {
		size := int(binary.BigEndian.Uint32(data))
		if size > len(data)-4 {
			break
		}
		if size > 0 {
			list = append(list, data[4:4+size])
		}
		data = data[4+size:]
	}
	return list
}

// obus are the OBUs of an AV1 picture with sizes; none is empty.
func obus(data []byte) [][]byte {
	var list [][]byte
	for len(data) > 0 {
		header := 1 + int(data[0]>>2&1)
		if data[0]&2 == 0 || header > len(data) {
			break
		}
		size, n := binary.Uvarint(data[header:]) // the same as leb128
		if n <= 0 || size > uint64(len(data)-header-n) {
			break
		}
		end := header + n + int(size)
		list = append(list, data[:end])
		data = data[end:]
	}
	return list
}
