package media_test

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v4"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/testkit"
)

// firstCodec is the codec that comes first in the n-th m-line of a kind, and its fmtp line.
func firstCodec(tb testing.TB, text, kind string) (name, line string) {
	tb.Helper()
	var parsed sdp.SessionDescription
	if err := parsed.UnmarshalString(text); err != nil {
		tb.Fatal(err)
	}
	for _, m := range parsed.MediaDescriptions {
		if m.MediaName.Media != kind {
			continue
		}
		for _, a := range m.Attributes {
			payload, rest, _ := strings.Cut(a.Value, " ")
			switch {
			case payload != m.MediaName.Formats[0]:
			case a.Key == "rtpmap":
				name, _, _ = strings.Cut(rest, "/")
			case a.Key == "fmtp":
				line = rest
			}
		}
	}
	return name, line
}

func h264(mode, profile string) string {
	return "level-asymmetry-allowed=1;packetization-mode=" + mode + ";profile-level-id=" + profile
}

// Whatever a publisher prefers is what its answer begins with and what subscribers are offered, in one offer.
func TestCodecs_ReachTheSubscriber(t *testing.T) {
	for _, c := range []struct{ mime, line string }{
		{webrtc.MimeTypeVP8, ""},
		{webrtc.MimeTypeVP9, "profile-id=0"},
		{webrtc.MimeTypeAV1, ""},
		{webrtc.MimeTypeH264, h264("1", "42001f")},
		{webrtc.MimeTypeH264, h264("0", "42001f")},
		{webrtc.MimeTypeH264, h264("1", "42e01f")},
		{webrtc.MimeTypeH264, h264("0", "42e01f")},
		{webrtc.MimeTypeH264, h264("1", "4d001f")},
		{webrtc.MimeTypeH264, h264("1", "64001f")},
		{webrtc.MimeTypeOpus, ""},
		{webrtc.MimeTypePCMU, ""},
	} {
		kind, name, _ := strings.Cut(c.mime, "/")
		t.Run(name+" "+c.line, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			p := f.pipeline(t)
			pub := newPublisher(t, p, "ann")
			pub.track(c.mime, "cam")
			prefer(t, pub.pc.GetTransceivers()[0], c.mime, c.line)
			result := pub.publish()
			if got, line := firstCodec(t, result.Answer, kind); got != name || line != c.line && c.line != "" {
				t.Errorf("the answer begins with %s %q", got, line)
			}
			id := result.Streams[0].ID
			sub := newSubscriber(t, f, p, "ben", control.Subscriptions{})
			testkit.Eventually(t, func() error { return sub.receives(id, kind, 10) })
			if got := sub.track(id, kind).mime; got != c.mime {
				t.Errorf("received as %s", got)
			}
			if got, line := firstCodec(t, sub.lastOffer().SDP, kind); got != name || line != c.line && c.line != "" {
				t.Errorf("offered as %s %q", got, line)
			}
			if got := sub.offerCount(); got != 1 {
				t.Errorf("%d offers", got)
			}
		})
	}
}

// prefer has a client offer one format only of a codec, and every other codec after it.
func prefer(tb testing.TB, transceiver *webrtc.RTPTransceiver, mime, line string) {
	tb.Helper()
	all := transceiver.Sender().GetParameters().Codecs
	first := func(c webrtc.RTPCodecParameters) bool {
		return c.MimeType == mime && (line == "" || c.SDPFmtpLine == line)
	}
	at := slices.IndexFunc(all, first)
	if at < 0 {
		tb.Fatalf("the client has no %s %s", mime, line)
	}
	preferred := []webrtc.RTPCodecParameters{all[at]}
	for _, c := range all {
		if c.MimeType != mime {
			preferred = append(preferred, c)
		}
	}
	if err := transceiver.SetCodecPreferences(preferred); err != nil {
		tb.Fatal(err)
	}
}

// A camera and a screen in different codecs: each m-line has its own order.
func TestCodecs_DifferByTrack(t *testing.T) {
	f := newFixture(t)
	p := f.pipeline(t)
	pub := newPublisher(t, p, "ann")
	pub.track(webrtc.MimeTypeVP8, "cam")
	pub.track(webrtc.MimeTypeVP9, "screen")
	prefer(t, pub.pc.GetTransceivers()[0], webrtc.MimeTypeVP8, "")
	prefer(t, pub.pc.GetTransceivers()[1], webrtc.MimeTypeVP9, "profile-id=0")
	streams := pub.publish().Streams
	sub := newSubscriber(t, f, p, "ben", control.Subscriptions{})
	for i, mime := range []string{webrtc.MimeTypeVP8, webrtc.MimeTypeVP9} {
		testkit.Eventually(t, func() error { return sub.receives(streams[i].ID, "video", 10) })
		if got := sub.track(streams[i].ID, "video").mime; got != mime {
			t.Errorf("stream %d received as %s", i, got)
		}
	}
	if got := sub.offerCount(); got != 1 {
		t.Errorf("%d offers", got)
	}
}

