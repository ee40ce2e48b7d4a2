package media

import (
	"context"
	"slices"
	"sync/atomic"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/mediaapi"
	"github.com/orkestro/orkestro/services/mediaserver/internal/rtc"
)

func viewClass() class {
	return class{module: "orkestro", name: "ViewEndpoint", hierarchy: []string{
		"kurento.SessionEndpoint", "kurento.Endpoint", "kurento.MediaElement", "kurento.MediaObject",
	}}
}

// ViewEndpoint sends a viewer one audio and one video track. The viewer offers, once; when what it watches comes, goes
// or changes, the tracks are fed by another source, without another negotiation. Safe for concurrent use: all work is
// done on its queue, one task at a time, and that goroutine owns the fields below it.
type ViewEndpoint struct {
	base
	pipeline *Pipeline
	viewer   control.UserID
	of       control.ViewOf
	sinks    map[string]*rtc.Sink // by kind
	queue    queue
	looking  atomic.Bool // a task that looks at the streams is posted already

	peer      *rtc.DuplexPeer // nil: no offer yet, or the connection is over
	sessionID string          // of the offer
	last      mediaapi.ProcessedOffer
	shown     control.StreamID
	early     []control.Candidate
	states    stateCounter
}

func newViewEndpoint(p *Pipeline, viewer control.UserID, of control.ViewOf) *ViewEndpoint {
	e := &ViewEndpoint{
		base: newBase(p.server, p, viewClass()), pipeline: p, viewer: viewer, of: of, sinks: map[string]*rtc.Sink{},
	}
	for _, kind := range rtc.KindsOf() {
		e.sinks[kind] = rtc.NewSink(kind, "view", kind)
	}
	return e
}

// NewViewEndpoint makes the endpoint of a viewer, which sends it what of is about; the same again for the same viewer.
func (p *Pipeline) NewViewEndpoint(viewer control.UserID, of control.ViewOf) (*ViewEndpoint, error) {
	object, err := p.memberEndpoint(member{control.View, viewer, control.JoinID(viewer)}, func() Object {
		return newViewEndpoint(p, viewer, of)
	})
	if err != nil {
		return nil, err
	}
	endpoint := object.(*ViewEndpoint)
	p.streams.subscribe(endpoint)
	return endpoint, nil
}

// Viewer is whose endpoint it is.
func (e *ViewEndpoint) Viewer() control.UserID { return e.viewer }

// ProcessOffer answers the viewer's offer. Another one may only restart ICE; a seq that was answered last gets the same
// answer again. Errors are as those of [PublishEndpoint.ProcessOffer].
func (e *ViewEndpoint) ProcessOffer(ctx context.Context, offer string, seq int64) (mediaapi.ProcessedOffer, error) {
	var result mediaapi.ProcessedOffer
	err := e.queue.call(ctx, e.id, func() (err error) {
		result, err = e.process(ctx, offer, seq)
		return err
	})
	if err != nil {
		return mediaapi.ProcessedOffer{}, err
	}
	return result, nil
}

func (e *ViewEndpoint) process(ctx context.Context, offer string, seq int64) (mediaapi.ProcessedOffer, error) {
	none := mediaapi.ProcessedOffer{}
	switch {
	case seq == e.last.Seq:
		return e.last, nil
	case seq < e.last.Seq:
		return none, errorf(mediaapi.CodeSDPProcessOffer, "offer %d is older than offer %d", seq, e.last.Seq)
	}
	description, err := rtc.ParseDescription(offer)
	switch {
	case err != nil:
		return none, errorf(mediaapi.CodeSDPParse, "%v", err)
	case !slices.ContainsFunc(description.Media, watchable):
		return none, errorf(mediaapi.CodeSDPProcessOffer, "the offer receives neither audio nor video")
	case e.last.Seq > 0 && (e.peer == nil || description.SessionID != e.sessionID):
		return none, errorf(mediaapi.CodeSDPProcessOffer, "the connection is over, or this offer is of another one")
	}
	if e.peer == nil {
		if err := e.newPeer(); err != nil {
			return none, err
		}
	}
	answer, err := e.peer.Answer(ctx, description)
	if err != nil {
		e.giveUp()
		return none, errorf(mediaapi.CodeSDPProcessOffer, "%v", err)
	}
	e.sessionID = description.SessionID
	e.last = mediaapi.ProcessedOffer{Seq: seq, Answer: answer, Streams: []mediaapi.PublishedStream{}}
	e.early = e.peer.AddCandidates(e.early)
	return e.last, nil
}

