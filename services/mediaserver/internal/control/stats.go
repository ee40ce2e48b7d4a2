package control

import (
	"context"
	"strconv"
	"strings"
	"time"
)

// getStats is a map of the statistics' ids to what is counted: of the protocol's types inboundrtp and outboundrtp, as
// far as a forwarding server counts.
func getStats(_ context.Context, e element, p params) (any, error) {
	kinds, err := mediaTypes(p)
	if err != nil {
		return nil, err
	}
	report := map[string]any{}
	now := time.Now().UnixMilli()
	for _, s := range e.Stats(kinds...) {
		ssrc := strconv.FormatUint(uint64(s.SSRC), 10)
		direction, register, verb := "outboundrtp", "RTCOutboundRTPStreamStats", "Sent"
		if s.Inbound {
			direction, register, verb = "inboundrtp", "RTCInboundRTPStreamStats", "Received"
		}
		id := direction + "_" + strings.ToLower(string(s.Kind)) + "_" + ssrc
		report[id] = map[string]any{
			"__module__": "kurento", "__type__": register,
			"id": id, "type": direction, "timestampMillis": now, "ssrc": ssrc,
			"packets" + verb: s.Packets, "bytes" + verb: s.Bytes, "nackCount": s.NACKs, "pliCount": s.PLIs, "firCount": 0,
		}
	}
	return report, nil
}
