package harness

import (
	"testing"
	"time"
)

func TestArrivals_TellGapsAndTheFirstPacketOfAnEpoch(t *testing.T) {
	began := time.Now()
	at := func(ms int) time.Time { return began.Add(time.Duration(ms) * time.Millisecond) }
	a := newArrivals()
	for _, ms := range []int{0, 20, 140, 160} {
		a.add("s/video", 1, at(ms))
	}
	if got := a.get("s/video", at(170)); got.Gap != 120*time.Millisecond || !got.GapBegan.Equal(at(20)) || got.Packets != 4 {
		t.Errorf("before the mark: %+v", got)
	}
	a.mark()
	if got := a.get("s/video", at(400)); got.Gap != 240*time.Millisecond || !got.First.IsZero() {
		t.Errorf("in a gap that lasts: %+v", got)
	}
	a.add("s/video", 3, at(500))
	a.add("s/video", 3, at(520))
	got := a.get("s/video", at(530))
	if got.Gap != 340*time.Millisecond || !got.First.Equal(at(500)) || !got.Last.Equal(at(520)) {
		t.Errorf("after the gap: %+v", got)
	}
	if first, found := a.since(2); !found || !first.Equal(at(500)) {
		t.Errorf("first packet of epoch 2 or later: %v, %v", first, found)
	}
	if _, found := a.since(4); found {
		t.Error("a packet of epoch 4 was never there")
	}
	if got := a.get("other/video", at(530)); got != (Arrivals{}) {
		t.Errorf("of a stream that never came: %+v", got)
	}
}
