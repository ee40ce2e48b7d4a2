package rtc

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/testkit"
)

func registerOpus(engine *webrtc.MediaEngine) error {
	return engine.RegisterCodec(audioCodecs()[0], webrtc.RTPCodecTypeAudio)
}

func registerRED(engine *webrtc.MediaEngine) error {
	if err := registerOpus(engine); err != nil {
		return err
	}
	red, _ := companionOf(audioCodecs()[0])
	return engine.RegisterCodec(red, webrtc.RTPCodecTypeAudio)
}

// publishRED connects a publisher that prefers redundant audio to source.
func publishRED(t *testing.T, engine *Engine, source *Source) *webrtc.TrackLocalStaticRTP {
	t.Helper()
	server, err := engine.NewPublishPeer(Handlers{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	client := newClient(t, registerRED)
	red, _ := companionOf(audioCodecs()[0])
	track, err := webrtc.NewTrackLocalStaticRTP(red.RTPCodecCapability, "sound", "mic")
	if err != nil {
		t.Fatal(err)
	}
	transceiver, err := client.AddTransceiverFromTrack(track)
	if err != nil {
		t.Fatal(err)
	}
	if err := transceiver.SetCodecPreferences([]webrtc.RTPCodecParameters{red, audioCodecs()[0]}); err != nil {
		t.Fatal(err)
	}
	offer, err := client.CreateOffer(nil)
	if err != nil {
		t.Fatal(err)
	}
	gathered := webrtc.GatheringCompletePromise(client)
	if err := client.SetLocalDescription(offer); err != nil {
		t.Fatal(err)
	}
	<-gathered
	d, err := ParseDescription(client.LocalDescription().SDP)
	if err != nil {
		t.Fatal(err)
	}
	server.Feed(map[string]*Source{"0": source}, nil)
	answer, _, err := server.Answer(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(answer, "m=audio 9 UDP/TLS/RTP/SAVPF 63 111\r\n") {
		t.Errorf("a browser would not send redundant audio after this answer:\n%s", answer)
	}
	if err := client.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}); err != nil {
		t.Fatal(err)
	}
	return track
}

// A publisher of redundant audio is heard by those who take it as it is, and by the others without the redundancy.
func TestRED_IsPassedOnOrTakenOff(t *testing.T) {
	engine := newTestEngine(t)
	source := engine.NewSource(control.KindAudio)
	t.Cleanup(source.Close)
	track := publishRED(t, engine, source)
	if got := source.Codec(); !got.matches(opus()) {
		t.Fatalf("announced as %+v", got)
	}
	with, without := newViewer(t, engine, registerRED), newViewer(t, engine, registerOpus)
	for _, v := range []*viewer{with, without} {
		v.watch(Track{Stream: "mic", Source: source})
	}
	number := uint16(0)
	testkit.Eventually(t, func() error {
		for range 5 {
			number++
			content := []byte{0xef, 0x0f, 0x00, 0x02, 0x6f, byte(number - 1), 1, byte(number), 2, 3}
			p := &rtp.Packet{
				Header:  rtp.Header{Version: 2, SequenceNumber: number, Timestamp: uint32(number) * 960},
				Payload: content,
			}
			if err := track.WriteRTP(p); err != nil {
				return err
			}
		}
		if a, b := len(with.of("mic")), len(without.of("mic")); a < 20 || b < 20 {
			return fmt.Errorf("%d and %d packets", a, b)
		}
		return nil
	})
	checkAudio(t, with.of("mic"), 63, func(p []byte) []byte { return p[5:] })
	checkAudio(t, without.of("mic"), 111, func(p []byte) []byte { return append([]byte{p[0] - 1, 1}, p...) })
}

// checkAudio checks that packets follow each other without a gap. whole is the frame before and the frame of a payload.
func checkAudio(t *testing.T, list []arrival, payloadType uint8, whole func([]byte) []byte) {
	t.Helper()
	for i, a := range list {
		frames := whole(a.Payload)
		if a.PayloadType != payloadType || !bytes.Equal(frames, []byte{frames[2] - 1, 1, frames[2], 2, 3}) {
			t.Fatalf("packet %d of type %d holds %v", i, a.PayloadType, a.Payload)
		}
		if i > 0 && (a.SequenceNumber != list[i-1].SequenceNumber+1 || a.Timestamp != list[i-1].Timestamp+960) {
			t.Fatalf("%d at %d follows %d at %d", a.SequenceNumber, a.Timestamp, list[i-1].SequenceNumber, list[i-1].Timestamp)
		}
	}
}

func TestPacket_UnpacksOnlyRED(t *testing.T) {
	p := packet{payload: []byte{0xef}}
	if p.unpack() {
		t.Error("half a header was unpacked")
	}
	mixed := packet{payload: []byte{0xee, 0x0f, 0x00, 0x01, 0x6f, 1, 2}}
	if !mixed.unpack() || mixed.red != nil || !bytes.Equal(mixed.payload, []byte{2}) {
		t.Errorf("frames of two types: %+v", mixed)
	}
}
