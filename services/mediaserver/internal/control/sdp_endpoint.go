package control

import (
	"context"
	"maps"

	"github.com/orkestro/orkestro/services/mediaserver/internal/media"
)

// sdpNegotiator is what the operations of SdpEndpoint need of an object.
type sdpNegotiator interface {
	media.Object
	GenerateOffer(ctx context.Context, audio, video bool) (string, error)
	ProcessOffer(ctx context.Context, offer string) (string, error)
	ProcessAnswer(ctx context.Context, answer string) (string, error)
	LocalDescription() (string, error)
	RemoteDescription() (string, error)
}

// rtpTransport is what the operations of BaseRtpEndpoint need of an object.
type rtpTransport interface {
	media.Object
	MediaState() string
	ConnectionState() string
	RequestKeyframe()
	Limits() media.Limits
	SetLimits(change func(*media.Limits)) error
}

// sdpEndpoint is what SessionEndpoint and SdpEndpoint add to MediaElement.
func sdpEndpoint() trait {
	operations := map[string]operation{
		"generateOffer": on(generateOffer),
		"processOffer": on(func(ctx context.Context, e sdpNegotiator, p params) (any, error) {
			offer, err := required[string](p, "offer")
			if err != nil {
				return nil, err
			}
			return e.ProcessOffer(ctx, offer)
		}),
		"processAnswer": on(func(ctx context.Context, e sdpNegotiator, p params) (any, error) {
			answer, err := required[string](p, "answer")
			if err != nil {
				return nil, err
			}
			return e.ProcessAnswer(ctx, answer)
		}),
		"getLocalSessionDescriptor": on(func(_ context.Context, e sdpNegotiator, _ params) (any, error) {
			return e.LocalDescription()
		}),
		"getRemoteSessionDescriptor": on(func(_ context.Context, e sdpNegotiator, _ params) (any, error) {
			return e.RemoteDescription()
		}),
	}
	maps.Copy(operations, bandwidth("maxAudioRecvBandwidth", func(l *media.Limits) *int { return &l.MaxAudioRecv }))
	maps.Copy(operations, bandwidth("maxVideoRecvBandwidth", func(l *media.Limits) *int { return &l.MaxVideoRecv }))
	return trait{
		operations: operations,
		events:     []string{media.EventMediaSessionStarted, media.EventMediaSessionTerminated},
	}
}

// offerOptions is the protocol's register type OfferOptions; what is missing is wanted.
type offerOptions struct {
	Audio *bool `json:"offerToReceiveAudio"`
	Video *bool `json:"offerToReceiveVideo"`
}

func generateOffer(ctx context.Context, e sdpNegotiator, p params) (any, error) {
	options, err := optional(p, "options", offerOptions{})
	if err != nil {
		return nil, err
	}
	return e.GenerateOffer(ctx, options.Audio == nil || *options.Audio, options.Video == nil || *options.Video)
}

// baseRTPEndpoint is what BaseRtpEndpoint adds. The settings of a packet layer are kept and given back.
func baseRTPEndpoint(r *registry) trait {
	operations := map[string]operation{
		"getMediaState":      onRTP(func(e rtpTransport) any { return e.MediaState() }),
		"getConnectionState": onRTP(func(e rtpTransport) any { return e.ConnectionState() }),
		"requestKeyframe":    onRTP(func(e rtpTransport) any { e.RequestKeyframe(); return nil }),
	}
	maps.Copy(operations, bandwidth("minVideoRecvBandwidth", func(l *media.Limits) *int { return &l.MinVideoRecv }))
	maps.Copy(operations, bandwidth("minVideoSendBandwidth", func(l *media.Limits) *int { return &l.MinVideoSend }))
	maps.Copy(operations, bandwidth("maxVideoSendBandwidth", func(l *media.Limits) *int { return &l.MaxVideoSend }))
	maps.Copy(operations, stored(r.properties, "mtu", defaultMTU))
	maps.Copy(operations, stored(r.properties, "rembParams", map[string]any{}))
	return trait{
		operations: operations,
		events:     []string{media.EventMediaStateChanged, media.EventConnectionStateChanged},
	}
}

// bandwidth are getter and setter of a limit in kbit/s.
func bandwidth(name string, of func(*media.Limits) *int) map[string]operation {
	return property(name,
		func(e rtpTransport) (any, error) {
			limits := e.Limits()
			return *of(&limits), nil
		},
		func(e rtpTransport, value int) error {
			return e.SetLimits(func(l *media.Limits) { *of(l) = value })
		})
}

// defaultMTU is Kurento's default for RTP packets, in bytes.
const defaultMTU = 1200

// onRTP is an operation of a BaseRtpEndpoint without parameters that cannot fail.
func onRTP(get func(rtpTransport) any) operation {
	return on(func(_ context.Context, e rtpTransport, _ params) (any, error) { return get(e), nil })
}
