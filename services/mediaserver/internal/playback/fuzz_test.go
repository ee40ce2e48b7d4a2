package playback_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/orkestro/orkestro/services/mediaserver/internal/playback"
)

// memory is a file in memory.
type memory []byte

// ReadAt implements io.ReaderAt.
func (m memory) ReadAt(data []byte, at int64) (int, error) {
	return bytes.NewReader(m).ReadAt(data, at)
}

// Close implements io.Closer.
func (m memory) Close() error { return nil }

// FuzzMedia reads files that nobody meant: nothing panics, and nothing is read that is not there.
func FuzzMedia(f *testing.F) {
	for _, name := range []string{
		"vp8.webm", "live.webm", "h264.mkv", "h264.mp4", "fragments.mp4", "bframes.mp4", "av1.mp4", "opus.ogg", "vp8.ivf",
	} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data[:min(4096, len(data))])
		f.Add(data[max(0, len(data)-4096):])
		if name == "h264.mp4" {
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		media, err := playback.Open(memory(data), int64(len(data)))
		if err != nil {
			return
		}
		read(t, media, len(data))
		if media.Seek(time.Second) == nil {
			read(t, media, len(data))
		}
	})
}

func read(t *testing.T, media *playback.Media, size int) {
	t.Helper()
	for range 10_000 {
		s, err := media.Next()
		if err != nil {
			return
		}
		if len(s.Data) > 2*size+16 || s.Track < 0 || s.Track >= len(media.Tracks()) || s.Time < 0 {
			t.Fatalf("%d bytes of track %d at %v, in a file of %d", len(s.Data), s.Track, s.Time, size)
		}
	}
}

var _ io.ReaderAt = memory(nil)
