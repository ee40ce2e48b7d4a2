package media

import (
	"strings"

	"github.com/orkestro/orkestro/services/mediaserver/internal/rtc"
)

// MediaType is a kind of media as the Kurento Protocol spells it.
type MediaType string //nolint:revive // the Kurento Protocol's own word

// The media types.
const (
	Audio MediaType = "AUDIO"
	Video MediaType = "VIDEO"
	Data  MediaType = "DATA"
)

// DefaultDescription is the only media description that elements have.
const DefaultDescription = "default"

func allMediaTypes() []MediaType { return []MediaType{Audio, Video, Data} }

// flowTypes are the media types that are made of RTP packets.
func flowTypes() []MediaType { return []MediaType{Audio, Video} }

// Connection says that media of one type flows from Source to Sink (ids).
type Connection struct {
	Source            string    `json:"source"`
	Sink              string    `json:"sink"`
	Type              MediaType `json:"type"`
	SourceDescription string    `json:"sourceDescription"`
	SinkDescription   string    `json:"sinkDescription"`
}

// Connectable is an object that media can flow through.
type Connectable interface {
	Object
	element() *Element
}

// Element is the MediaElement part of an object: what it feeds and what feeds it. Safe for concurrent use.
type Element struct {
	owner    Connectable
	pipeline *Pipeline
	outputs  map[MediaType]*rtc.Source // what the outside sends us; none of a kind that does not come in
	inputs   map[MediaType]*rtc.Sink   // what we send to the outside; none of a kind that does not go out
	messages *rtc.DataHub              // data channels, both ways; nil: none
	wiring   wiring
	flow     flowWatch
}

// newElement makes the part of an endpoint that is connected to others.
func newElement(owner Connectable, p *Pipeline) Element {
	return Element{
		owner: owner, pipeline: p, outputs: map[MediaType]*rtc.Source{}, inputs: map[MediaType]*rtc.Sink{},
		wiring: newWiring(false), flow: newFlowWatch(),
	}
}

// newRelay makes the part of an element that only passes media on: it has neither sources nor sinks of its own.
func newRelay(owner Connectable, p *Pipeline) Element {
	return Element{owner: owner, pipeline: p, wiring: newWiring(true), flow: newFlowWatch()}
}

func (e *Element) element() *Element { return e }

// Connect feeds sink with what this element receives; no kinds means all three. A sink has one source a kind: it leaves
// its earlier one.
func (e *Element) Connect(sink Connectable, kinds ...MediaType) error {
	to := sink.element()
	if to.pipeline != e.pipeline {
		return errorf(codeConnect, "'%s' and '%s' are in different pipelines", e.owner.ID(), sink.ID())
	}
	if len(kinds) == 0 {
		kinds = allMediaTypes()
	}
	for _, kind := range kinds {
		e.pipeline.graph.connect(e, to, kind)
	}
	return nil
}

// Disconnect undoes Connect; what is not connected stays so, as all is that is in different pipelines.
func (e *Element) Disconnect(sink Connectable, kinds ...MediaType) error {
	to := sink.element()
	if to.pipeline != e.pipeline {
		return nil // what feeds it is behind the lock of another graph
	}
	if len(kinds) == 0 {
		kinds = allMediaTypes()
	}
	for _, kind := range kinds {
		e.pipeline.graph.disconnect(e, to, kind)
	}
	return nil
}

// SinkConnections lists where this element sends to; no kinds means all.
func (e *Element) SinkConnections(kinds ...MediaType) []Connection {
	return e.pipeline.graph.list(e, func(l link) bool { return l.source == e }, kinds)
}

// SourceConnections lists what feeds this element; no kinds means all.
func (e *Element) SourceConnections(kinds ...MediaType) []Connection {
	return e.pipeline.graph.list(e, func(l link) bool { return l.sink == e }, kinds)
}

// RequestKeyframe asks the outside, if it sends video here, for a keyframe.
func (e *Element) RequestKeyframe() {
	if source := e.outputs[Video]; source != nil {
		source.RequestKeyframe()
	}
}

// Codec is the name of what media of a kind is encoded with as it comes from the outside, "" while that is not known.
func (e *Element) Codec(kind MediaType) string {
	source := e.outputs[kind]
	if source == nil {
		return ""
	}
	_, name, _ := strings.Cut(source.Codec().MIME, "/")
	return name
}

// attachLocked has what leaves this element for the outside come from origin, nil: from nowhere. It needs the lock of
// the graph.
func (e *Element) attachLocked(kind MediaType, origin *Element) {
	before := e.wiring.origins[kind]
	if before == origin {
		return
	}
	e.wiring.origins[kind] = origin
	if kind == Data {
		e.hearLocked(before, origin)
		return
	}
	sink := e.inputs[kind]
	if sink == nil {
		return
	}
	var source *rtc.Source
	if origin != nil {
		source = origin.outputs[kind]
	}
	sink.Attach(source)
	sink.Refresh()
}

// hearLocked is attachLocked for messages.
func (e *Element) hearLocked(before, origin *Element) {
	if e.messages == nil {
		return
	}
	if before != nil && before.messages != nil {
		before.messages.Disconnect(e.messages)
	}
	if origin != nil && origin.messages != nil {
		origin.messages.Connect(e.messages)
	}
}

// leave ends the part of an object that is being released.
func (e *Element) leave() {
	e.pipeline.graph.remove(e)
	e.pipeline.server.flows.remove(e)
	for _, source := range e.outputs {
		source.Close()
	}
}
