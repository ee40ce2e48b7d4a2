package rtc

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/report"
	"github.com/pion/interceptor/pkg/twcc"
	"github.com/pion/webrtc/v4"
)

// Header extensions that are understood. The others are not negotiated, so that nobody sends them: a sender that may
// not write how its video is to be turned, for one, turns it itself, which every receiver and every file understands.
// Audio level and Dependency Descriptor are forwarded.
const (
	extensionMID        = "urn:ietf:params:rtp-hdrext:sdes:mid"
	extensionAudioLevel = "urn:ietf:params:rtp-hdrext:ssrc-audio-level" // RFC 6464
	extensionRID        = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
	extensionRepairRID  = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"
	extensionDependency = "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"
	extensionTWCC       = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
)

// audioCodecs and videoCodecs are what can be forwarded, best first: Kurento endpoints answer in this order.
func audioCodecs() []webrtc.RTPCodecParameters {
	return []webrtc.RTPCodecParameters{
		codec(webrtc.MimeTypeOpus, 48000, 2, "minptime=10;useinbandfec=1", 111),
		codec(webrtc.MimeTypeG722, 8000, 0, "", 9),
		codec(webrtc.MimeTypePCMU, 8000, 0, "", 0),
		codec(webrtc.MimeTypePCMA, 8000, 0, "", 8),
	}
}

func videoCodecs() []webrtc.RTPCodecParameters {
	h264 := func(mode int, profile string, payload webrtc.PayloadType) webrtc.RTPCodecParameters {
		line := fmt.Sprintf("level-asymmetry-allowed=1;packetization-mode=%d;profile-level-id=%s", mode, profile)
		return codec(webrtc.MimeTypeH264, 90000, 0, line, payload)
	}
	return []webrtc.RTPCodecParameters{
		codec(webrtc.MimeTypeVP8, 90000, 0, "", 96),
		h264(1, "42e01f", 106),
		h264(0, "42e01f", 108),
		h264(1, "42001f", 102),
		h264(0, "42001f", 104),
		h264(1, "4d001f", 127),
		h264(1, "64001f", 112),
		codec(webrtc.MimeTypeVP9, 90000, 0, "profile-id=0", 98),
		codec(webrtc.MimeTypeVP9, 90000, 0, "profile-id=2", 100),
		codec(webrtc.MimeTypeAV1, 90000, 0, "", 45),
	}
}

func codec(mime string, clock uint32, channels uint16, line string, payload webrtc.PayloadType,
) webrtc.RTPCodecParameters {
	var feedback []webrtc.RTCPFeedback
	if strings.HasPrefix(mime, "video/") {
		feedback = []webrtc.RTCPFeedback{
			{Type: webrtc.TypeRTCPFBCCM, Parameter: "fir"},
			{Type: webrtc.TypeRTCPFBNACK},
			{Type: webrtc.TypeRTCPFBNACK, Parameter: "pli"},
			{Type: webrtc.TypeRTCPFBTransportCC},
			{Type: webrtc.TypeRTCPFBGoogREMB},
		}
	}
	return webrtc.RTPCodecParameters{
		RTPCodecCapability: webrtc.RTPCodecCapability{
			MimeType: mime, ClockRate: clock, Channels: channels, SDPFmtpLine: line, RTCPFeedback: feedback,
		},
		PayloadType: payload,
	}
}

// role is what peer connections of one use have in common.
type role struct {
	name     string
	engine   *webrtc.MediaEngine
	registry *interceptor.Registry
	sends    bool
	// certificates take the place of the engine's, nil: they do not.
	certificates []webrtc.Certificate
}

// api makes one peer connection, whose media leaves by s.
func (r role) api(settings webrtc.SettingEngine, s *shortcut) *webrtc.API {
	settings.SetICEBindingRequestHandler(s.path.follow)
	s.keys.observe(&settings)
	return webrtc.NewAPI(webrtc.WithMediaEngine(r.engine), webrtc.WithSettingEngine(settings),
		webrtc.WithInterceptorRegistry(r.registry))
}

// newPublishRole receives: it acknowledges packets for the sender's bandwidth estimate (transport-wide congestion
// control), takes those that came again as RTX (RFC 4588) too, and reports (RFC 3550 section 6.4.2). A [Source] asks
// for lost ones.
func newPublishRole() (role, error) {
	engine, err := newMediaEngine(true)
	if err != nil {
		return role{}, err
	}
	registry, err := receiverInterceptors()
	return role{name: "publish", engine: engine, registry: registry, sends: false}, err
}

// newSubscribeRole only sends.
func newSubscribeRole() (role, error) {
	engine, err := newMediaEngine(false)
	return role{name: "subscribe", engine: engine, registry: &interceptor.Registry{}, sends: true}, err
}

// newDuplexRole does both on one connection, for Kurento endpoints.
func newDuplexRole() (role, error) {
	engine, err := newMediaEngine(false)
	if err != nil {
		return role{}, err
	}
	if err := registerReceiving(engine); err != nil {
		return role{}, err
	}
	engine.RegisterFeedback(webrtc.RTCPFeedback{Type: webrtc.TypeRTCPFBGoogREMB}, webrtc.RTPCodecTypeVideo)
	registry, err := receiverInterceptors()
	return role{name: "both", engine: engine, registry: registry, sends: true}, err
}

