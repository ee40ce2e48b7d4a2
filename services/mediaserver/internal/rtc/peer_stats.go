package rtc

import (
	"strings"
	"time"

	"github.com/pion/webrtc/v4"
)

// ConnectionStats is what is known of the transport of a connection. The states and types are W3C's, without the
// hyphens.
type ConnectionStats struct {
	BytesSent, BytesReceived uint64
	Selected                 string // id of the candidate pair in use, "": none yet
	Pairs                    []PairStats
	Local, Remote            []CandidateStats
	Channels                 []ChannelStats
}

// PairStats is of one candidate pair.
type PairStats struct {
	ID, Local, Remote        string // ids
	State                    string
	Nominated                bool
	BytesSent, BytesReceived uint64
	RoundTrip                time.Duration
}

// CandidateStats is of one candidate.
type CandidateStats struct {
	ID, Address, Protocol, Type string
	Port                        int
	Priority                    int64
}

// ChannelStats is of one data channel.
type ChannelStats struct {
	ID                             string
	Number                         int
	Label, Protocol, State         string
	MessagesSent, MessagesReceived uint64
	BytesSent, BytesReceived       uint64
}

// Stats counts. It looks at everything there is: not for every second.
func (p *DuplexPeer) Stats() ConnectionStats {
	var stats ConnectionStats
	for _, entry := range p.pc.GetStats() {
		stats.add(entry)
	}
	// Media leaves past the counters of Pion, see shortcut.
	for _, sink := range p.media.Sinks {
		stats.BytesSent += sink.Sent().Bytes
	}
	return stats
}

func (s *ConnectionStats) add(entry webrtc.Stats) {
	switch entry := entry.(type) {
	case webrtc.TransportStats:
		s.BytesSent += entry.BytesSent
		s.BytesReceived += entry.BytesReceived
	case webrtc.ICECandidatePairStats:
		s.Pairs = append(s.Pairs, PairStats{
			ID: entry.ID, Local: entry.LocalCandidateID, Remote: entry.RemoteCandidateID,
			State: runTogether(string(entry.State)), Nominated: entry.Nominated,
			BytesSent: entry.BytesSent, BytesReceived: entry.BytesReceived,
			RoundTrip: time.Duration(entry.CurrentRoundTripTime * float64(time.Second)),
		})
		if entry.Nominated && entry.State == webrtc.StatsICECandidatePairStateSucceeded {
			s.Selected = entry.ID
		}
	case webrtc.ICECandidateStats:
		candidate := CandidateStats{
			ID: entry.ID, Address: entry.IP, Port: int(entry.Port), Protocol: entry.Protocol,
			Type: candidateType(entry.CandidateType), Priority: int64(uint32(entry.Priority)),
		}
		if entry.Type == webrtc.StatsTypeLocalCandidate {
			s.Local = append(s.Local, candidate)
		} else {
			s.Remote = append(s.Remote, candidate)
		}
	case webrtc.DataChannelStats:
		s.Channels = append(s.Channels, ChannelStats{
			ID: entry.ID, Number: int(entry.DataChannelIdentifier), Label: entry.Label, Protocol: entry.Protocol,
			State: entry.State.String(), MessagesSent: uint64(entry.MessagesSent), BytesSent: entry.BytesSent,
			MessagesReceived: uint64(entry.MessagesReceived), BytesReceived: entry.BytesReceived,
		})
	}
}

func runTogether(text string) string { return strings.ReplaceAll(text, "-", "") }

func candidateType(t webrtc.ICECandidateType) string {
	switch t {
	case webrtc.ICECandidateTypeSrflx:
		return "serverreflexive"
	case webrtc.ICECandidateTypePrflx:
		return "peerreflexive"
	case webrtc.ICECandidateTypeRelay:
		return "relayed"
	default:
		return "host"
	}
}
