package playback

import (
	"errors"
	"fmt"
	"io"
	"time"
)

// Codecs that can be sent, as the MIME types of RTP have them.
const (
	VP8  = "video/VP8"
	VP9  = "video/VP9"
	AV1  = "video/AV1"
	H264 = "video/H264"
	Opus = "audio/opus"
)

const (
	maxSampleBytes = 8 << 20 // of one frame: chosen; a keyframe of 4K video is a tenth of it
	maxTracks      = 64
)

var (
	// ErrFormat says that a file is in none of the formats, or broken.
	ErrFormat = errors.New("not a media file that can be played")
	// ErrCodec says that nothing in a file can be sent without transcoding.
	ErrCodec = errors.New("no track can be sent without transcoding")
	// ErrSeek says that a file has no such place.
	ErrSeek = errors.New("cannot seek there")
)

// File is what is read; an [os.File] is one.
type File interface {
	io.ReaderAt
	io.Closer
}

// Track is one track of a file.
type Track struct {
	Codec string // one of the above; another one cannot be sent and has the container's name
	// Sets are the parameter sets of H264 that the container holds apart from the frames, without start codes.
	Sets [][]byte
	// unit is how many bytes the length before a unit of H264 has.
	unit int
}

// Playable says whether the track can be sent.
func (t Track) Playable() bool {
	switch t.Codec {
	case VP8, VP9, AV1, H264, Opus:
		return true
	default:
		return false
	}
}

// Video says whether the track has pictures.
func (t Track) Video() bool { return t.Codec != Opus }

// ClockRate is that of the track's RTP timestamps, in Hz.
func (t Track) ClockRate() uint32 {
	if t.Video() {
		return videoClock
	}
	return opusClock
}

// Format is the track's format as SDP has it (the line fmtp), for codecs that come in several.
func (t Track) Format() string {
	switch {
	case t.Codec == VP9:
		return "profile-id=0"
	case t.Codec == H264 && len(t.Sets) > 0 && len(t.Sets[0]) > 3:
		return fmt.Sprintf("packetization-mode=1;profile-level-id=%x", t.Sets[0][1:4])
	case t.Codec == H264:
		return "packetization-mode=1;profile-level-id=42e01f"
	default:
		return ""
	}
}

// Sample is one frame: H264 with a length of four bytes before each unit, AV1 as OBUs with their sizes.
type Sample struct {
	Track    int           // index of the track
	Time     time.Duration // when it is to be seen or heard
	Keyframe bool
	Data     []byte
}

// demuxer reads one format. Samples come in the order in which they are decoded.
type demuxer interface {
	tracks() []Track
	duration() time.Duration // 0: unknown
	next() (Sample, error)   // io.EOF at the end
	// seek makes next begin with a keyframe from before a time, or with what is nearest to that. Errors are [ErrSeek].
	seek(to time.Duration) error
}

// Media is an open file. Its methods are called by one goroutine at a time.
type Media struct {
	file  File
	demux demuxer
}

// Open reads the beginning of a file of size bytes. Errors are [ErrFormat], [ErrCodec], or those of the file, which is
// closed then.
func Open(file File, size int64) (*Media, error) {
	demux, err := open(&section{file, size})
	if err == nil {
		err = checkCodecs(demux.tracks())
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &Media{file: file, demux: demux}, nil
}

func open(s *section) (demuxer, error) {
	head := make([]byte, 8)
	if err := s.read(head, 0); err != nil {
		return nil, ErrFormat
	}
	switch {
	case string(head[:4]) == "\x1A\x45\xDF\xA3":
		return openMatroska(s)
	case string(head[:4]) == "OggS":
		return openOgg(s)
	case string(head[:4]) == "DKIF":
		return openIVF(s)
	case string(head[4:]) == "ftyp":
		return openMP4(s)
	default:
		return nil, ErrFormat
	}
}

// checkCodecs refuses a file with a track that cannot be sent: half of it would be missing to who hears or sees it.
func checkCodecs(tracks []Track) error {
	if len(tracks) == 0 {
		return fmt.Errorf("%w: there is none", ErrCodec)
	}
	for _, t := range tracks {
		if !t.Playable() {
			return fmt.Errorf("%w: %.40q", ErrCodec, t.Codec)
		}
	}
	return nil
}

// Tracks are those of the file.
func (m *Media) Tracks() []Track { return m.demux.tracks() }

// Duration is how long the file is, 0 if it does not tell.
func (m *Media) Duration() time.Duration { return m.demux.duration() }

// Next is the next sample in the order of decoding, io.EOF at the end of the file or of what is whole in it.
func (m *Media) Next() (Sample, error) {
	for {
		s, err := m.demux.next()
		if err != nil {
			return s, err
		}
		t := m.demux.tracks()[s.Track]
		if t.Codec != H264 || t.unit == 4 {
			return s, nil
		}
		if s.Data, err = fourByteUnits(s.Data, t.unit); err == nil {
			return s, nil
		}
	}
}

// Seek goes to a keyframe at or before a time, or near it. Errors are [ErrSeek].
func (m *Media) Seek(to time.Duration) error {
	if to < 0 || (m.Duration() > 0 && to > m.Duration()) {
		return fmt.Errorf("%w: %v of %v", ErrSeek, to, m.Duration())
	}
	return m.demux.seek(to)
}

// Close closes the file.
func (m *Media) Close() error { return m.file.Close() }

// section is a file of known size.
type section struct {
	from io.ReaderAt
	size int64
}

// read fills all of data from an offset; less is io.EOF.
func (s *section) read(data []byte, at int64) error {
	if at < 0 || at > s.size-int64(len(data)) {
		return io.EOF
	}
	n, err := s.from.ReadAt(data, at)
	if n == len(data) {
		return nil
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || err == nil {
		return io.EOF
	}
	return err
}

// take reads size bytes, at most limit.
func (s *section) take(at, size, limit int64) ([]byte, error) {
	if size < 0 || size > limit {
		return nil, fmt.Errorf("%w: %d bytes at once", ErrFormat, size)
	}
	if at < 0 || at > s.size-size {
		return nil, io.EOF // before the memory is taken
	}
	data := make([]byte, size)
	return data, s.read(data, at)
}
