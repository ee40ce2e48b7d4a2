package rtc

import (
	"io"
	"testing"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"github.com/orkestro/orkestro/pkg/control"
)

// boundTrack is what Pion says of a track.
type boundTrack struct {
	codecs  []webrtc.RTPCodecParameters
	repairs webrtc.SSRC
}

func (b boundTrack) CodecParameters() []webrtc.RTPCodecParameters { return b.codecs }
func (b boundTrack) HeaderExtensions() []webrtc.RTPHeaderExtensionParameter {
	return []webrtc.RTPHeaderExtensionParameter{{URI: extensionTWCC, ID: testExtension}}
}
func (b boundTrack) SSRC() webrtc.SSRC                       { return 7 }
func (b boundTrack) SSRCRetransmission() webrtc.SSRC         { return b.repairs }
func (b boundTrack) SSRCForwardErrorCorrection() webrtc.SSRC { return 0 }
func (b boundTrack) WriteStream() webrtc.TrackLocalWriter    { return &pionWay{} }
func (b boundTrack) ID() string                              { return "bound" }
func (b boundTrack) RTCPReader() interceptor.RTCPReader {
	return interceptor.RTCPReaderFunc(func([]byte, interceptor.Attributes) (int, interceptor.Attributes, error) {
		return 0, nil, io.EOF
	})
}

// Packets that come again under their old numbers are what they were to the bit: a number of the connection's own in
// them would be another one each time.
func TestBind_NumbersOnlyWhatComesAgainByRTX(t *testing.T) {
	vp8 := videoCodecs()[0]
	for _, c := range []struct {
		name    string
		bound   boundTrack
		numbers bool
	}{
		{"with RTX", boundTrack{[]webrtc.RTPCodecParameters{vp8, rtxFor(vp8)}, 8}, true},
		{"without RTX", boundTrack{[]webrtc.RTPCodecParameters{vp8}, 8}, false},
		{"without an SSRC for RTX", boundTrack{[]webrtc.RTPCodecParameters{vp8, rtxFor(vp8)}, 0}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := &peer{shaper: &shaper{}, short: &shortcut{path: &path{}}}
			sink := NewSink(control.KindVideo, "cam", "track")
			sink.wanted = vp8Codec()
			if _, err := p.track(sink).Bind(c.bound); err != nil {
				t.Fatal(err)
			}
			out := sink.out.Load()
			if _, numbered := out.Writer.(*numberedWriter); numbered != c.numbers || (out.again != nil) != c.numbers {
				t.Errorf("numbers %v, comes again by RTX %v", numbered, out.again != nil)
			}
		})
	}
}

// A track that follows its source to another codec has another payload type then: what it sent before, under the old
// one, does not come again.
func TestNACK_OfAnotherCodec_IsNotAnswered(t *testing.T) {
	s := (&Engine{}).NewSource(control.KindVideo)
	t.Cleanup(s.Close)
	c := &counting{sent: map[uint64]string{}}
	out := Output{Codec: vp8Codec(), PayloadType: 96, SSRC: 7, Writer: c}
	takeFormats(&out, videoCodecs())
	sink := NewSink(control.KindVideo, "cam", "track")
	sink.Attach(s)
	sink.Bind(out)
	for i, codec := range videoCodecs()[:2] {
		feed := s.OpenFeed(FeedConfig{Codec: newCodec(codec.RTPCodecCapability)})
		for number := range uint16(5) {
			header := rtp.Header{Version: 2, SSRC: uint32(i), SequenceNumber: number, Timestamp: uint32(number)}
			raw, err := (&rtp.Packet{Header: header, Payload: []byte{0x61, 0xe0, byte(number)}}).Marshal()
			if err != nil {
				t.Fatal(err)
			}
			feed.Write(raw, time.Now())
		}
	}
	if len(c.sent) != 10 {
		t.Fatalf("%d packets were sent", len(c.sent))
	}
	for number := range c.sent {
		sink.Feedback([]rtcp.Packet{&rtcp.TransportLayerNack{
			MediaSSRC: 7, Nacks: rtcp.NackPairsFromSequenceNumbers([]uint16{uint16(number)}),
		}})
	}
	if c.fault != "" {
		t.Error(c.fault)
	}
	if got := sink.Sent().Packets; got != 15 {
		t.Errorf("%d packets, want those of the second codec again", got)
	}
}
