package harness

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/pion/webrtc/v4"
	"github.com/pion/webrtc/v4/pkg/media"
)

// frameInterval is 50 frames a second: enough to count quickly, little enough for two shared cores.
const frameInterval = 20 * time.Millisecond

// frameBytes is the size of a generated frame: one packet.
const frameBytes = 400

// NewPeerConnection is a client's connection on the loopback interface.
func NewPeerConnection() (*webrtc.PeerConnection, error) {
	return newPeerConnection((*webrtc.MediaEngine).RegisterDefaultCodecs, from(loopback))
}

func newPeerConnection(
	register func(*webrtc.MediaEngine) error, adjust func(*webrtc.SettingEngine),
) (*webrtc.PeerConnection, error) {
	settings := webrtc.SettingEngine{}
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetICEMulticastDNSMode(1) // disabled: host candidates are wanted
	settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	adjust(&settings)
	codecs := &webrtc.MediaEngine{}
	if err := register(codecs); err != nil {
		return nil, err
	}
	return webrtc.NewAPI(webrtc.WithMediaEngine(codecs), webrtc.WithSettingEngine(settings)).
		NewPeerConnection(webrtc.Configuration{})
}

// registerOurCodecs registers those of the generated media, with the feedback and the payload types that Pion gives them.
func registerOurCodecs(codecs *webrtc.MediaEngine) error {
	feedback := []webrtc.RTCPFeedback{
		{Type: "goog-remb"}, {Type: "ccm", Parameter: "fir"}, {Type: "nack"}, {Type: "nack", Parameter: "pli"},
	}
	video := webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8, ClockRate: 90000, RTCPFeedback: feedback}
	audio := webrtc.RTPCodecCapability{
		MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2, SDPFmtpLine: "minptime=10;useinbandfec=1",
	}
	return errors.Join(
		codecs.RegisterCodec(webrtc.RTPCodecParameters{RTPCodecCapability: video, PayloadType: 96}, webrtc.RTPCodecTypeVideo),
		codecs.RegisterCodec(webrtc.RTPCodecParameters{RTPCodecCapability: audio, PayloadType: 111}, webrtc.RTPCodecTypeAudio))
}

// from has a connection use one local address only.
func from(address string) func(*webrtc.SettingEngine) {
	return func(s *webrtc.SettingEngine) {
		s.SetIPFilter(func(ip net.IP) bool { return ip.String() == address })
	}
}

// source is generated media under one msid: a VP8 and an Opus track.
type source struct {
	every  time.Duration // between two frames of a track
	tracks []*webrtc.TrackLocalStaticSample
}

func newSource(msid string, every time.Duration) (*source, error) {
	video, err := webrtc.NewTrackLocalStaticSample(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8}, "video", msid)
	if err != nil {
		return nil, err
	}
	audio, err := webrtc.NewTrackLocalStaticSample(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus}, "audio", msid)
	if err != nil {
		return nil, err
	}
	return &source{every: every, tracks: []*webrtc.TrackLocalStaticSample{video, audio}}, nil
}

// run sends until ctx ends.
func (s *source) run(ctx context.Context) {
	frame := KeyFrame(frameBytes)
	ticker := time.NewTicker(s.every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		for _, track := range s.tracks {
			// An error means that nobody is connected: nothing to do about it.
			_ = track.WriteSample(media.Sample{Data: frame, Duration: s.every})
		}
	}
}

// KeyFrame is n bytes that a forwarding server takes for a VP8 key frame. They are no picture: it does not look at them
// beyond the header, whose first bytes these are (RFC 6386 section 9.1).
func KeyFrame(n int) []byte {
	frame := make([]byte, n)
	copy(frame, []byte{0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xf0, 0x00})
	return frame
}
