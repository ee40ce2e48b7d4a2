package media

import (
	"cmp"
	"maps"
	"slices"
	"sync"
)

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

// wiring is the place of an element among the others of its pipeline, guarded by the lock of the graph.
type wiring struct {
	feeds    map[MediaType]*Element // what is connected to this element
	sinks    map[input]struct{}     // what this element is connected to
	origins  map[MediaType]*Element // where what this element sends to the outside comes from in the end
	released bool                   // takes no connections any more

	relay   bool                                // passes on what it gets, and is neither the start nor the end of media
	inlets  map[MediaType]*Element              // of a relay: the relay whose input comes out here
	outlets map[MediaType]map[*Element]struct{} // of a relay: where its input comes out
}

func newWiring(relay bool) wiring {
	return wiring{
		feeds: map[MediaType]*Element{}, sinks: map[input]struct{}{}, origins: map[MediaType]*Element{}, relay: relay,
		inlets: map[MediaType]*Element{}, outlets: map[MediaType]map[*Element]struct{}{},
	}
}

// graph holds the connections between the elements of one pipeline. Relays are resolved whenever a connection changes:
// a sink is attached to the source at the start of its chain, and no packet goes through an element in between. The
// lock also orders the effect of connections on the media, so that what is listed is what flows; no packet is sent
// under it.
type graph struct {
	mu sync.Mutex
}

func (g *graph) connect(source, sink *Element, kind MediaType) {
	l := link{source, input{sink, kind}}
	g.mu.Lock()
	before := sink.wiring.feeds[kind]
	if before == source || source.wiring.released || sink.wiring.released {
		g.mu.Unlock()
		return
	}
	if before != nil {
		delete(before.wiring.sinks, l.input)
	}
	sink.wiring.feeds[kind] = source
	source.wiring.sinks[l.input] = struct{}{}
	g.settleLocked(l.input)
	g.mu.Unlock()
	if before != nil {
		emitLink(link{before, l.input}, EventElementDisconnected)
	}
	emitLink(l, EventElementConnected)
}

func (g *graph) disconnect(source, sink *Element, kind MediaType) {
	l := link{source, input{sink, kind}}
	g.mu.Lock()
	connected := sink.wiring.feeds[kind] == source
	if connected {
		g.cutLocked(l)
	}
	g.mu.Unlock()
	if connected {
		emitLink(l, EventElementDisconnected)
	}
}

// cutLocked needs g.mu.
func (g *graph) cutLocked(l link) {
	delete(l.sink.wiring.feeds, l.kind)
	delete(l.source.wiring.sinks, l.input)
	g.settleLocked(l.input)
}

// route has a relay emit what another one gets, nil: nothing.
func (g *graph) route(kind MediaType, from, to *Element) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.routeLocked(kind, from, to)
}

// unroute has a relay emit nothing, if it emits what from gets.
func (g *graph) unroute(kind MediaType, from, to *Element) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if to.wiring.inlets[kind] == from {
		g.routeLocked(kind, nil, to)
	}
}

// routeLocked needs g.mu.
func (g *graph) routeLocked(kind MediaType, from, to *Element) {
	before := to.wiring.inlets[kind]
	if before == from || from != nil && from.wiring.released || to.wiring.released {
		return
	}
	if before != nil {
		delete(before.wiring.outlets[kind], to)
	}
	delete(to.wiring.inlets, kind)
	if from != nil {
		to.wiring.inlets[kind] = from
		if from.wiring.outlets[kind] == nil {
			from.wiring.outlets[kind] = map[*Element]struct{}{}
		}
		from.wiring.outlets[kind][to] = struct{}{}
	}
	for in := range to.wiring.sinks {
		if in.kind == kind {
			g.settleLocked(in)
		}
	}
}

// settleLocked attaches everything behind an input to what feeds it now. All of it has the same origin. It needs g.mu.
func (g *graph) settleLocked(changed input) {
	origin := changed.originLocked()
	seen := map[input]bool{changed: true}
	for todo := []input{changed}; len(todo) > 0; {
		in := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if !in.sink.wiring.relay {
			in.sink.attachLocked(in.kind, origin)
			continue
		}
		for outlet := range in.sink.wiring.outlets[in.kind] {
			for next := range outlet.wiring.sinks {
				if next.kind == in.kind && !seen[next] {
					seen[next] = true
					todo = append(todo, next)
				}
			}
		}
	}
}

