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

// flowWatch is what was last told about the media of one endpoint. Owned by the goroutine of [flows].
type flowWatch struct {
	in, out  map[MediaType]bool
	media    string
	mismatch map[MediaType]bool
}

// flows tells the endpoints' listeners when media begins and ceases to flow. One goroutine looks at all of them.
type flows struct {
	cancel context.CancelFunc
	done   chan struct{}

	mu        sync.Mutex
	endpoints map[*WebRTCEndpoint]struct{}
}

func startFlows() *flows {
	ctx, cancel := context.WithCancel(context.Background())
	f := &flows{cancel: cancel, done: make(chan struct{}), endpoints: map[*WebRTCEndpoint]struct{}{}}
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
		endpoints := make([]*WebRTCEndpoint, 0, len(f.endpoints))
		for e := range f.endpoints {
			endpoints = append(endpoints, e)
		}
		f.mu.Unlock()
		for _, e := range endpoints {
			e.queue.post(e.lookAtFlow)
		}
	}
}

func (f *flows) add(e *WebRTCEndpoint) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.endpoints[e] = struct{}{}
}

func (f *flows) remove(e *WebRTCEndpoint) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.endpoints, e)
}

func (f *flows) stop() {
	f.cancel()
	<-f.done
}

func isFlowing(c rtc.Counts) bool { return !c.Last.IsZero() && time.Since(c.Last) < flowSilence }

// MediaFlowingIn says whether the endpoint gets media of a kind from the elements connected to it.
func (e *WebRTCEndpoint) MediaFlowingIn(kind MediaType) (bool, error) {
	sink := e.inputs[kind]
	if sink == nil {
		return false, errorf(codeIllegalParam, "media type %s has no flow state", kind)
	}
	return isFlowing(sink.Sent()), nil
}

// MediaFlowingOut says whether the endpoint gets media of a kind from the outside, for the elements it feeds.
func (e *WebRTCEndpoint) MediaFlowingOut(kind MediaType) (bool, error) {
	source := e.outputs[kind]
	if source == nil {
		return false, errorf(codeIllegalParam, "media type %s has no flow state", kind)
	}
	return isFlowing(source.Received()), nil
}

// StreamStats is what is counted of one RTP stream of an endpoint.
type StreamStats struct {
	Kind    MediaType
	Inbound bool // from the outside
	rtc.StreamStats
}

// Stats counts the RTP streams that carried something; no kinds means all.
func (e *WebRTCEndpoint) Stats(kinds ...MediaType) []StreamStats {
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

// lookAtFlow runs on the endpoint's queue.
func (e *WebRTCEndpoint) lookAtFlow() {
	if e.flow.in == nil {
		e.flow = flowWatch{
			in: map[MediaType]bool{}, out: map[MediaType]bool{}, media: disconnected, mismatch: map[MediaType]bool{},
		}
	}
	media := disconnected
	for _, kind := range []MediaType{Audio, Video} {
		in, out := isFlowing(e.inputs[kind].Sent()), isFlowing(e.outputs[kind].Received())
		e.tellFlow(e.flow.in, kind, in, EventMediaFlowInStateChanged)
		e.tellFlow(e.flow.out, kind, out, EventMediaFlowOutStateChanged)
		if in || out {
			media = connected
		}
		e.tellMismatch(kind)
	}
	if media != e.flow.media {
		e.server.emit(e, EventMediaStateChanged, StateChange{OldState: e.flow.media, NewState: media})
		e.flow.media = media
	}
}

func (e *WebRTCEndpoint) tellFlow(last map[MediaType]bool, kind MediaType, now bool, eventType string) {
	if last[kind] == now {
		return
	}
	last[kind] = now
	state := notFlowing
	if now {
		state = flowing
	}
	e.server.emit(e, eventType, MediaFlow{State: state, PadName: DefaultDescription, MediaType: kind})
}

// tellMismatch raises an error, once, when what is connected cannot be decoded by the remote side.
func (e *WebRTCEndpoint) tellMismatch(kind MediaType) {
	now := e.inputs[kind].Mismatched()
	if now && !e.flow.mismatch[kind] {
		e.server.emit(e, EventError, ErrorRaised{
			Description: "source and sink have no " + string(kind) + " codec in common; nothing is transcoded",
			ErrorCode:   int(codeUnsupportedMediaType), Type: "UNSUPPORTED_MEDIA_TYPE",
		})
	}
	e.flow.mismatch[kind] = now
}

// MediaState is CONNECTED while media flows, in or out.
func (e *WebRTCEndpoint) MediaState() string {
	for _, kind := range []MediaType{Audio, Video} {
		if isFlowing(e.inputs[kind].Sent()) || isFlowing(e.outputs[kind].Received()) {
			return connected
		}
	}
	return disconnected
}
