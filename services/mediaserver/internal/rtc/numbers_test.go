package rtc

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Whatever order packets come in, over wraps of the sequence number, each keeps its place.
func TestTimeline_KeepsPlaces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		start := rapid.Uint16().Draw(t, "start")
		order := rapid.Permutation([]int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}).Draw(t, "order")
		rounds := rapid.IntRange(1, 20_000).Draw(t, "rounds")
		var line timeline
		first, _, _ := line.place(start, 0, 1, 0)
		for round := range rounds {
			step := 1 + round*10
			if round < rounds-1 {
				line.place(start+uint16(step+9), 0, 1, 0)
				continue
			}
			for _, i := range order {
				got, _, ok := line.place(start+uint16(step+i), 0, 1, 0)
				if want := first + uint64(step+i); got != want || !ok {
					t.Fatalf("packet %d got place %d, want %d", step+i, got, want)
				}
			}
		}
	})
}

func TestTimeline_GoesOnAfterAnotherStream(t *testing.T) {
	var line timeline
	last, _, _ := line.place(65535, 4_000_000_000, 1, 0)
	next, at, ok := line.place(9, 7, 2, 3000)
	if !ok || next != last+1 || at != 4_000_003_000 {
		t.Errorf("got %d at %d, want %d at 4000003000", next, at, last+1)
	}
	if _, _, ok := line.place(8, 1, 2, 0); ok {
		t.Error("a packet from before the stream began was placed")
	}
}

func TestPacketStore_ForgetsTheOldest(t *testing.T) {
	var store packetStore
	for i := range uint64(storedPackets + 10) {
		store.put(&packet{sequence: i, timestamp: uint32(i), payload: []byte{byte(i)}})
	}
	if _, found := store.get(9, nil); found {
		t.Error("packet 9 is still there")
	}
	for i := uint64(10); i < storedPackets+10; i++ {
		p, found := store.get(i, nil)
		if !found || p.payload[0] != byte(i) || p.timestamp != uint32(i) {
			t.Fatalf("packet %d = %+v, %v", i, p, found)
		}
	}
}

func TestKeyframes_FirstAtOnceThenOne(t *testing.T) {
	sent := make(chan time.Time, 10)
	k := newKeyframes(func() { sent <- time.Now() })
	defer k.close()
	for range 100 {
		k.request()
	}
	first, second := <-sent, <-sent
	if gap := second.Sub(first); gap < keyframeInterval/2 {
		t.Errorf("second request after %s", gap)
	}
	if len(sent) != 0 {
		t.Error("more than two requests for a hundred wishes")
	}
}

func TestBudget_IsBounded(t *testing.T) {
	var b budget
	now := time.Now()
	taken := 0
	for range 3 * resendsPerSecond {
		if b.take(now) {
			taken++
		}
	}
	if taken != resendsPerSecond {
		t.Errorf("%d taken in a second", taken)
	}
	if !b.take(now.Add(time.Second)) {
		t.Error("nothing left in the next second")
	}
}

func TestCodec_Matches(t *testing.T) {
	h264 := func(format string) Codec { return Codec{MIME: "video/H264", ClockRate: 90_000, Format: format} }
	for name, c := range map[string]struct {
		a, b Codec
		want bool
	}{
		"same":         {h264("packetization-mode=1;profile-level-id=42e01f"), h264("profile-level-id=42e01f; packetization-mode=1"), true},
		"other level":  {h264("packetization-mode=1;profile-level-id=42e01f"), h264("packetization-mode=1;profile-level-id=42e034"), true},
		"other mode":   {h264("packetization-mode=1;profile-level-id=42e01f"), h264("profile-level-id=42e01f"), false},
		"profile":      {h264("packetization-mode=1;profile-level-id=42e01f"), h264("packetization-mode=1;profile-level-id=64001f"), false},
		"other codec":  {Codec{MIME: "video/VP8", ClockRate: 90_000}, h264(""), false},
		"letter case":  {Codec{MIME: "video/vp8", ClockRate: 90_000}, Codec{MIME: "video/VP8", ClockRate: 90_000}, true},
		"VP9 profiles": {Codec{MIME: "video/VP9", ClockRate: 90_000}, Codec{MIME: "video/VP9", ClockRate: 90_000, Format: "profile-id=2"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.a.matches(c.b); got != c.want {
				t.Errorf("matches = %v", got)
			}
		})
	}
}
