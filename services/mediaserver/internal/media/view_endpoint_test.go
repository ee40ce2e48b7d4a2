package media_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/pion/webrtc/v4"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/mediaapi"
	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/services/mediaserver/internal/media"
)

// player is a viewer of WHEP: it offers to receive one audio and one video track.
type player struct {
	tb       testing.TB
	endpoint *media.ViewEndpoint
	pc       *webrtc.PeerConnection

	mu     sync.Mutex
	counts map[string]int // of packets, by codec
	states []control.ConnectionState
}

func newPlayer(tb testing.TB, f *fixture, p *media.Pipeline, id control.UserID, of control.ViewOf) *player {
	tb.Helper()
	endpoint, err := p.NewViewEndpoint(id, of)
	if err != nil {
		tb.Fatal(err)
	}
	v := &player{tb: tb, endpoint: endpoint, pc: newClientPC(tb, false), counts: map[string]int{}}
	v.pc.OnTrack(v.read)
	f.listen(endpoint, func(e media.Event) {
		if changed, ok := e.Data.(media.EndpointStateChanged); ok {
			v.mu.Lock()
			defer v.mu.Unlock()
			v.states = append(v.states, changed.State)
		}
	})
	for _, kind := range []webrtc.RTPCodecType{webrtc.RTPCodecTypeAudio, webrtc.RTPCodecTypeVideo} {
		init := webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}
		if _, err := v.pc.AddTransceiverFromKind(kind, init); err != nil {
			tb.Fatal(err)
		}
	}
	return v
}

func (v *player) read(track *webrtc.TrackRemote, receiver *webrtc.RTPReceiver) {
	codecs := map[uint8]string{}
	for _, c := range receiver.GetParameters().Codecs {
		codecs[uint8(c.PayloadType)] = c.MimeType
	}
	for {
		packet, _, err := track.ReadRTP()
		if err != nil {
			return
		}
		v.mu.Lock()
		v.counts[codecs[packet.PayloadType]]++
		v.mu.Unlock()
	}
}

func (v *player) offer() string {
	v.tb.Helper()
	offer, err := v.pc.CreateOffer(nil)
	if err != nil {
		v.tb.Fatal(err)
	}
	return gather(v.tb, v.pc, offer)
}

func (v *player) watch() {
	v.tb.Helper()
	result, err := v.endpoint.ProcessOffer(v.tb.Context(), v.offer(), 1)
	if err != nil {
		v.tb.Fatal(err)
	}
	err = v.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: result.Answer})
	if err != nil {
		v.tb.Fatal(err)
	}
}

func (v *player) count(mime string) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.counts[mime]
}

// sees waits for more packets of a codec.
func (v *player) sees(mime string) {
	v.tb.Helper()
	before := v.count(mime)
	testkit.Eventually(v.tb, func() error {
		if got := v.count(mime) - before; got < 20 {
			return fmt.Errorf("%d packets of %s", got, mime)
		}
		return nil
	})
}

// A player offers once, before anything is known of what it will watch, and gets whatever is published then, in whatever
// codec.
func TestView_FollowsWhatIsPublished(t *testing.T) {
	f := newFixture(t)
	p := f.pipeline(t)
	v := newPlayer(t, f, p, "v", control.ViewOf{})
	v.watch()
	for i, mime := range []string{webrtc.MimeTypeVP8, webrtc.MimeTypeH264, webrtc.MimeTypeVP8} {
		pub := newPublisher(t, p, control.UserID(fmt.Sprint("user-", i)))
		pub.track(webrtc.MimeTypeOpus, "cam")
		pub.track(mime, "cam")
		prefer(t, pub.pc.GetTransceivers()[1], mime, "")
		pub.publish()
		v.sees(mime)
		v.sees(webrtc.MimeTypeOpus)
		f.Release(pub.endpoint.ID())
	}
}

// Who watches a user, or a stream, gets nothing else; who watches all stays with what it watches.
func TestView_ChoosesWhatToShow(t *testing.T) {
	f := newFixture(t)
	p := f.pipeline(t)
	ann, ben := newPublisher(t, p, "ann"), newPublisher(t, p, "ben")
	ann.track(webrtc.MimeTypeOpus, "voice")
	ann.publish()
	all := newPlayer(t, f, p, "all", control.ViewOf{})
	all.watch()
	all.sees(webrtc.MimeTypeOpus)
	if all.count(webrtc.MimeTypeVP8) != 0 {
		t.Error("a picture of nobody")
	}
	ben.track(webrtc.MimeTypeVP8, "cam")
	ben.publish()
	all.sees(webrtc.MimeTypeVP8) // a picture is worth more than a voice

	ofAnn := newPlayer(t, f, p, "of ann", control.ViewOf{User: "ann"})
	ofAnn.watch()
	ofAnn.sees(webrtc.MimeTypeOpus)
	ofCam := newPlayer(t, f, p, "of cam", control.ViewOf{Stream: control.StreamIDFor("ben", "cam")})
	ofCam.watch()
	ofCam.sees(webrtc.MimeTypeVP8)
	if ofAnn.count(webrtc.MimeTypeVP8) != 0 || ofCam.count(webrtc.MimeTypeOpus) != 0 {
		t.Errorf("of ann: %v, of cam: %v", ofAnn.counts, ofCam.counts)
	}

	ann.track(webrtc.MimeTypeH264, "cam")
	prefer(t, ann.pc.GetTransceivers()[1], webrtc.MimeTypeH264, "")
	ann.publish() // comes before ben's
	ofAnn.sees(webrtc.MimeTypeH264)
	all.sees(webrtc.MimeTypeVP8)
	if got := all.count(webrtc.MimeTypeH264); got != 0 {
		t.Errorf("who watched ben got %d packets of ann's picture", got)
	}
}

func TestView_AnswersOneConnection(t *testing.T) {
	f := newFixture(t)
	p := f.pipeline(t)
	v := newPlayer(t, f, p, "v", control.ViewOf{})
	sends := newPublisher(t, p, "ann")
	sends.track(webrtc.MimeTypeVP8, "cam")
	for _, transceiver := range sends.pc.GetTransceivers() {
		if err := transceiver.Sender().ReplaceTrack(nil); err != nil {
			t.Fatal(err)
		}
	}
	refused := func(offer string, seq int64, want mediaapi.ErrorCode) {
		t.Helper()
		var refusal *media.Error
		if _, err := v.endpoint.ProcessOffer(t.Context(), offer, seq); !errors.As(err, &refusal) || refusal.Code != want {
			t.Errorf("offer %d: %v", seq, err)
		}
	}
	refused("v=0", 1, mediaapi.CodeSDPParse)
	v.watch()
	again, err := v.endpoint.ProcessOffer(t.Context(), "the same seq", 1)
	if err != nil || again.Answer != v.pc.RemoteDescription().SDP {
		t.Errorf("the offer that was answered got %v", err)
	}
	other := newPlayer(t, f, p, "other", control.ViewOf{})
	refused(other.offer(), 2, mediaapi.CodeSDPProcessOffer)

	testkit.Eventually(t, func() error {
		if state := v.pc.ConnectionState(); state != webrtc.PeerConnectionStateConnected {
			return fmt.Errorf("the player is %s", state)
		}
		return nil
	})
	if err := v.pc.Close(); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, func() error {
		v.mu.Lock()
		defer v.mu.Unlock()
		if n := len(v.states); n == 0 || v.states[n-1] != control.ConnectionClosed {
			return fmt.Errorf("states %v", v.states)
		}
		return nil
	})
	refused(v.pc.LocalDescription().SDP, 2, mediaapi.CodeSDPProcessOffer)
}
