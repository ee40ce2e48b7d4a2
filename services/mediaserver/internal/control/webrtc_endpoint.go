package control

import (
	"context"
	"maps"
	"math"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/services/mediaserver/internal/media"
	"github.com/orkestro/orkestro/services/mediaserver/internal/rtc"
)

func createWebRTCEndpoint(r *registry) constructor {
	return func(p params) (media.Object, error) {
		pipeline, err := r.pipelineOf(p)
		if err != nil {
			return nil, err
		}
		var wanted media.WebRTCEndpointParams
		for name, target := range map[string]*bool{
			"recvonly": &wanted.RecvOnly, "sendonly": &wanted.SendOnly, "useDataChannels": &wanted.UseDataChannels,
		} {
			if *target, err = optional(p, name, false); err != nil {
				return nil, err
			}
		}
		if wanted.RSA, err = wantsRSA(p); err != nil {
			return nil, err
		}
		return pipeline.NewWebRTCEndpoint(wanted)
	}
}

// webRTCEndpoint is what WebRtcEndpoint adds to BaseRtpEndpoint. STUN and TURN servers are kept and given back: the
// server is reached on its own port.
func webRTCEndpoint(r *registry) trait {
	operations := map[string]operation{
		"gatherCandidates": on(func(ctx context.Context, e *media.WebRTCEndpoint, _ params) (any, error) {
			return nil, e.GatherCandidates(ctx)
		}),
		"addIceCandidate": on(func(ctx context.Context, e *media.WebRTCEndpoint, p params) (any, error) {
			candidate, err := required[control.Candidate](p, "candidate")
			if err != nil {
				return nil, err
			}
			return nil, e.AddICECandidate(ctx, candidate)
		}),
		"createDataChannel": on(createDataChannel),
		"closeDataChannel": on(func(ctx context.Context, e *media.WebRTCEndpoint, p params) (any, error) {
			id, err := required[int](p, "channelId")
			if err != nil {
				return nil, err
			}
			return nil, e.CloseDataChannel(ctx, id)
		}),
		"getICECandidatePairs": onWebRTC(func(e *media.WebRTCEndpoint) any { return e.CandidatePairs() }),
		"getIceConnectionState": onWebRTC(func(e *media.WebRTCEndpoint) any {
			return connectionState("IceConnection", "componentId", 1, e.ICEConnectionState())
		}),
		"getDtlsConnectionState": onWebRTC(func(e *media.WebRTCEndpoint) any {
			return connectionState("DtlsConnection", "componentId", "1", e.DTLSConnectionState())
		}),
	}
	for _, name := range []string{"stunServerAddress", "turnUrl"} {
		maps.Copy(operations, stored(r.properties, name, ""))
	}
	maps.Copy(operations, stored(r.properties, "stunServerPort", defaultSTUNPort))
	maps.Copy(operations, iceSettings(r))
	return trait{operations: operations, events: []string{
		media.EventIceCandidateFound, media.EventIceGatheringDone, media.EventIceComponentStateChanged,
		media.EventNewCandidatePairSelected, media.EventDtlsConnectionStateChange, media.EventDataChannelOpened,
		media.EventDataChannelClosed,
	}}
}

// defaultSTUNPort is that of RFC 8489.
const defaultSTUNPort = 3478

// connectionState is the protocol's list of states: there is one stream with one component.
func connectionState(register, component string, id any, state string) []map[string]any {
	return []map[string]any{{
		"__module__": "kurento", "__type__": register, "streamId": "1", component: id, "state": state,
	}}
}

// channelOptions are the parameters of createDataChannel. Kurento's clients send -1 for a limit that is not wanted.
type channelOptions struct {
	Label             string `json:"label"`
	Ordered           *bool  `json:"ordered"`
	MaxPacketLifeTime *int   `json:"maxPacketLifeTime"`
	MaxRetransmits    *int   `json:"maxRetransmits"`
	Protocol          string `json:"protocol"`
}

func createDataChannel(ctx context.Context, e *media.WebRTCEndpoint, p params) (any, error) {
	options, err := decode[channelOptions](p)
	if err != nil {
		return nil, err
	}
	return nil, e.CreateDataChannel(ctx, rtc.ChannelOptions{
		Label: options.Label, Ordered: options.Ordered == nil || *options.Ordered,
		MaxPacketLifeTime: limit(options.MaxPacketLifeTime), MaxRetransmits: limit(options.MaxRetransmits),
		Protocol: options.Protocol,
	})
}

// limit is a limit of a data channel, nil for none.
func limit(value *int) *uint16 {
	if value == nil || *value < 0 {
		return nil
	}
	bounded := uint16(min(*value, math.MaxUint16))
	return &bounded
}

// onWebRTC is an operation of a WebRtcEndpoint without parameters that cannot fail.
func onWebRTC(get func(*media.WebRTCEndpoint) any) operation {
	return on(func(_ context.Context, e *media.WebRTCEndpoint, _ params) (any, error) { return get(e), nil })
}
