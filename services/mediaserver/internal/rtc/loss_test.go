package rtc

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/pion/rtp"
	"pgregory.net/rapid"

	"github.com/orkestro/orkestro/pkg/control"
)

func TestLosses_AskUntilItComes(t *testing.T) {
	var l losses
	now := time.Unix(0, 0)
	const first = uint64(firstSequence)
	for _, s := range []uint64{0, 1, 4} {
		if fresh, _ := l.arrived(first+s, now); !fresh {
			t.Errorf("packet %d counts as a repetition", s)
		}
	}
	due := func(after time.Duration, want string) {
		t.Helper()
		now = now.Add(after)
		var got []uint64
		for _, s := range l.due(now, nil) {
			got = append(got, s-first)
		}
		if fmt.Sprint(got) != want {
			t.Errorf("asks for %v, want %s", got, want)
		}
	}
	due(0, "[]")
	due(lossPatience, "[2 3]")
	due(lossRetry/2, "[]")
	if fresh, _ := l.arrived(first+2, now); !fresh {
		t.Error("a packet that was asked for counts as a repetition")
	}
	if fresh, _ := l.arrived(first+2, now); fresh {
		t.Error("a repetition counts as new")
	}
	due(lossRetry/2, "[3]")
	for range lossAttempts - 2 {
		due(lossRetry, "[3]")
	}
	due(lossRetry, "[]")
	if _, hopeless := l.arrived(first+4+maxLost+2, now); !hopeless {
		t.Error("too large a gap is asked for")
	}
	due(time.Second, "[]")
}

// Every packet counts as new exactly once, in whatever order and however often packets come.
func TestLosses_TellRepetitions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var l losses
		l.arrived(firstSequence, time.Time{})
		seen := map[uint64]bool{firstSequence: true}
		for _, offset := range rapid.SliceOf(rapid.Uint64Range(1, maxLost)).Draw(t, "packets") {
			fresh, hopeless := l.arrived(firstSequence+offset, time.Time{})
			if fresh == seen[firstSequence+offset] || hopeless {
				t.Fatalf("packet %d: fresh %v, seen %v, hopeless %v", offset, fresh, seen[firstSequence+offset], hopeless)
			}
			seen[firstSequence+offset] = true
		}
	})
}

// What a stream lost before it went on under another SSRC is not asked for: its numbers mean something else now.
func TestFeed_AsksForNothingOfAnEarlierSSRC(t *testing.T) {
	s := (&Engine{}).NewSource(control.KindVideo)
	t.Cleanup(s.Close)
	var asked []uint16
	feed := s.OpenFeed(FeedConfig{Codec: vp8Codec(), Lost: func(list []uint16) { asked = append(asked, list...) }})
	now := time.Now()
	for i, p := range []struct {
		ssrc   uint32
		number uint16
	}{{1, 10}, {1, 12}, {2, 500}, {2, 501}, {2, 503}, {2, 504}} {
		raw, err := (&rtp.Packet{
			Header:  rtp.Header{Version: 2, SSRC: p.ssrc, SequenceNumber: p.number},
			Payload: []byte{0x10, 1, 0},
		}).Marshal()
		if err != nil {
			t.Fatal(err)
		}
		feed.Write(raw, now.Add(time.Duration(i)*2*lossPatience))
	}
	if !slices.Equal(asked, []uint16{502}) {
		t.Errorf("asked for %d", asked)
	}
}