// attach has an element send what it is connected to once more: a connection that was closed has let go of it.
func (g *graph) attach(e *Element) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, kind := range flowTypes() {
		origin := e.wiring.origins[kind]
		e.wiring.origins[kind] = nil
		e.attachLocked(kind, origin)
	}
}

// fed are the elements that send to the outside what comes from one, each once.
func (g *graph) fed(origin *Element) []*Element {
	g.mu.Lock()
	defer g.mu.Unlock()
	found := map[*Element]bool{}
	for _, kind := range allMediaTypes() {
		seen := map[input]bool{}
		todo := origin.sinksLocked(kind)
		for len(todo) > 0 {
			in := todo[len(todo)-1]
			todo = todo[:len(todo)-1]
			if seen[in] {
				continue
			}
			seen[in] = true
			if !in.sink.wiring.relay {
				found[in.sink] = true
			}
			for outlet := range in.sink.wiring.outlets[kind] {
				todo = append(todo, outlet.sinksLocked(kind)...)
			}
		}
	}
	return slices.Collect(maps.Keys(found))
}

// sinksLocked are the inputs of a kind that an element is connected to. It needs the lock of the graph.
func (e *Element) sinksLocked(kind MediaType) (sinks []input) {
	for in := range e.wiring.sinks {
		if in.kind == kind {
			sinks = append(sinks, in)
		}
	}
	return sinks
}

// originLocked is the element where what enters an input comes from: nil when nothing does, as from relays that are
// connected in a circle. It needs the lock of the graph.
func (in input) originLocked() *Element {
	e := in.sink.wiring.feeds[in.kind]
	seen := map[*Element]bool{}
	for e != nil && e.wiring.relay {
		through := e.wiring.inlets[in.kind]
		if through == nil || seen[through] {
			return nil
		}
		seen[through] = true
		e = through.wiring.feeds[in.kind]
	}
	return e
}

// origin is where what enters a relay comes from, nil: nothing does.
func (g *graph) origin(relay *Element, kind MediaType) *Element {
	g.mu.Lock()
	defer g.mu.Unlock()
	return input{relay, kind}.originLocked()
}

// emitted is where what comes out of a relay comes from, nil: nothing does.
func (g *graph) emitted(relay *Element, kind MediaType) *Element {
	g.mu.Lock()
	defer g.mu.Unlock()
	through := relay.wiring.inlets[kind]
	if through == nil {
		return nil
	}
	return input{through, kind}.originLocked()
}

// remove drops every connection of an element that is being released, for good.
func (g *graph) remove(e *Element) {
	g.mu.Lock()
	gone := e.linksLocked()
	for _, l := range gone {
		g.cutLocked(l)
	}
	for _, kind := range allMediaTypes() {
		for outlet := range e.wiring.outlets[kind] {
			g.routeLocked(kind, nil, outlet)
		}
		g.routeLocked(kind, nil, e)
	}
	e.wiring.released = true
	g.mu.Unlock()
	for _, l := range gone {
		if l.source != e {
			emitLink(l, EventElementDisconnected)
		}
	}
}

// linksLocked are the connections of an element on both sides, each once. It needs the lock of the graph.
func (e *Element) linksLocked() []link {
	var links []link
	for in := range e.wiring.sinks {
		links = append(links, link{e, in})
	}
	for kind, source := range e.wiring.feeds {
		if source != e {
			links = append(links, link{source, input{e, kind}})
		}
	}
	return links
}

func (g *graph) list(e *Element, wanted func(link) bool, kinds []MediaType) []Connection {
	g.mu.Lock()
	defer g.mu.Unlock()
	connections := []Connection{}
	for _, l := range e.linksLocked() {
		if wanted(l) && (len(kinds) == 0 || slices.Contains(kinds, l.kind)) {
			connections = append(connections, Connection{
				Source: l.source.owner.ID(), Sink: l.sink.owner.ID(), Type: l.kind,
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
