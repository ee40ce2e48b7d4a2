package rtc

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/services/mediaserver/internal/rtpsocket"
)

func newRTPTestPeer(tb testing.TB, e *Engine, cfg RTPConfig) *RTPPeer {
	tb.Helper()
	sources, sinks := map[string]*Source{}, map[string]*Sink{}
	for _, kind := range KindsOf() {
		sources[kind] = e.NewSource(kind)
		sinks[kind] = NewSink(kind, "stream", kind)
	}
	p, err := e.NewRTPPeer(DuplexMedia{Sources: sources, Sinks: sinks}, cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		p.Close()
		for _, s := range sources {
			s.Close()
		}
	})
	return p
}

// Descriptions as programs in use write them.
const (
	ffmpegSDP = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=No Name\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\na=tool:libavformat 59.27.100\r\n" +
		"m=video 5004 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n" +
		"a=fmtp:96 packetization-mode=1; sprop-parameter-sets=Z0LAHtkDxWhAAAADAEAAAAwDxYuS,aMuDyyA=; profile-level-id=42C01E\r\n" +
		"m=audio 5006 RTP/AVP 97\r\nb=AS:96\r\na=rtpmap:97 opus/48000/2\r\n"
	gstreamerSDP = "v=0\r\no=- 1188340656180883 1 IN IP4 192.0.2.7\r\ns=Session streamed by GStreamer\r\ni=server\r\nt=0 0\r\n" +
		"a=tool:GStreamer\r\na=type:broadcast\r\nm=video 5000 RTP/AVPF 96\r\nc=IN IP4 192.0.2.7\r\nb=AS:2000\r\n" +
		"a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack pli\r\na=framerate:30\r\na=rtcp:5005 IN IP4 192.0.2.7\r\n"
	cryptoSDP = "v=0\r\no=- 1 1 IN IP4 198.51.100.4\r\ns=call\r\nc=IN IP4 198.51.100.4\r\nt=0 0\r\n" +
		"m=audio 11424 RTP/SAVP 9 0 8 101\r\na=rtpmap:9 G722/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\n" +
		"a=crypto:1 UNKNOWN_SUITE inline:AAAA\r\n" +
		"a=crypto:2 AES_128_CM_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20\r\na=ptime:20\r\na=sendrecv\r\n" +
		"m=video 0 RTP/AVP 31\r\n"
)

func TestRTPPeer_AnswersRealPrograms(t *testing.T) {
	e := newTestEngine(t)
	for name, c := range map[string]struct {
		offer string
		want  []string
	}{
		"ffmpeg": {ffmpegSDP, []string{
			" RTP/AVP 96\r\n", "a=rtpmap:96 H264/90000\r\n", "a=rtpmap:97 opus/48000/2\r\n", "a=sendrecv\r\n",
		}},
		"GStreamer": {gstreamerSDP, []string{" RTP/AVPF 96\r\n", "a=rtcp-fb:96 nack pli\r\n"}},
		"a telephone": {cryptoSDP, []string{
			" RTP/SAVP 9\r\n", "a=rtpmap:9 G722/8000\r\n", "a=crypto:2 AES_128_CM_HMAC_SHA1_80 inline:", "m=video 0 RTP/AVP 31\r\n",
		}},
	} {
		answer, err := newRTPTestPeer(t, e, RTPConfig{}).Answer(c.offer)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(answer, want) {
				t.Errorf("%s: %q is missing in\n%s", name, want, answer)
			}
		}
	}
}

func TestRTPPeer_BandwidthAndAddresses(t *testing.T) {
	e := newTestEngine(t)
	offer, err := newRTPTestPeer(t, e, RTPConfig{Audio: 40, Video: 500}).Offer(KindsOf())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"c=IN IP4 127.0.0.1\r\n", "b=AS:40\r\n", "b=AS:500\r\n"} {
		if !strings.Contains(offer, want) {
			t.Errorf("%q is missing in\n%s", want, offer)
		}
	}
	e.rtp.network.PublicIPs = []string{"2001:db8::1", "203.0.113.9"}
	offer, err = newRTPTestPeer(t, e, RTPConfig{}).Offer([]string{control.KindAudio})
	if err != nil || !strings.Contains(offer, "c=IN IP4 203.0.113.9\r\n") {
		t.Errorf("offer %s, %v", offer, err)
	}
}

// Whatever comes as a description, it is answered or refused, and leaves no socket behind.
func FuzzRTPPeer(f *testing.F) {
	for _, seed := range []string{ffmpegSDP, gstreamerSDP, cryptoSDP, "", "v=0\r\n"} {
		f.Add(seed)
	}
	e := newTestEngine(f)
	key := rtpsocket.NewKey(rtpsocket.AES128SHA80)
	f.Fuzz(func(t *testing.T, text string) {
		peer := newRTPTestPeer(t, e, RTPConfig{})
		if answer, err := peer.Answer(text); err == nil {
			if _, err := parseRTPDescription(answer); err != nil {
				t.Errorf("the answer cannot be read: %v\n%s", err, answer)
			}
		} else if !errors.Is(err, ErrSDP) && !errors.Is(err, ErrNoMedia) {
			t.Errorf("error %v", err)
		}
		offering := newRTPTestPeer(t, e, RTPConfig{Key: &key})
		if _, err := offering.Offer(KindsOf()); err != nil {
			t.Fatal(err)
		}
		if err := offering.Accept(text); err != nil && !errors.Is(err, ErrSDP) && !errors.Is(err, ErrNoMedia) {
			t.Errorf("error %v", err)
		}
	})
}

func TestReception_CountsAsRFC3550(t *testing.T) {
	var r reception
	if got := r.report(); got != (Reception{}) {
		t.Errorf("before any packet: %+v", got)
	}
	at := time.Unix(1000, 0)
	for _, sequence := range []uint16{65534, 65535, 1, 2, 2, 5} { // 0, 3 and 4 are lost, 2 comes twice
		r.arrived(7, sequence, 0, 90000, at)
	}
	got := r.report()
	if got.SSRC != 7 || got.Highest != 1<<16+5 || got.Expected != 8 || got.Lost != 2 {
		t.Errorf("report %+v", got)
	}
	if share := lossSince(Reception{SSRC: 7, Expected: 4, Lost: 1}, got); share != 64 {
		t.Errorf("%d of 256 lost", share)
	}
}

// Encoders spell the constrained baseline profile of H.264 in several ways.
func TestCodec_ConstrainedBaseline(t *testing.T) {
	of := func(profile string) Codec {
		return Codec{MIME: "video/H264", ClockRate: 90000, Format: "packetization-mode=1;profile-level-id=" + profile}
	}
	for profile, same := range map[string]bool{
		"42C01E": true, "42e034": true, "4d801f": true, "58c01f": true, "42001f": false, "4d001f": false, "64001f": false, "zz": false, "zzzzzz": false,
	} {
		if of("42e01f").matches(of(profile)) != same {
			t.Errorf("%s is the same as 42e01f: %v", profile, !same)
		}
	}
}