func newMediaEngine(receiving bool) (*webrtc.MediaEngine, error) {
	engine := &webrtc.MediaEngine{}
	for _, kind := range KindsOf() {
		for _, c := range withCompanions(kind) {
			if err := engine.RegisterCodec(c, webrtc.NewRTPCodecType(kind)); err != nil {
				return nil, fmt.Errorf("register %s %s: %w", c.MimeType, c.SDPFmtpLine, err)
			}
		}
	}
	if err := registerExtension(engine, extensionAudioLevel, webrtc.RTPCodecTypeAudio); err != nil {
		return nil, err
	}
	for _, uri := range []string{extensionTWCC, extensionDependency} {
		if err := registerExtension(engine, uri, webrtc.RTPCodecTypeVideo); err != nil {
			return nil, err
		}
	}
	if !receiving {
		return engine, nil
	}
	return engine, registerReceiving(engine)
}

func registerReceiving(engine *webrtc.MediaEngine) error {
	engine.RegisterFeedback(webrtc.RTCPFeedback{Type: webrtc.TypeRTCPFBTransportCC}, webrtc.RTPCodecTypeAudio)
	for _, kind := range []webrtc.RTPCodecType{webrtc.RTPCodecTypeAudio, webrtc.RTPCodecTypeVideo} {
		for _, uri := range []string{extensionMID, extensionTWCC} {
			if err := registerExtension(engine, uri, kind); err != nil {
				return err
			}
		}
	}
	// A sender that offered layers names no SSRC: its packets tell by these two what they are (RFC 8852).
	for _, uri := range []string{extensionRID, extensionRepairRID} {
		if err := registerExtension(engine, uri, webrtc.RTPCodecTypeVideo); err != nil {
			return err
		}
	}
	return nil
}

func registerExtension(engine *webrtc.MediaEngine, uri string, kind webrtc.RTPCodecType) error {
	if err := engine.RegisterHeaderExtension(webrtc.RTPHeaderExtensionCapability{URI: uri}, kind); err != nil {
		return fmt.Errorf("register %s: %w", uri, err)
	}
	return nil
}

func receiverInterceptors() (*interceptor.Registry, error) {
	reports, err := report.NewReceiverInterceptor()
	if err != nil {
		return nil, fmt.Errorf("receiver reports: %w", err)
	}
	feedback, err := twcc.NewSenderInterceptor()
	if err != nil {
		return nil, fmt.Errorf("congestion feedback: %w", err)
	}
	registry := &interceptor.Registry{}
	registry.Add(reports)
	registry.Add(feedback)
	return registry, nil
}

// Codec is what a track is encoded with.
type Codec struct {
	MIME      string // "video/VP8"
	ClockRate uint32 // Hz
	Channels  uint16
	Format    string // the fmtp line
}

func newCodec(c webrtc.RTPCodecCapability) Codec {
	return Codec{MIME: c.MimeType, ClockRate: c.ClockRate, Channels: c.Channels, Format: c.SDPFmtpLine}
}

// matches says whether a receiver of c can decode what is encoded as other: the same format, where a format has
// profiles or modes (RFC 6184 section 8.1, RFC 9628 section 7).
func (c Codec) matches(other Codec) bool {
	if !strings.EqualFold(c.MIME, other.MIME) || c.ClockRate != other.ClockRate {
		return false
	}
	switch {
	case strings.EqualFold(c.MIME, webrtc.MimeTypeH264):
		return c.parameter("packetization-mode", "0") == other.parameter("packetization-mode", "0") &&
			h264Profile(c.parameter("profile-level-id", "420010")) == h264Profile(other.parameter("profile-level-id", "420010"))
	case strings.EqualFold(c.MIME, webrtc.MimeTypeVP9):
		return c.parameter("profile-id", "0") == other.parameter("profile-id", "0")
	default:
		return true
	}
}

func (c Codec) parameter(name, fallback string) string {
	for part := range strings.SplitSeq(c.Format, ";") {
		key, value, found := strings.Cut(strings.TrimSpace(part), "=")
		if found && strings.EqualFold(key, name) {
			return value
		}
	}
	return fallback
}

// h264Profile leaves the level away: it says how much, not how. The constrained baseline profile has several spellings
// (RFC 6184 section 8.1, table 5).
func h264Profile(profileLevelID string) string {
	if len(profileLevelID) < 4 {
		return ""
	}
	profile, err := strconv.ParseUint(profileLevelID[:4], 16, 16)
	if err != nil {
		return ""
	}
	switch {
	case profile&0xff4f == 0x4240, profile&0xff8f == 0x4d80, profile&0xffcf == 0x58c0:
		return "constrained baseline"
	default:
		return strings.ToLower(profileLevelID[:4])
	}
}

// find is the entry of list that c is to be sent as.
func (c Codec) find(list []webrtc.RTPCodecParameters) (webrtc.RTPCodecParameters, bool) {
	for _, candidate := range list {
		if newCodec(candidate.RTPCodecCapability).matches(c) {
			return candidate, true
		}
	}
	return webrtc.RTPCodecParameters{}, false
}
