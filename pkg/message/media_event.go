package message

import "github.com/orkestro/orkestro/pkg/control"

// Types of media events, published by a media server to the queue of the session that the pipeline is tagged with.
const (
	TypeMediaOffer     = "media-offer"     // MediaOffer
	TypeMediaState     = "media-state"     // MediaState
	TypeMediaCandidate = "media-candidate" // MediaCandidate
	TypeMediaQuality   = "media-quality"   // MediaQuality
	TypeMediaSpeakers  = "media-speakers"  // MediaSpeakers
)

// EndpointEvent names the endpoint that an event is about. Every media event begins with it.
type EndpointEvent struct {
	Presence
	Kind     control.ConnectionKind `json:"kind"`
	Epoch    int64                  `json:"epoch"`
	Pipeline string                 `json:"pipeline"`
	Endpoint string                 `json:"endpoint"`
}

// MediaOffer is a new offer of a subscribe endpoint; Seq counts its offers from 1.
type MediaOffer struct {
	EndpointEvent
	Seq int64  `json:"seq"`
	SDP string `json:"sdp"`
}

// MediaState is a change of an endpoint's connection state. Number counts the events of the endpoint from 1, so that an
// older one that arrives late is recognised.
type MediaState struct {
	EndpointEvent
	Number int64                   `json:"number"`
	State  control.ConnectionState `json:"state"`
}

// MediaCandidate is a candidate of the media server that its SDP did not hold yet, or the end of them.
type MediaCandidate struct {
	EndpointEvent
	Candidate *control.Candidate `json:"candidate,omitempty"`
	End       bool               `json:"end,omitempty"`
}

// MediaQuality says what a subscribe endpoint sends of each video stream now. Only the one with the highest Number
// counts: it holds everything. Numbers are milliseconds of the clock, so that those of a later endpoint are higher.
type MediaQuality struct {
	EndpointEvent
	Number    int64                   `json:"number"`
	Bandwidth int64                   `json:"bandwidth"` // estimated to reach the client, bits per second; 0: unknown
	Streams   []control.StreamQuality `json:"streams"`
}

// MediaSpeakers says who speaks in a pipeline now, loudest first; none: nobody. Number is as in
// [MediaQuality].
type MediaSpeakers struct {
	Epoch    int64              `json:"epoch"`
	Pipeline string             `json:"pipeline"`
	Number   int64              `json:"number"`
	Streams  []control.StreamID `json:"streams"`
}
