package playback

import (
	"encoding/binary"
	"fmt"
	"time"
)

// ivf reads IVF: a header of 32 bytes, then frames, each behind its size and time.
type ivf struct {
	file   *section
	track  Track
	tick   float64 // seconds
	length time.Duration
	first  int64
	at     int64
}

const ivfFrameHead = 12

func openIVF(file *section) (demuxer, error) {
	head := make([]byte, 32)
	if err := file.read(head, 0); err != nil {
		return nil, fmt.Errorf("%w: no header", ErrFormat)
	}
	codec := string(head[8:12])
	if known, found := map[string]string{"VP80": VP8, "VP90": VP9, "AV01": AV1}[codec]; found {
		codec = known
	}
	rate, scale := binary.LittleEndian.Uint32(head[16:]), binary.LittleEndian.Uint32(head[20:])
	first := int64(binary.LittleEndian.Uint16(head[6:]))
	if rate == 0 || scale == 0 || first < 32 {
		return nil, fmt.Errorf("%w: header", ErrFormat)
	}
	v := &ivf{file: file, track: Track{Codec: codec}, tick: float64(scale) / float64(rate), first: first, at: first}
	v.pass(func(t time.Duration) bool {
		v.length = max(v.length, t)
		return true
	})
	v.at = first
	return v, nil
}

// pass goes from frame to frame while visit says so, until there is none.
func (v *ivf) pass(visit func(t time.Duration) bool) {
	for range maxHops {
		t, size, err := v.head()
		if err != nil || !visit(t) {
			return
		}
		v.at += ivfFrameHead + size
	}
}

// head is the time and the size of the frame that is next.
func (v *ivf) head() (time.Duration, int64, error) {
	head := make([]byte, ivfFrameHead)
	if err := v.file.read(head, v.at); err != nil {
		return 0, 0, err
	}
	seconds := min(float64(binary.LittleEndian.Uint64(head[4:]))*v.tick, 1<<30)
	return time.Duration(seconds * float64(time.Second)), int64(binary.LittleEndian.Uint32(head)), nil
}

func (v *ivf) tracks() []Track         { return []Track{v.track} }
func (v *ivf) duration() time.Duration { return v.length }

func (v *ivf) next() (Sample, error) {
	t, size, err := v.head()
	if err != nil {
		return Sample{}, err
	}
	data, err := v.file.take(v.at+ivfFrameHead, size, maxSampleBytes)
	if err != nil {
		return Sample{}, err
	}
	v.at += ivfFrameHead + size
	return Sample{Time: t, Keyframe: isKeyframe(v.track.Codec, data), Data: data}, nil
}

func (v *ivf) seek(to time.Duration) error {
	v.at = v.first
	found := v.first
	v.pass(func(t time.Duration) bool {
		begin := make([]byte, 4) // enough to tell a keyframe
		if t > to || v.file.read(begin, v.at+ivfFrameHead) != nil {
			return false
		}
		if isKeyframe(v.track.Codec, begin) {
			found = v.at
		}
		return true
	})
	v.at = found
	return nil
}

// isKeyframe says whether a decoder can begin with a picture, by its first bytes.
func isKeyframe(codec string, data []byte) bool {
	if len(data) == 0 {
		return false
	}
	switch codec {
	case VP8:
		return data[0]&1 == 0 // RFC 6386 section 9.1
	case VP9: // bitstream specification section 6.2: two bits of marker, two of profile, one reserved in profile 3
		at := 4
		if data[0]>>4&3 == 3 {
			at = 5
		}
		return data[0]>>6 == 2 && data[0]>>(7-at)&3 == 0 // no existing frame shown, and a keyframe
	case AV1: // a sequence header, at once or behind a temporal delimiter
		const delimiter, sequence = 2, 1
		if data[0]>>3&15 == delimiter && len(data) > 2 {
			data = data[2:]
		}
		return data[0]>>3&15 == sequence
	default:
		return false
	}
}
