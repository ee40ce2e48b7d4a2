package control

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/orkestro/orkestro/services/mediaserver/internal/media"
	"github.com/orkestro/orkestro/services/mediaserver/internal/rtc"
)

const (
	registerModule = "kurento"
	statsTransport = "transport" // id of the one transport
)

// transported is an element with a transport of which there are statistics.
type transported interface {
	ConnectionStats(ctx context.Context) (rtc.ConnectionStats, error)
}

// statsReport is a map of the statistics' ids to what is counted, each a register type of the protocol.
type statsReport struct {
	millis  int64
	entries map[string]any
}

// add puts in an entry.
func (r *statsReport) add(id, kind, register string, members map[string]any) {
	members["__module__"], members["__type__"] = registerModule, register
	members["id"], members["type"], members["timestampMillis"] = id, kind, r.millis
	r.entries[id] = members
}

// getStats gives what is counted of the streams of the kinds asked for and, of an endpoint, of its transport.
func getStats(ctx context.Context, e element, p params) (any, error) {
	kinds, err := mediaTypes(p)
	if err != nil {
		return nil, err
	}
	report := &statsReport{millis: time.Now().UnixMilli(), entries: map[string]any{}}
	for _, s := range e.Stats(kinds...) {
		report.addStream(s)
	}
	report.addElement(e)
	if endpoint, ok := e.(transported); ok {
		connection, err := endpoint.ConnectionStats(ctx)
		if err != nil {
			return nil, err
		}
		report.addConnection(connection)
	}
	return report.entries, nil
}

func (r *statsReport) addStream(s media.StreamStats) {
	ssrc := strconv.FormatUint(uint64(s.SSRC), 10)
	members := map[string]any{
		"ssrc": ssrc, "transportId": statsTransport, "isRemote": false, "associateStatsId": "", "codecId": "",
		"mediaTrackId": "", "nackCount": s.NACKs, "pliCount": s.PLIs, "firCount": s.FIRs, "sliCount": 0,
		"remb": s.REMB, "packetsLost": s.Lost, "fractionLost": s.FractionLost,
	}
	kind, register := "outboundrtp", "RTCOutboundRTPStreamStats"
	if s.Inbound {
		kind, register = "inboundrtp", "RTCInboundRTPStreamStats"
		members["packetsReceived"], members["bytesReceived"] = s.Packets, s.Bytes
		members["jitter"] = s.Jitter.Seconds()
	} else {
		members["packetsSent"], members["bytesSent"] = s.Packets, s.Bytes
		members["targetBitrate"], members["roundTripTime"] = float64(s.REMB), s.RoundTrip.Seconds()
	}
	r.add(kind+"_"+strings.ToLower(string(s.Kind))+"_"+ssrc, kind, register, members)
}

// addElement puts in the latencies inside the server: none that would be measured, a packet is sent as it comes.
func (r *statsReport) addElement(e element) {
	members := map[string]any{"inputAudioLatency": 0, "inputVideoLatency": 0, "inputLatency": []any{}}
	if !slices.Contains(e.Hierarchy(), "kurento.Endpoint") {
		r.add(e.ID(), "element", "ElementStats", members)
		return
	}
	members["audioE2ELatency"], members["videoE2ELatency"], members["E2ELatency"] = 0, 0, []any{}
	r.add(e.ID(), "endpoint", "EndpointStats", members)
}

func (r *statsReport) addConnection(c rtc.ConnectionStats) {
	if len(c.Local) == 0 && len(c.Pairs) == 0 {
		return // not negotiated
	}
	r.add(statsTransport, "transport", "RTCTransportStats", map[string]any{
		"bytesSent": c.BytesSent, "bytesReceived": c.BytesReceived, "activeConnection": c.Selected != "",
		"selectedCandidatePairId": c.Selected, "rtcpTransportStatsId": "", "localCertificateId": "",
		"remoteCertificateId": "",
	})
	for _, p := range c.Pairs {
		r.add(p.ID, "candidatepair", "RTCIceCandidatePairStats", map[string]any{
			"transportId": statsTransport, "localCandidateId": p.Local, "remoteCandidateId": p.Remote,
			"state": p.State, "nominated": p.Nominated, "readable": p.State == "succeeded",
			"writable": p.State == "succeeded", "priority": 0, "bytesSent": p.BytesSent,
			"bytesReceived": p.BytesReceived, "roundTripTime": p.RoundTrip.Seconds(),
			"availableOutgoingBitrate": 0, "availableIncomingBitrate": 0,
		})
	}
	r.addCandidates("localcandidate", c.Local)
	r.addCandidates("remotecandidate", c.Remote)
	for _, d := range c.Channels {
		r.add(d.ID, "datachannel", "RTCDataChannelStats", map[string]any{
			"label": d.Label, "protocol": d.Protocol, "datachannelid": d.Number, "state": d.State,
			"messagesSent": d.MessagesSent, "bytesSent": d.BytesSent, "messagesReceived": d.MessagesReceived,
			"bytesReceived": d.BytesReceived,
		})
	}
}

func (r *statsReport) addCandidates(kind string, candidates []rtc.CandidateStats) {
	for _, c := range candidates {
		r.add(c.ID, kind, "RTCIceCandidateAttributes", map[string]any{
			"ipAddress": c.Address, "portNumber": c.Port, "transport": c.Protocol, "candidateType": c.Type,
			"priority": c.Priority, "addressSourceUrl": "",
		})
	}
}
