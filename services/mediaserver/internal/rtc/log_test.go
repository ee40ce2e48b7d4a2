package rtc

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/pion/webrtc/v4"
)

// TestPionLogger_LeavesWhatIsAliveAlone prints a value like Pion's tracks while it is changed: the race detector fails
// the test if the log reads it.
func TestPionLogger_LeavesWhatIsAliveAlone(t *testing.T) {
	var text bytes.Buffer
	log := pionLoggers{slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelDebug}))}.NewLogger("pc")
	track := &struct{ rtxSSRC uint32 }{}
	changed := make(chan struct{})
	go func() {
		defer close(changed)
		track.rtxSSRC = 1
	}()
	log.Debugf("got new track: %+v", track)
	<-changed
	if want := "got new track: *struct { rtxSSRC uint32 }"; !strings.Contains(text.String(), want) {
		t.Errorf("logged %q, want %q in it", text.String(), want)
	}
}

func TestPionLogger_PrintsWhatPrintsItself(t *testing.T) {
	var text bytes.Buffer
	log := pionLoggers{slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelDebug}))}.NewLogger("ice")
	log.Warnf("%s: %v, %d times, %v", webrtc.ICEConnectionStateFailed, errors.New("no route"), 3, (*int)(nil))
	log.Tracef("packet %d", 1)
	if want := "failed: no route, 3 times, *int"; !strings.Contains(text.String(), want) {
		t.Errorf("logged %q, want %q in it", text.String(), want)
	}
	if strings.Contains(text.String(), "packet") {
		t.Errorf("logged %q: what is about every packet is dropped", text.String())
	}
}
