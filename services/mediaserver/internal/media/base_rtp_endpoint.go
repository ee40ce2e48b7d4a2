package media

import (
	"sync"

	"github.com/orkestro/orkestro/pkg/control"
)

// States of connections and media in the Kurento Protocol.
const (
	connected    = "CONNECTED"
	disconnected = "DISCONNECTED"
)

func baseRTPHierarchy() []string {
	return []string{
		"kurento.BaseRtpEndpoint", "kurento.SdpEndpoint", "kurento.SessionEndpoint", "kurento.Endpoint",
		"kurento.MediaElement", "kurento.MediaObject",
	}
}

// kindsOf are the kinds of media that an offer is to have.
func kindsOf(audio, video bool) []string {
	var kinds []string
	if audio {
		kinds = append(kinds, control.KindAudio)
	}
	if video {
		kinds = append(kinds, control.KindVideo)
	}
	return kinds
}

// baseRTPEndpoint is what WebRtcEndpoint and RtpEndpoint have in common: one negotiation, and what is known of the
// connection. Safe for concurrent use.
type baseRTPEndpoint struct {
	base
	Element
	media string // what was last told of it; owned by the goroutine of [flows]

	mu            sync.Mutex
	local, remote string // descriptions
	connection    string
	limits        Limits
}

// watch tells when media is seen or ceases, and keeps to the limits; limitSender, which may be nil, does what is to be
// done about the remote side. It is called once, before anybody sees the endpoint.
func (e *baseRTPEndpoint) watch(limitSender func()) {
	e.media, e.connection = disconnected, disconnected
	e.flow.told = func() {
		if now := e.MediaState(); now != e.media {
			e.server.emit(e.owner, EventMediaStateChanged, StateChange{OldState: e.media, NewState: now})
			e.media = now
		}
		e.limitLayer()
		if limitSender != nil {
			limitSender()
		}
	}
}

// MediaState is CONNECTED while media flows, in or out.
func (e *baseRTPEndpoint) MediaState() string {
	if e.flows() {
		return connected
	}
	return disconnected
}

// ConnectionState is CONNECTED once there is a way to the remote side, else DISCONNECTED.
func (e *baseRTPEndpoint) ConnectionState() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.connection
}

// setConnection tells of a new state of the connection. One that is up is given a picture.
func (e *baseRTPEndpoint) setConnection(state string) {
	if state == connected {
		e.inputs[Video].Refresh()
	}
	e.mu.Lock()
	before := e.connection
	e.connection = state
	e.mu.Unlock()
	if before != state {
		e.server.emit(e.owner, EventConnectionStateChanged, StateChange{OldState: before, NewState: state})
	}
}

// LocalDescription is the local SDP, or an [*Error].
func (e *baseRTPEndpoint) LocalDescription() (string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.local == "" {
		return "", errorf(codeNoLocalSDP, "No local session description")
	}
	return e.local, nil
}

// RemoteDescription is the remote SDP, or an [*Error].
func (e *baseRTPEndpoint) RemoteDescription() (string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.remote == "" {
		return "", errorf(codeNoRemoteSDP, "No remote session description")
	}
	return e.remote, nil
}

func (e *baseRTPEndpoint) describe(local, remote string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.local, e.remote = local, remote
}
