package media

import (
	"context"
	"sync"
	"time"

	"github.com/orkestro/orkestro/services/mediaserver/internal/rtc"
)

const (
	flowPeriod  = time.Second     // how often flows are looked at: chosen
	flowSilence = 2 * time.Second // silence after which media does not flow any more (Kurento Protocol, "a couple")
)

const (
	flowing    = "FLOWING"
	notFlowing = "NOT_FLOWING"
)

// flowWatch is what was last told about the media of one element. Owned by the goroutine of [flows].
type flowWatch struct {
	in, out, mismatch map[MediaType]bool
	told              func() // what else is to be looked at; may be nil
}

func newFlowWatch() flowWatch {
	return flowWatch{in: map[MediaType]bool{}, out: map[MediaType]bool{}, mismatch: map[MediaType]bool{}}
}

// flows tells the elements' listeners when media begins and ceases to flow. One goroutine looks at all of them.
type flows struct {
	cancel context.CancelFunc
	done   chan struct{}

	mu       sync.Mutex
	elements map[*Element]struct{}
}

func startFlows() *flows {
	ctx, cancel := context.WithCancel(context.Background())
	f := &flows{cancel: cancel, done: make(chan struct{}), elements: map[*Element]struct{}{}}
	go f.run(ctx)
	return f
}

func (f *flows) run(ctx context.Context) {
	defer close(f.done)
	ticker := time.NewTicker(flowPeriod)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		f.mu.Lock()
		elements := make([]*Element, 0, len(f.elements))
		for e := range f.elements {
			elements = append(elements, e)
		}
		f.mu.Unlock()
		for _, e := range elements {
			e.lookAtFlow()
		}
	}
}

func (f *flows) add(e *Element) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.elements[e] = struct{}{}
}

func (f *flows) remove(e *Element) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.elements, e)
}

func (f *flows) stop() {
	f.cancel()
	<-f.done
}

func isFlowing(c rtc.Counts) bool { return !c.Last.IsZero() && time.Since(c.Last) < flowSilence }

// MediaFlowingIn says whether the element gets media of a kind from the elements connected to it, and sends it to the
// outside or, as a relay, passes it on.
func (e *Element) MediaFlowingIn(kind MediaType) (bool, error) {
	if kind == Data {
		return false, errorf(codeIllegalParam, "media type %s has no flow state", kind)
	}
	return e.flowingIn(kind), nil
}

func (e *Element) flowingIn(kind MediaType) bool {
	if e.wiring.relay {
		return e.pipeline.graph.origin(e, kind).received(kind)
	}
	sink := e.inputs[kind]
	return sink != nil && isFlowing(sink.Sent())
}

// MediaFlowingOut says whether media of a kind leaves the element for those that it feeds: what it gets from the
// outside or, as a relay, from other elements.
func (e *Element) MediaFlowingOut(kind MediaType) (bool, error) {
	if kind == Data {
		return false, errorf(codeIllegalParam, "media type %s has no flow state", kind)
	}
	return e.flowingOut(kind), nil
}

func (e *Element) flowingOut(kind MediaType) bool {
	if e.wiring.relay {
		return e.pipeline.graph.emitted(e, kind).received(kind)
	}
	return e.received(kind)
}

// received says whether media of a kind comes in from the outside; e may be nil.
func (e *Element) received(kind MediaType) bool {
	if e == nil {
		return false
	}
	source := e.outputs[kind]
	return source != nil && isFlowing(source.Received())
}

// flows says whether any media passes, in or out.
func (e *Element) flows() bool {
	for _, kind := range flowTypes() {
		if e.flowingIn(kind) || e.flowingOut(kind) {
			return true
		}
	}
	return false
}

// StreamStats is what is counted of one RTP stream of an endpoint.
type StreamStats struct {
	Kind    MediaType
	Inbound bool // from the outside
	rtc.StreamStats
}

// Stats counts the RTP streams that carried something; no kinds means all.
func (e *Element) Stats(kinds ...MediaType) []StreamStats {
	if len(kinds) == 0 {
		kinds = allMediaTypes()
	}
	var list []StreamStats
	for _, kind := range kinds {
		if source := e.outputs[kind]; source != nil && !source.Received().Last.IsZero() {
			list = append(list, StreamStats{Kind: kind, Inbound: true, StreamStats: source.Stats()})
		}
		if sink := e.inputs[kind]; sink != nil && !sink.Sent().Last.IsZero() {
			list = append(list, StreamStats{Kind: kind, StreamStats: sink.Stats()})
		}
	}
	return list
}

// lookAtFlow is called by the goroutine of [flows].
func (e *Element) lookAtFlow() {
	for _, kind := range flowTypes() {
		e.tellFlow(e.flow.in, kind, e.flowingIn(kind), EventMediaFlowInStateChanged)
		e.tellFlow(e.flow.out, kind, e.flowingOut(kind), EventMediaFlowOutStateChanged)
		e.tellMismatch(kind)
	}
	if e.flow.told != nil {
		e.flow.told()
	}
}

func (e *Element) tellFlow(last map[MediaType]bool, kind MediaType, now bool, eventType string) {
	if last[kind] == now {
		return
	}
	last[kind] = now
	state := notFlowing
	if now {
		state = flowing
	}
	e.pipeline.server.emit(e.owner, eventType, MediaFlow{State: state, PadName: DefaultDescription, MediaType: kind})
}

// tellMismatch raises an error, once, when what is connected cannot be decoded by the remote side.
func (e *Element) tellMismatch(kind MediaType) {
	sink := e.inputs[kind]
	if sink == nil {
		return
	}
	now := sink.Mismatched()
	if now && !e.flow.mismatch[kind] {
		e.pipeline.server.emit(e.owner, EventError, ErrorRaised{
			Description: "source and sink have no " + string(kind) + " codec in common; nothing is transcoded",
			ErrorCode:   int(codeUnsupportedMediaType), Type: "UNSUPPORTED_MEDIA_TYPE",
		})
	}
	e.flow.mismatch[kind] = now
}
