package media

import (
	"cmp"
	"slices"
	"sync"

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
	outputs  map[MediaType]*rtc.Source // what the outside sends us
	inputs   map[MediaType]*rtc.Sink   // what we send to the outside
	messages *rtc.DataHub              // data channels, both ways
	released bool                      // guarded by the graph: takes no connections any more
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

// Disconnect undoes Connect; what is not connected stays so.
func (e *Element) Disconnect(sink Connectable, kinds ...MediaType) error {
	if len(kinds) == 0 {
		kinds = allMediaTypes()
	}
	for _, kind := range kinds {
		e.pipeline.graph.disconnect(e, sink.element(), kind)
	}
	return nil
}

// SinkConnections lists where this element sends to; no kinds means all.
func (e *Element) SinkConnections(kinds ...MediaType) []Connection {
	return e.pipeline.graph.list(func(l link) bool { return l.source == e }, kinds)
}

// SourceConnections lists what feeds this element; no kinds means all.
func (e *Element) SourceConnections(kinds ...MediaType) []Connection {
	return e.pipeline.graph.list(func(l link) bool { return l.sink == e }, kinds)
}

// input is the entry of an element for one kind.
type input struct {
	sink *Element
	kind MediaType
}

// link is one connection.
type link struct {
	source *Element
	input
}

// graph holds the connections between the elements of one pipeline. Its lock also orders their effect on the media, so
// that what is listed is what flows; no packet is sent under it.
type graph struct {
	mu    sync.Mutex
	feeds map[input]*Element
}

func (g *graph) connect(source, sink *Element, kind MediaType) {
	in := input{sink, kind}
	g.mu.Lock()
	if g.feeds == nil {
		g.feeds = map[input]*Element{}
	}
	before := g.feeds[in]
	if before == source || source.released || sink.released {
		g.mu.Unlock()
		return
	}
	if before != nil {
		g.detachLocked(link{before, in})
	}
	g.feeds[in] = source
	switch kind {
	case Data:
		source.messages.Connect(sink.messages)
	default:
		sink.inputs[kind].Attach(source.outputs[kind])
	}
	g.mu.Unlock()
	if before != nil {
		emitLink(link{before, in}, EventElementDisconnected)
	}
	emitLink(link{source, in}, EventElementConnected)
	if kind == Video {
		source.outputs[Video].RequestKeyframe()
	}
}

func (g *graph) disconnect(source, sink *Element, kind MediaType) {
	l := link{source, input{sink, kind}}
	g.mu.Lock()
	connected := g.feeds[l.input] == source
	if connected {
		g.detachLocked(l)
	}
	g.mu.Unlock()
	if connected {
		emitLink(l, EventElementDisconnected)
	}
}

// detachLocked needs g.mu.
func (g *graph) detachLocked(l link) {
	delete(g.feeds, l.input)
	if l.kind == Data {
		l.source.messages.Disconnect(l.sink.messages)
		return
	}
	l.sink.inputs[l.kind].Attach(nil)
}

// remove drops every connection of an element that is being released, for good.
func (g *graph) remove(e *Element) {
	g.mu.Lock()
	var gone []link
	for in, source := range g.feeds {
		if in.sink == e || source == e {
			gone = append(gone, link{source, in})
		}
	}
	for _, l := range gone {
		g.detachLocked(l)
	}
	e.released = true
	g.mu.Unlock()
	for _, l := range gone {
		if l.source != e {
			emitLink(l, EventElementDisconnected)
		}
	}
}

// refresh asks what feeds a sink for a keyframe, when the sink becomes ready for it.
func (g *graph) refresh(sink *Element, kind MediaType) {
	g.mu.Lock()
	source := g.feeds[input{sink, kind}]
	g.mu.Unlock()
	if source != nil {
		source.outputs[kind].RequestKeyframe()
	}
}

func (g *graph) list(wanted func(link) bool, kinds []MediaType) []Connection {
	g.mu.Lock()
	defer g.mu.Unlock()
	connections := []Connection{}
	for in, source := range g.feeds {
		if l := (link{source, in}); wanted(l) && (len(kinds) == 0 || slices.Contains(kinds, in.kind)) {
			connections = append(connections, Connection{
				Source: source.owner.ID(), Sink: in.sink.owner.ID(), Type: in.kind,
				SourceDescription: DefaultDescription, SinkDescription: DefaultDescription,
			})
		}
	}
	slices.SortFunc(connections, func(a, b Connection) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Sink, b.Sink), cmp.Compare(a.Type, b.Type))
	})
	return connections
}

func emitLink(l link, eventType string) {
	l.source.pipeline.server.emit(l.source.owner, eventType, ElementConnection{
		Sink: l.sink.owner.ID(), MediaType: l.kind,
		SourceDescription: DefaultDescription, SinkDescription: DefaultDescription,
	})
}