func watchable(m rtc.Media) bool { return !m.Rejected && m.Receives && m.Kind != control.KindData }

func (e *ViewEndpoint) newPeer() error {
	var peer *rtc.DuplexPeer
	peer, err := e.server.engine.NewDuplexPeer(rtc.DuplexMedia{Sinks: e.sinks, Sends: true}, rtc.Handlers{
		State: func(s control.ConnectionState) { e.queue.post(func() { e.stateChanged(peer, s) }) },
	})
	if err != nil {
		return errorf(codeNotEnoughResources, "%v", err)
	}
	e.peer = peer
	e.show()
	return nil
}

func (e *ViewEndpoint) stateChanged(peer *rtc.DuplexPeer, s control.ConnectionState) {
	if peer != e.peer {
		return
	}
	switch s {
	case control.ConnectionConnected:
		e.sinks[control.KindVideo].Refresh()
	case control.ConnectionFailed, control.ConnectionClosed:
		e.giveUp()
	default:
	}
	e.states.emit(e.server, e, s)
}

// giveUp ends the connection for good.
func (e *ViewEndpoint) giveUp() {
	if e.peer != nil {
		e.peer.Close()
		e.peer = nil
	}
}

// streamsChanged implements [watcher].
func (e *ViewEndpoint) streamsChanged() bool {
	if e.looking.Swap(true) {
		return true
	}
	posted := e.queue.post(func() {
		e.looking.Store(false)
		if e.peer != nil {
			e.show()
		}
	})
	if !posted {
		e.looking.Store(false)
	}
	return posted
}

// show feeds the tracks with what is chosen now.
func (e *ViewEndpoint) show() {
	sources := e.chosen()
	for kind, sink := range e.sinks {
		sink.Attach(sources[kind])
	}
}

// chosen is what to show, by kind: the first stream with a picture, the one that is shown already before others, or
// else the first there is; and its sound, or else another one of its user's.
func (e *ViewEndpoint) chosen() map[string]*rtc.Source {
	streams := slices.DeleteFunc(e.pipeline.streams.others(""), func(s *stream) bool {
		return e.of.Stream != "" && s.id != e.of.Stream || e.of.User != "" && s.user != e.of.User
	})
	if len(streams) == 0 {
		e.shown = ""
		return nil
	}
	rank := func(s *stream) int {
		switch pictured := s.first(control.KindVideo) != nil; {
		case pictured && s.id == e.shown:
			return 0
		case pictured:
			return 1
		case s.id == e.shown:
			return 2
		default:
			return 3
		}
	}
	main := slices.MinFunc(streams, func(a, b *stream) int { return rank(a) - rank(b) })
	e.shown = main.id
	sources := map[string]*rtc.Source{
		control.KindVideo: main.first(control.KindVideo), control.KindAudio: main.first(control.KindAudio),
	}
	for _, s := range streams {
		if s.user == main.user && sources[control.KindAudio] == nil {
			sources[control.KindAudio] = s.first(control.KindAudio)
		}
	}
	return sources
}

// first is a stream's first track of a kind, nil if it has none.
func (s *stream) first(kind string) *rtc.Source {
	for _, track := range s.tracks {
		if track.Kind() == kind {
			return track
		}
	}
	return nil
}

// AddICECandidates is as [PublishEndpoint.AddICECandidates].
func (e *ViewEndpoint) AddICECandidates(ctx context.Context, candidates []control.Candidate, _ bool) error {
	if err := checkCandidates(candidates); err != nil {
		return err
	}
	return e.queue.call(ctx, e.id, func() error {
		if e.peer != nil {
			candidates = e.peer.AddCandidates(candidates)
		}
		e.early = keepEarly(e.early, candidates)
		return nil
	})
}

func (e *ViewEndpoint) close() {
	e.pipeline.streams.unsubscribe(e)
	e.queue.close(e.giveUp)
	e.pipeline.streams.unsubscribe(e) // again: it may have been subscribed while it was being released
	e.pipeline.forget(e)
}
