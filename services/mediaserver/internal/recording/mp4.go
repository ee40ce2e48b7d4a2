package recording

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/vp9"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4/seekablebuffer"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/mp4/codecs"
)

// mp4Muxer writes fragmented MP4 (ISO/IEC 14496-12 section 8.8). How long a sample lasts is known when the next one of
// its track comes, so the last of each track waits for the next fragment.
type mp4Muxer struct {
	out      output
	tracks   []mp4Track
	sequence uint32
	// durationsAt are where the header names the duration, in ms: for players that look at the movie, and for those that
	// look at the fragments.
	durationsAt [2]int64
}

type mp4Track struct {
	clock   uint32 // Hz
	waiting []Sample
	last    uint32 // how long the latest sample lasted, in ticks
}

// Clocks of the tracks, in Hz: those of RTP, so that times in MP4 are exact.
const (
	VideoClock = 90000
	AudioClock = 48000
)

func newMP4(out output) *mp4Muxer { return &mp4Muxer{out: out} }

func (m *mp4Muxer) begin(tracks []Track) error {
	var header fmp4.Init
	for i, t := range tracks {
		clock, codec, err := mp4Codec(t)
		if err != nil {
			return err
		}
		m.tracks = append(m.tracks, mp4Track{clock: clock, last: clock / 50})
		header.Tracks = append(header.Tracks, &fmp4.InitTrack{ID: i + 1, TimeScale: clock, Codec: codec})
	}
	var b seekablebuffer.Buffer
	if err := header.Marshal(&b); err != nil {
		return fmt.Errorf("header: %w", err)
	}
	withColors(b.Bytes())
	data, err := m.withDuration(b.Bytes())
	if err != nil {
		return err
	}
	return m.write(data)
}

// mp4Codec is a track's codec and its clock.
func mp4Codec(t Track) (uint32, codecs.Codec, error) {
	switch {
	case t.Codec == H264 && len(t.Sets) == 2:
		return VideoClock, &codecs.H264{SPS: t.Sets[0], PPS: t.Sets[1]}, nil
	case t.Codec == AV1 && len(t.Sets) == 1:
		return VideoClock, &codecs.AV1{SequenceHeader: t.Sets[0]}, nil
	case t.Codec == VP9 && len(t.Sets) == 1:
		codec, err := vp9Codec(t)
		return VideoClock, codec, err
	case t.Codec == Opus:
		return AudioClock, &codecs.Opus{ChannelCount: t.Channels}, nil
	default:
		return 0, nil, fmt.Errorf("%w: %s", ErrCodec, t.Codec)
	}
}

func vp9Codec(t Track) (*codecs.VP9, error) {
	var header vp9.Header
	if err := header.Unmarshal(t.Sets[0]); err != nil || header.ColorConfig == nil {
		return nil, fmt.Errorf("%w: VP9 without a keyframe", ErrCodec)
	}
	return &codecs.VP9{
		Width: t.Width, Height: t.Height, Profile: header.Profile, BitDepth: header.ColorConfig.BitDepth,
		ChromaSubsampling: header.ChromaSubsampling(), ColorRange: header.ColorConfig.ColorRange,
	}, nil
}

// withColors says of VP9 that its colors are not specified here: 2 in all three fields ("VP Codec ISO Media File Format
// Binding"). The library leaves zeros, which stand for RGB: Chromium then shows no picture.
func withColors(header []byte) {
	const colors = 4 + 4 + 3 // from the type: version and flags, profile, level, depth
	if at := bytes.Index(header, []byte("vpcC")); at >= 0 && at+colors+3 <= len(header) {
		copy(header[at+colors:], []byte{2, 2, 2})
	}
}

// withDuration adds to a header what says how long all fragments are together (mehd, section 8.8.2).
func (m *mp4Muxer) withDuration(header []byte) ([]byte, error) {
	moov, mvhd := bytes.Index(header, []byte("moov")), bytes.Index(header, []byte("mvhd"))
	mvex := bytes.LastIndex(header, []byte("mvex"))
	if moov < 4 || mvhd < moov || mvex < mvhd {
		return nil, errors.New("header: a box is missing")
	}
	const size = 16 // size, type, version and flags, duration
	mehd := append(binary.BigEndian.AppendUint32(nil, size), "mehd\x00\x00\x00\x00\x00\x00\x00\x00"...)
	for _, box := range []int{moov - 4, mvex - 4} {
		binary.BigEndian.PutUint32(header[box:], binary.BigEndian.Uint32(header[box:])+size)
	}
	m.durationsAt = [2]int64{int64(mvhd + 20), int64(mvex + 4 + size - 4)}
	return append(header[:mvex+4:mvex+4], append(mehd, header[mvex+4:]...)...), nil
}

func (m *mp4Muxer) fragment(samples []Sample) error {
	for _, s := range samples {
		t := &m.tracks[s.Track]
		t.waiting = append(t.waiting, s)
	}
	return m.flush(1)
}

// flush writes what waits, but for the last keep samples of each track.
func (m *mp4Muxer) flush(keep int) error {
	part := fmp4.Part{SequenceNumber: m.sequence + 1}
	for i := range m.tracks {
		t := &m.tracks[i]
		if len(t.waiting) <= keep {
			continue
		}
		track := &fmp4.PartTrack{ID: i + 1, BaseTime: uint64(t.ticks(t.waiting[0]))}
		for len(t.waiting) > keep {
			track.Samples = append(track.Samples, t.next())
		}
		part.Tracks = append(part.Tracks, track)
	}
	if len(part.Tracks) == 0 {
		return nil
	}
	m.sequence++
	var b seekablebuffer.Buffer
	if err := part.Marshal(&b); err != nil {
		return fmt.Errorf("fragment: %w", err)
	}
	return m.write(b.Bytes())
}

func (t *mp4Track) ticks(s Sample) int64 {
	return int64(s.Time)/int64(time.Second)*int64(t.clock) + int64(s.Time%time.Second)*int64(t.clock)/int64(time.Second)
}

// next takes the first sample that waits. The last one is taken to be as long as the one before it.
func (t *mp4Track) next() *fmp4.Sample {
	s := t.waiting[0]
	t.waiting = t.waiting[1:]
	if len(t.waiting) > 0 {
		t.last = uint32(max(t.ticks(t.waiting[0])-t.ticks(s), 0))
	}
	return &fmp4.Sample{Duration: t.last, IsNonSyncSample: !s.Keyframe, Payload: s.Data}
}

func (m *mp4Muxer) end() error {
	var duration int64
	for i := range m.tracks {
		t := &m.tracks[i]
		if len(t.waiting) > 0 {
			end := t.ticks(t.waiting[len(t.waiting)-1]) + int64(t.last)
			duration = max(duration, end*1000/int64(t.clock))
		}
	}
	if err := m.flush(0); err != nil {
		return err
	}
	for _, at := range m.durationsAt {
		if _, err := m.out.WriteAt(binary.BigEndian.AppendUint32(nil, uint32(duration)), at); err != nil {
			return err
		}
	}
	return nil
}

func (m *mp4Muxer) write(data []byte) error {
	_, err := m.out.Write(data)
	return err
}
