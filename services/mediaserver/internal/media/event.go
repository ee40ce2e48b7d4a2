package media

import (
	"time"

	"github.com/orkestro/orkestro/pkg/control"
)

// Types of events. Those of the Kurento Protocol keep its names.
const (
	EventObjectCreated             = "ObjectCreated"
	EventObjectDestroyed           = "ObjectDestroyed"
	EventError                     = "Error"
	EventElementConnected          = "ElementConnected"
	EventElementDisconnected       = "ElementDisconnected"
	EventMediaFlowInStateChanged   = "MediaFlowInStateChanged"
	EventMediaFlowOutStateChanged  = "MediaFlowOutStateChanged"
	EventMediaSessionStarted       = "MediaSessionStarted"
	EventMediaSessionTerminated    = "MediaSessionTerminated"
	EventMediaStateChanged         = "MediaStateChanged"
	EventConnectionStateChanged    = "ConnectionStateChanged"
	EventIceCandidateFound         = "IceCandidateFound"
	EventIceGatheringDone          = "IceGatheringDone"
	EventIceComponentStateChanged  = "IceComponentStateChanged"
	EventNewCandidatePairSelected  = "NewCandidatePairSelected"
	EventDtlsConnectionStateChange = "DtlsConnectionStateChange"
	EventDataChannelOpened         = "DataChannelOpened"
	EventDataChannelClosed         = "DataChannelClosed"
	EventURIEndpointStateChanged   = "UriEndpointStateChanged"
	EventEndOfStream               = "EndOfStream"
	EventRecording                 = "Recording"
	EventPaused                    = "Paused"
	EventStopped                   = "Stopped"
	EventOfferCreated              = "OfferCreated"         // orkestro.SubscribeEndpoint
	EventEndpointStateChanged      = "EndpointStateChanged" // both orkestro endpoints
	EventQualityChanged            = "QualityChanged"       // orkestro.SubscribeEndpoint
	EventSpeakersChanged           = "SpeakersChanged"      // MediaPipeline
)

// Event is something that happened to Object. Data is one of the structs below, or nil when the type says it all; it
// becomes the event's own fields in JSON.
type Event struct {
	Object Object
	Type   string
	Data   any
	Time   time.Time
}

// ObjectCreated is the data of [EventObjectCreated].
type ObjectCreated struct {
	Object string `json:"object"`
}

// ObjectDestroyed is the data of [EventObjectDestroyed].
type ObjectDestroyed struct {
	ObjectID string `json:"objectId"`
}

// ErrorRaised is the data of [EventError]: an asynchronous failure.
type ErrorRaised struct {
	Description string `json:"description"`
	ErrorCode   int    `json:"errorCode"`
	Type        string `json:"type"`
}

// ElementConnection is the data of [EventElementConnected] and [EventElementDisconnected].
type ElementConnection struct {
	Sink              string    `json:"sink"`
	MediaType         MediaType `json:"mediaType"`
	SourceDescription string    `json:"sourceMediaDescription"`
	SinkDescription   string    `json:"sinkMediaDescription"`
}

// MediaFlow is the data of [EventMediaFlowInStateChanged] and [EventMediaFlowOutStateChanged]; State is FLOWING or
// NOT_FLOWING.
type MediaFlow struct { //nolint:revive // the Kurento Protocol's own word
	State     string    `json:"state"`
	PadName   string    `json:"padName"`
	MediaType MediaType `json:"mediaType"`
}

// StateChange is the data of [EventMediaStateChanged] and [EventConnectionStateChanged]; the states are CONNECTED and
// DISCONNECTED.
type StateChange struct {
	OldState string `json:"oldState"`
	NewState string `json:"newState"`
}

// ICECandidate is the protocol's register type IceCandidate.
type ICECandidate struct {
	Module        string `json:"__module__"`
	Type          string `json:"__type__"`
	Candidate     string `json:"candidate"`
	SDPMid        string `json:"sdpMid"`
	SDPMLineIndex int    `json:"sdpMLineIndex"`
}

// CandidateFound is the data of [EventIceCandidateFound].
type CandidateFound struct {
	Candidate ICECandidate `json:"candidate"`
}

// ComponentState is the data of [EventIceComponentStateChanged].
type ComponentState struct {
	StreamID    int    `json:"streamId"`
	ComponentID int    `json:"componentId"`
	State       string `json:"state"`
}

// CandidatePair is the protocol's register type IceCandidatePair.
type CandidatePair struct {
	Module          string `json:"__module__"`
	Type            string `json:"__type__"`
	StreamID        string `json:"streamId"`
	ComponentID     int    `json:"componentId"`
	LocalCandidate  string `json:"localCandidate"`
	RemoteCandidate string `json:"remoteCandidate"`
}

// PairSelected is the data of [EventNewCandidatePairSelected].
type PairSelected struct {
	CandidatePair CandidatePair `json:"candidatePair"`
}

// DTLSState is the data of [EventDtlsConnectionStateChange].
type DTLSState struct {
	StreamID     string `json:"streamId"`
	ComponentID  string `json:"componentId"`
	ConnectionID string `json:"connectionId"`
	State        string `json:"state"`
}

// DataChannelChange is the data of [EventDataChannelOpened] and [EventDataChannelClosed].
type DataChannelChange struct {
	ChannelID int `json:"channelId"`
}

// URIEndpointState is the data of [EventURIEndpointStateChanged]; State is STOP, START or PAUSE.
type URIEndpointState struct {
	State string `json:"state"`
}

// OfferCreated is the data of [EventOfferCreated]; Seq counts the endpoint's offers from 1.
type OfferCreated struct {
	Seq int64  `json:"seq"`
	SDP string `json:"sdp"`
}

// EndpointStateChanged is the data of [EventEndpointStateChanged]; Number counts these events of the endpoint from 1.
type EndpointStateChanged struct {
	Number int64                   `json:"number"`
	State  control.ConnectionState `json:"state"`
}

// QualityChanged is the data of [EventQualityChanged]; Number is as in [message.MediaQuality], Bandwidth is in bits per
// second, 0: unknown.
type QualityChanged struct {
	Number    int64                   `json:"number"`
	Bandwidth int64                   `json:"bandwidth"`
	Streams   []control.StreamQuality `json:"streams"`
}

// SpeakersChanged is the data of [EventSpeakersChanged]: the streams that are heard, loudest first. Number is as in
// [message.MediaQuality].
type SpeakersChanged struct {
	Number  int64              `json:"number"`
	Streams []control.StreamID `json:"streams"`
}