// A client that cannot decode one stream gets all the others.
func TestCodecs_OneThatTheClientDoesNotHave(t *testing.T) {
	f := newFixture(t)
	p := f.pipeline(t)
	pub := newPublisher(t, p, "ann")
	pub.track(webrtc.MimeTypeOpus, "cam")
	pub.track(webrtc.MimeTypeVP8, "cam")
	pub.track(webrtc.MimeTypeVP9, "screen")
	prefer(t, pub.pc.GetTransceivers()[1], webrtc.MimeTypeVP8, "")
	prefer(t, pub.pc.GetTransceivers()[2], webrtc.MimeTypeVP9, "profile-id=0")
	streams := pub.publish().Streams
	sub := prepareSubscriber(t)
	sub.decodes = func(engine *webrtc.MediaEngine) error {
		opus := webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2}
		vp9 := webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP9, ClockRate: 90000, SDPFmtpLine: "profile-id=0"}
		return errors.Join(
			engine.RegisterCodec(webrtc.RTPCodecParameters{RTPCodecCapability: opus, PayloadType: 111}, webrtc.RTPCodecTypeAudio),
			engine.RegisterCodec(webrtc.RTPCodecParameters{RTPCodecCapability: vp9, PayloadType: 98}, webrtc.RTPCodecTypeVideo))
	}
	sub.attach(f, p, "ben", control.Subscriptions{})
	testkit.Eventually(t, func() error { return sub.receives(streams[0].ID, "audio", 10) })
	testkit.Eventually(t, func() error { return sub.receives(streams[1].ID, "video", 10) })
	if got := sub.offerCount(); got != 1 {
		t.Errorf("%d offers", got)
	}
	if sub.receives(streams[0].ID, "video", 1) == nil {
		t.Error("video came in a codec that the client does not have")
	}
}

func TestCodecs_OfChromium(t *testing.T) {
	f := newFixture(t)
	p := f.pipeline(t)
	for _, name := range []string{"chromium-offer.sdp", "chromium-simulcast-offer.sdp"} {
		t.Run(name, func(t *testing.T) {
			offer, err := os.ReadFile("../rtc/testdata/" + name)
			if err != nil {
				t.Fatal(err)
			}
			endpoint, err := p.NewPublishEndpoint(control.UserID(name), "join")
			if err != nil {
				t.Fatal(err)
			}
			result, err := endpoint.ProcessOffer(t.Context(), string(offer), 1)
			if err != nil {
				t.Fatal(err)
			}
			if len(result.Streams) != 1 || !slices.Equal(result.Streams[0].Kinds, []string{"audio", "video"}) &&
				!slices.Equal(result.Streams[0].Kinds, []string{"audio", "video", "data"}) {
				t.Errorf("streams %+v", result.Streams)
			}
			var lines []string
			for line := range strings.SplitSeq(result.Answer, "\r\n") {
				if strings.HasPrefix(line, "m=") {
					lines = append(lines, line)
				}
			}
			want := []string{
				"m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8",
				"m=video 9 UDP/TLS/RTP/SAVPF 96 108 45 98",
				"m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
			}
			if takes := strings.Contains(result.Answer, "a=simulcast:recv h;q"); takes != strings.Contains(name, "simulcast") {
				t.Errorf("the answer takes layers: %v", takes)
			}
			for i, line := range want {
				if !strings.HasPrefix(lines[i], line) {
					t.Errorf("m-line %d is %q, want %q and RTX", i, lines[i], line)
				}
			}
		})
	}
}

// simulcastHeader adds the extensions that tell m-line and layer.
func simulcastHeader(
	tb testing.TB, pc *webrtc.PeerConnection, sender *webrtc.RTPSender, rid string,
) map[uint8]string {
	tb.Helper()
	values := map[string]string{sdp.SDESRTPStreamIDURI: rid}
	for _, transceiver := range pc.GetTransceivers() {
		if transceiver.Sender() == sender {
			values[sdp.SDESMidURI] = transceiver.Mid()
		}
	}
	extensions := map[uint8]string{}
	for _, e := range sender.GetParameters().HeaderExtensions {
		if value, found := values[e.URI]; found {
			extensions[uint8(e.ID)] = value
		}
	}
	if len(extensions) != 2 {
		tb.Fatalf("negotiated header extensions: %v", extensions)
	}
	return extensions
}
