package media_test

import (
	"path/filepath"
	"syscall"
	"testing"

	"github.com/orkestro/orkestro/services/mediaserver/internal/media"
)

// What is no file is neither waited for nor written into.
func TestFiles_OnlyFiles(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	p := l.pipeline(t)
	if err := syscall.Mkfifo(filepath.Join(l.dir, "pipe.webm"), 0o600); err != nil {
		t.Skipf("no pipes here: %v", err)
	}
	if err := syscall.Mkdir(filepath.Join(l.dir, "folder.webm"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"pipe.webm", "folder.webm", "a%00.webm", "vp8.webm/x"} {
		player := must[*media.PlayerEndpoint](t)(p.NewPlayerEndpoint(l.uri(name)))
		if err := player.Play(t.Context()); codeOf(err) != 40600 {
			t.Errorf("playing %s: %v", name, err)
		}
	}
	for _, name := range []string{"folder.webm", "a%00.webm", "vp8.webm/x"} {
		recorder, _ := l.recorder(t, p, name, "WEBM")
		if err := recorder.Record(t.Context()); codeOf(err) != 40107 {
			t.Errorf("recording %s: %v", name, err)
		}
	}
	recorder, _ := l.recorder(t, p, "pipe.webm", "WEBM") // takes the place of the pipe
	if err := recorder.Record(t.Context()); err != nil {
		t.Error(err)
	}
	if err := recorder.StopAndWait(t.Context()); err != nil {
		t.Error(err)
	}
}
