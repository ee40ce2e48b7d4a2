package recording_test

import (
	"errors"
	"io"
	"testing"

	"github.com/pion/rtp"

	"github.com/orkestro/orkestro/services/mediaserver/internal/playback"
	"github.com/orkestro/orkestro/services/mediaserver/internal/recording"
)

// scratch is a file in memory.
type scratch struct{ data []byte }

// Write implements io.Writer.
func (s *scratch) Write(data []byte) (int, error) {
	s.data = append(s.data, data...)
	return len(data), nil
}

// WriteAt implements io.WriterAt.
func (s *scratch) WriteAt(data []byte, at int64) (int, error) { return copy(s.data[at:], data), nil }

// ReadAt implements io.ReaderAt.
func (s *scratch) ReadAt(data []byte, at int64) (int, error) {
	if at >= int64(len(s.data)) {
		return 0, io.EOF
	}
	n := copy(data, s.data[at:])
	if n < len(data) {
		return n, io.EOF
	}
	return n, nil
}

// Truncate implements recording.File.
func (s *scratch) Truncate(size int64) error { s.data = s.data[:size]; return nil }

// Close implements io.Closer.
func (s *scratch) Close() error { return nil }

// FuzzRecorder records packets that nobody meant: nothing panics, and what is written can be read.
func FuzzRecorder(f *testing.F) {
	codecs := []string{recording.VP8, recording.VP9, recording.AV1, recording.H264, recording.Opus}
	for i, name := range []string{"vp8.webm", "vp9.webm", "av1.webm", "h264.mkv"} {
		media := openFile(f, clip(name))
		var script []byte
		for range 3 {
			s, err := media.Next()
			if err != nil {
				f.Fatal(err)
			}
			payload := s.Data[:min(len(s.Data), 200)]
			script = append(append(script, byte(i), 0x91, 1, byte(len(payload))), payload...)
		}
		if err := media.Close(); err != nil {
			f.Fatal(err)
		}
		f.Add(byte(0), script)
		f.Add(byte(2), script)
	}
	f.Fuzz(func(t *testing.T, kind byte, script []byte) {
		profile, err := recording.ParseProfile([]string{"WEBM", "MKV", "MP4"}[kind%3])
		if err != nil {
			t.Fatal(err)
		}
		file := &scratch{}
		begun := false
		r := recording.Record(file, recording.Config{
			Profile: profile, RequestKeyframe: func() {}, Begun: func() { begun = true }, Failed: func(error) {},
		})
		header := rtp.Header{SequenceNumber: 65530, Timestamp: 1<<32 - 1000}
		for len(script) >= 4 {
			codec, ok := profile.Codec(codecs[script[0]%5])
			size := min(int(script[3]), len(script)-4)
			header.Marker = script[1]&0x80 != 0
			header.SequenceNumber += uint16(script[1] & 7)
			header.Timestamp += uint32(script[2]) << (script[1] >> 2 & 28)
			input := r.Video()
			if codec == recording.Opus {
				input = r.Audio()
			}
			if ok {
				input.Write(codec, &header, script[4:4+size])
			}
			script = script[4+size:]
		}
		r.Stop()
		if !begun {
			return
		}
		media, err := playback.Open(file, int64(len(file.data)))
		if err != nil {
			t.Fatalf("%d bytes: %v", len(file.data), err)
		}
		for {
			if _, err := media.Next(); errors.Is(err, io.EOF) {
				return
			} else if err != nil {
				t.Fatal(err)
			}
		}
	})
}
