package media_test

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/services/mediaserver/internal/media"
)

const audioLevelURI = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"

// microphone is a publisher whose packets say how loud they are.
type microphone struct {
	*publisher
	stream control.StreamID
	level  atomic.Uint32 // as in RFC 6464: 0 is the loudest
}

func newMicrophone(t *testing.T, p *media.Pipeline, user control.UserID) *microphone {
	t.Helper()
	endpoint, err := p.NewPublishEndpoint(user, "join")
	if err != nil {
		t.Fatal(err)
	}
	register := func(e *webrtc.MediaEngine) error {
		if err := e.RegisterDefaultCodecs(); err != nil {
			return err
		}
		return e.RegisterHeaderExtension(webrtc.RTPHeaderExtensionCapability{URI: audioLevelURI}, webrtc.RTPCodecTypeAudio)
	}
	pc := newClientPCOf(t, register, false, func(*webrtc.SettingEngine) {})
	m := &microphone{
		publisher: &publisher{tb: t, endpoint: endpoint, pc: pc}, stream: control.StreamIDFor(user, "mic"),
	}
	m.level.Store(90)
	track, err := webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus}, "mic", "mic")
	if err != nil {
		t.Fatal(err)
	}
	sender, err := pc.AddTrack(track)
	if err != nil {
		t.Fatal(err)
	}
	m.countPLI(sender)
	m.publish()
	var id uint8
	for _, extension := range sender.GetParameters().HeaderExtensions {
		if extension.URI == audioLevelURI {
			id = uint8(extension.ID)
		}
	}
	if id == 0 {
		t.Fatal("the audio level was not negotiated")
	}
	m.talk(t, track, id)
	return m
}

// talk sends a packet every 20 ms until the test ends.
func (m *microphone) talk(t *testing.T, track *webrtc.TrackLocalStaticRTP, id uint8) {
	t.Helper()
	var sending sync.WaitGroup
	done := make(chan struct{})
	t.Cleanup(func() {
		close(done)
		sending.Wait()
	})
	sending.Go(func() {
		ticker := time.NewTicker(20 * time.Millisecond)
		defer ticker.Stop()
		for n := uint16(0); ; n++ {
			select {
			case <-done:
				return
			case <-ticker.C:
			}
			header := rtp.Header{Version: 2, SequenceNumber: n, Timestamp: uint32(n) * 960}
			_ = header.SetExtension(id, []byte{byte(m.level.Load())})
			_ = track.WriteRTP(&rtp.Packet{Header: header, Payload: []byte{1, 2, 3}})
		}
	})
}

// Whoever becomes loud is told, and that nobody is any more; a paused stream is silent.
func TestSpeakers_AreToldAsTheyChange(t *testing.T) {
	f := newFixture(t)
	p := f.pipeline(t)
	var mu sync.Mutex
	var last media.SpeakersChanged
	f.listen(p, func(e media.Event) {
		changed, ok := e.Data.(media.SpeakersChanged)
		if !ok {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if changed.Number <= last.Number {
			t.Errorf("number %d after %d", changed.Number, last.Number)
		}
		last = changed
	})
	expect := func(want ...control.StreamID) {
		t.Helper()
		testkit.Eventually(t, func() error {
			mu.Lock()
			defer mu.Unlock()
			if last.Number == 0 || !slices.Equal(last.Streams, want) {
				return fmt.Errorf("speaking: %v, want %v", last.Streams, want)
			}
			return nil
		})
	}
	a, b := newMicrophone(t, p, "a"), newMicrophone(t, p, "b")
	a.level.Store(30)
	expect(a.stream)
	b.level.Store(10)
	expect(b.stream, a.stream)
	if err := b.endpoint.SetPaused(t.Context(), b.stream, []string{control.KindAudio}); err != nil {
		t.Fatal(err)
	}
	expect(a.stream)
	a.level.Store(90)
	expect()
}
