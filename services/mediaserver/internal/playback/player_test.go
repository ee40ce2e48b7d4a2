package playback_test

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/orkestro/orkestro/services/mediaserver/internal/playback"
)

// nowhere takes packets and counts them.
type nowhere struct{ packets int }

// Write implements playback.Feed.
func (n *nowhere) Write([]byte, time.Time) bool {
	n.packets++
	return true
}

// Report implements playback.Feed.
func (n *nowhere) Report(uint64, uint32) {}

// A file takes its time however often it is told to go on, and a pause comes on top of that.
func TestPlayer_GoesOn(t *testing.T) {
	for name, during := range map[string]struct {
		do    func(p *playback.Player)
		pause time.Duration
	}{
		"undisturbed": {func(*playback.Player) {}, 0},
		"told to go on": {func(p *playback.Player) {
			for range 40 {
				p.Resume()
				time.Sleep(10 * time.Millisecond)
			}
		}, 0},
		"paused": {func(p *playback.Player) {
			p.Pause()
			time.Sleep(time.Second)
			p.Resume()
		}, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				data, err := os.ReadFile(filepath.Join("testdata", "vp8.webm"))
				if err != nil {
					t.Fatal(err)
				}
				media, err := playback.Open(memory(data), int64(len(data)))
				if err != nil {
					t.Fatal(err)
				}
				var video, audio nowhere
				ended := make(chan error, 1)
				began := time.Now()
				player := playback.Play(media, []playback.Feed{&video, &audio}, func(err error) { ended <- err })
				time.Sleep(500 * time.Millisecond)
				during.do(player)
				if err := <-ended; err != nil {
					t.Error(err)
				}
				player.Stop()
				const length, frame = 2 * time.Second, 50 * time.Millisecond
				if took := time.Since(began) - during.pause; took < length-frame || took > length+frame {
					t.Errorf("%v without the pause", took)
				}
				if video.packets == 0 || audio.packets < 99 {
					t.Errorf("%d packets of video, %d of audio", video.packets, audio.packets)
				}
			})
		})
	}
}
