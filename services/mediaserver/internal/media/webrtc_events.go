package media

import (
	"strings"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/services/mediaserver/internal/rtc"
)

const registerModule = "kurento"

// handlers bring what happens on the connection to the endpoint's queue. There is one connection in the life of an
// endpoint, but for a failed negotiation, whose events are not worth telling apart.
func (e *WebRTCEndpoint) handlers() rtc.Handlers {
	return rtc.Handlers{
		State:     func(s control.ConnectionState) { e.queue.post(func() { e.stateChanged(s) }) },
		ICE:       func(s rtc.ICEState) { e.queue.post(func() { e.iceChanged(s) }) },
		DTLS:      func(s rtc.DTLSState) { e.queue.post(func() { e.dtlsChanged(s) }) },
		Candidate: func(c *control.Candidate) { e.queue.post(func() { e.candidateFound(c) }) },
		Pair:      func(local, remote string) { e.queue.post(func() { e.pairSelected(local, remote) }) },
	}
}

func (e *WebRTCEndpoint) stateChanged(s control.ConnectionState) {
	if s == control.ConnectionConnected {
		e.setConnection(connected)
	} else {
		e.setConnection(disconnected)
	}
}

// iceChanged translates W3C's states of ICE; "connected" is two of Kurento's.
func (e *WebRTCEndpoint) iceChanged(s rtc.ICEState) {
	states := map[rtc.ICEState][]string{
		"checking": {"CONNECTING"}, "connected": {connected, "READY"},
		"disconnected": {disconnected}, "failed": {"FAILED"},
	}[s]
	for _, state := range states {
		e.webRTCView.mu.Lock()
		e.ice = state
		e.webRTCView.mu.Unlock()
		e.server.emit(e, EventIceComponentStateChanged, ComponentState{StreamID: 1, ComponentID: 1, State: state})
	}
}

func (e *WebRTCEndpoint) dtlsChanged(s rtc.DTLSState) {
	state := strings.ToUpper(string(s))
	e.webRTCView.mu.Lock()
	e.dtls = state
	e.webRTCView.mu.Unlock()
	e.server.emit(e, EventDtlsConnectionStateChange, DTLSState{
		StreamID: "1", ComponentID: "1", ConnectionID: "1", State: state,
	})
}

func (e *WebRTCEndpoint) candidateFound(c *control.Candidate) {
	if e.peer == nil {
		return
	}
	if c == nil {
		e.gathered = true
		if e.gathering {
			e.server.emit(e, EventIceGatheringDone, nil)
		}
		return
	}
	told, ok := e.ICESettings().apply(*c)
	if !ok || indexOf(e.held, told) >= 0 {
		return
	}
	e.held = append(e.held, told)
	if e.gathering {
		e.emitCandidate(told)
	}
}

func (e *WebRTCEndpoint) emitCandidate(c control.Candidate) {
	found := ICECandidate{Module: registerModule, Type: "IceCandidate", Candidate: c.Candidate}
	if c.SDPMid != nil {
		found.SDPMid = *c.SDPMid
	}
	if c.SDPMLineIndex != nil {
		found.SDPMLineIndex = int(*c.SDPMLineIndex)
	}
	e.server.emit(e, EventIceCandidateFound, CandidateFound{Candidate: found})
}

func (e *WebRTCEndpoint) pairSelected(local, remote string) {
	pair := CandidatePair{
		Module: registerModule, Type: "IceCandidatePair", StreamID: "1", ComponentID: 1,
		LocalCandidate: local, RemoteCandidate: remote,
	}
	e.webRTCView.mu.Lock()
	e.pair = &pair
	e.webRTCView.mu.Unlock()
	e.server.emit(e, EventNewCandidatePairSelected, PairSelected{CandidatePair: pair})
}

func (e *WebRTCEndpoint) channelChanged(c rtc.ChannelEvent) {
	eventType := EventDataChannelClosed
	if c.Open {
		eventType = EventDataChannelOpened
	}
	e.server.emit(e, eventType, DataChannelChange{ChannelID: c.ID})
}

// ICEConnectionState is the last state of [EventIceComponentStateChanged].
func (v *webRTCView) ICEConnectionState() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.ice
}

// DTLSConnectionState is the last state of [EventDtlsConnectionStateChange].
func (v *webRTCView) DTLSConnectionState() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.dtls
}

// CandidatePairs are the selected candidate pairs: one, or none yet.
func (v *webRTCView) CandidatePairs() []CandidatePair {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.pair == nil {
		return []CandidatePair{}
	}
	return []CandidatePair{*v.pair}
}
