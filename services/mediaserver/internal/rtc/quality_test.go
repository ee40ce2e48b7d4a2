package rtc

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
)

// A video that the client has not answered for yet is not told to be withheld for lack of bandwidth.
func TestShaper_TellsNothingOfAVideoThatBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, one, client, told := shapedStage(t, "f", "h", "q")
		next := NewSink(control.KindVideo, "next", "track")
		next.Attach(s.Source)
		one.add(next)
		play(s, one, client, 5*time.Second, true)
		if len(*told) == 0 {
			t.Fatal("nothing was told")
		}
		for _, q := range *told {
			if len(q.Streams) != 1 || q.Streams[0].ID != "stream" {
				t.Errorf("told %+v", q)
			}
		}
		next.Bind(Output{Codec: vp8Codec(), SSRC: 8, Writer: one.writer(client, testExtension)})
		for _, e := range s.encoders {
			e.keyframe.Store(true) // as it was asked for
		}
		play(s, one, client, 5*time.Second, true)
		if last := (*told)[len(*told)-1]; len(last.Streams) != 2 || last.Streams[1].Layer < 0 {
			t.Errorf("told %+v", last)
		}
	})
}
