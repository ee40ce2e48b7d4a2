package media_test

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/orkestro/orkestro/pkg/mediaapi"
	"github.com/orkestro/orkestro/services/mediaserver/internal/media"
	"github.com/orkestro/orkestro/services/mediaserver/internal/playback"
	"github.com/orkestro/orkestro/services/mediaserver/internal/rtc"
)

// library is a media server with a folder for files, in which the clips of package playback are.
type library struct {
	*fixture
	dir string
}

func newLibrary(tb testing.TB) *library {
	tb.Helper()
	dir, err := filepath.EvalSymlinks(tb.TempDir())
	if err != nil {
		tb.Fatal(err)
	}
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("..", "playback", "testdata"))); err != nil {
		tb.Fatal(err)
	}
	server, err := media.NewServer(media.Config{
		Network: rtc.NetworkConfig{UDPAddress: "127.0.0.1:0", Loopback: true}, Files: dir,
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		tb.Fatal(err)
	}
	f := &fixture{Server: server, listeners: map[string]func(media.Event){}, backlog: map[string][]media.Event{}}
	server.OnEvent(f.event)
	tb.Cleanup(func() {
		if err := server.Close(); err != nil {
			tb.Error(err)
		}
	})
	return &library{fixture: f, dir: dir}
}

func (l *library) uri(name string) string { return "file://" + filepath.Join(l.dir, name) }

// diary keeps the events of an object.
type diary struct {
	mu     sync.Mutex
	events []media.Event
}

func (l *library) keep(object media.Object) *diary {
	d := &diary{}
	l.listen(object, func(e media.Event) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.events = append(d.events, e)
	})
	return d
}

// has says that an event has not come, until it has.
func (d *diary) has(eventType string) func() error {
	return func() error {
		d.mu.Lock()
		defer d.mu.Unlock()
		if slices.ContainsFunc(d.events, func(e media.Event) bool { return e.Type == eventType }) {
			return nil
		}
		return fmt.Errorf("no %s in %v", eventType, d.events)
	}
}

func (d *diary) errors() (list []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range d.events {
		if raised, ok := e.Data.(media.ErrorRaised); ok {
			list = append(list, raised.Description)
		}
	}
	return list
}

func (l *library) recorder(tb testing.TB, p *media.Pipeline, name, profile string) (*media.RecorderEndpoint, *diary) {
	tb.Helper()
	recorder := must[*media.RecorderEndpoint](tb)(p.NewRecorderEndpoint(media.RecorderEndpointParams{
		URI: l.uri(name), MediaProfile: profile, StopOnEndOfStream: true,
	}))
	return recorder, l.keep(recorder)
}

// frames reads a file, by codec.
func (l *library) frames(tb testing.TB, name string) map[string][]playback.Sample {
	tb.Helper()
	file, err := os.Open(filepath.Join(l.dir, name))
	if err != nil {
		tb.Fatal(err)
	}
	info, err := file.Stat()
	if err != nil {
		tb.Fatal(err)
	}
	m, err := playback.Open(file, info.Size())
	if err != nil {
		tb.Fatalf("%s, %d bytes: %v", name, info.Size(), err)
	}
	defer func() { _ = m.Close() }()
	list := map[string][]playback.Sample{}
	for {
		s, err := m.Next()
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			tb.Fatal(err)
		}
		codec := m.Tracks()[s.Track].Codec
		list[codec] = append(list[codec], s)
	}
}

func codeOf(err error) mediaapi.ErrorCode {
	var refusal *media.Error
	if errors.As(err, &refusal) {
		return refusal.Code
	}
	return 0
}
