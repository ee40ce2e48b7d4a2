package media

import (
	"context"
	"errors"
	"slices"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/mediaapi"
	"github.com/orkestro/orkestro/services/mediaserver/internal/rtc"
)

const (
	maxPublishedMedia   = 64 // m-lines of one publisher: chosen
	maxPublishedStreams = 16 // chosen
	rememberedAnswers   = 4  // chosen: a request is redelivered soon or not at all
)

func publishClass() class {
	return class{module: "orkestro", name: "PublishEndpoint", hierarchy: []string{
		"kurento.SessionEndpoint", "kurento.Endpoint", "kurento.MediaElement", "kurento.MediaObject",
	}}
}

// PublishEndpoint receives everything that one user publishes, over one peer connection that the client offers again
// whenever its tracks change. What it publishes goes to the subscribe endpoints of the pipeline. Safe for concurrent
// use: all work is done on its queue, one task at a time, and that goroutine owns the fields below it.
type PublishEndpoint struct {
	base
	words
	pipeline *Pipeline
	user     control.UserID
	join     control.JoinID
	queue    queue

	peer      *rtc.PublishPeer // nil: no offer yet
	sessionID string           // of the last offer
	lastSeq   int64
	answers   []mediaapi.ProcessedOffer
	streams   []*stream
	sources   map[trackKey]*rtc.Source
	paused    map[control.StreamID][]string
	early     []control.Candidate
	states    stateCounter
}

// trackKey names a track over the connections that carry it: the n-th of its kind in its stream.
type trackKey struct {
	stream control.StreamID
	kind   string
	nth    int
}

func newPublishEndpoint(p *Pipeline, user control.UserID, join control.JoinID) *PublishEndpoint {
	return &PublishEndpoint{
		base: newBase(p.server, p, publishClass()), pipeline: p, user: user, join: join,
		sources: map[trackKey]*rtc.Source{}, paused: map[control.StreamID][]string{},
	}
}

// User is whose endpoint it is.
func (e *PublishEndpoint) User() control.UserID { return e.user }

// Join is the user's presence that it was made for.
func (e *PublishEndpoint) Join() control.JoinID { return e.join }

// ProcessOffer answers an offer; an seq that was answered gets the same answer again. Errors are [*Error] with
// [mediaapi.CodeSDPParse] or [mediaapi.CodeSDPProcessOffer], or that of the context.
func (e *PublishEndpoint) ProcessOffer(ctx context.Context, offer string, seq int64) (mediaapi.ProcessedOffer, error) {
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

func (e *PublishEndpoint) process(ctx context.Context, offer string, seq int64) (mediaapi.ProcessedOffer, error) {
	none := mediaapi.ProcessedOffer{}
	for _, answered := range e.answers {
		if answered.Seq == seq {
			return answered, nil
		}
	}
	if seq <= e.lastSeq {
		return none, errorf(mediaapi.CodeSDPProcessOffer, "offer %d is older than offer %d", seq, e.lastSeq)
	}
	description, err := rtc.ParseDescription(offer)
	if err != nil {
		return none, errorf(mediaapi.CodeSDPParse, "%v", err)
	}
	plan, err := newPublishPlan(e.user, description)
	if err != nil {
		return none, err
	}
	answer, accepted, err := e.negotiate(ctx, description, plan)
	if err != nil {
		return none, err
	}
	streams := e.publish(plan, accepted)
	result := mediaapi.ProcessedOffer{Seq: seq, Answer: answer, Streams: streams}
	e.lastSeq = seq
	e.answers = append(e.answers, result)
	if len(e.answers) > rememberedAnswers {
		e.answers = e.answers[1:]
	}
	return result, nil
}

// negotiate answers on the connection that the offer belongs to. If that fails the connection is given up: what Pion
// has half applied cannot be taken back. The endpoint then waits for an offer as if it were new.
func (e *PublishEndpoint) negotiate(ctx context.Context, d *rtc.Description, plan *publishPlan,
) (answer string, accepted []string, err error) {
	peer := e.peer
	if peer == nil || d.SessionID != e.sessionID {
		if peer, err = e.newPeer(); err != nil {
			return "", nil, err
		}
	}
	peer.Feed(e.feeds(plan), plan.data(e.streams))
	answer, accepted, err = peer.Answer(ctx, d)
	if err != nil {
		e.drop(peer)
		if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			return "", nil, err
		}
		return "", nil, errorf(mediaapi.CodeSDPProcessOffer, "%v", err)
	}
	if old := e.peer; old != nil && old != peer {
		e.queue.post(old.Close)
	}
	e.peer, e.sessionID = peer, d.SessionID
	e.early = peer.AddCandidates(e.early)
	return answer, accepted, nil
}

func (e *PublishEndpoint) newPeer() (*rtc.PublishPeer, error) {
	var peer *rtc.PublishPeer
	peer, err := e.server.engine.NewPublishPeer(rtc.Handlers{
		State: func(s control.ConnectionState) { e.queue.post(func() { e.stateChanged(peer, s) }) },
		Codec: e.pipeline.streams.notify,
	})
	if err != nil {
		return nil, errorf(codeNotEnoughResources, "%v", err)
	}
	return peer, nil
}

func (e *PublishEndpoint) stateChanged(peer *rtc.PublishPeer, s control.ConnectionState) {
	if peer == e.peer {
		e.states.emit(e.server, e, s)
	}
}

// drop closes a connection after a failed negotiation; with the present one goes what it published.
func (e *PublishEndpoint) drop(peer *rtc.PublishPeer) {
	if peer == e.peer {
		e.peer, e.sessionID = nil, ""
		e.unpublish()
		e.states.emit(e.server, e, control.ConnectionFailed)
	}
	peer.Close()
	e.closeUnpublished()
}

// feeds finds or makes the source of each m-line.
func (e *PublishEndpoint) feeds(plan *publishPlan) map[string]*rtc.Source {
	feeds := make(map[string]*rtc.Source, len(plan.tracks))
	for mid, key := range plan.tracks {
		source := e.sources[key]
		if source == nil {
			source = e.server.engine.NewSource(key.kind)
			source.SetPaused(slices.Contains(e.paused[key.stream], key.kind))
			e.sources[key] = source
		}
		feeds[mid] = source
	}
	return feeds
}

// publish makes what was accepted known to the pipeline and forgets the rest.
func (e *PublishEndpoint) publish(plan *publishPlan, accepted []string) []mediaapi.PublishedStream {
	before := e.streams
	e.streams = plan.streams(e.user, accepted, e.sources)
	keptData := map[*rtc.DataSource]bool{}
	published := []mediaapi.PublishedStream{}
	for _, s := range e.streams {
		keptData[s.data] = true
		published = append(published, mediaapi.PublishedStream{ID: s.id, Kinds: s.kinds()})
		if s.data != nil {
			s.data.SetPaused(slices.Contains(e.paused[s.id], control.KindData))
		}
	}
	e.pipeline.streams.publish(e, e.streams)
	e.closeUnpublished()
	for _, s := range before {
		if s.data != nil && !keptData[s.data] {
			s.data.Close()
		}
	}
	return published
}

// closeUnpublished closes the sources that belong to no stream, those of a failed offer among them.
func (e *PublishEndpoint) closeUnpublished() {
	kept := map[*rtc.Source]bool{}
	for _, s := range e.streams {
		for _, source := range s.tracks {
			kept[source] = true
		}
	}
	for key, source := range e.sources {
		if !kept[source] {
			delete(e.sources, key)
			source.Close()
		}
	}
}

func (e *PublishEndpoint) unpublish() { e.publish(&publishPlan{}, nil) }

// SetPaused sets which kinds of a stream are not forwarded; none: everything is. A stream that is not there yet begins
// that way.
func (e *PublishEndpoint) SetPaused(ctx context.Context, id control.StreamID, kinds []string) error {
	return e.queue.call(ctx, e.id, func() error {
		if len(kinds) == 0 {
			delete(e.paused, id)
		} else if len(e.paused) < maxPublishedStreams || e.paused[id] != nil {
			e.paused[id] = slices.Clone(kinds)
		}
		for _, s := range e.streams {
			if s.id != id {
				continue
			}
			for _, source := range s.tracks {
				source.SetPaused(slices.Contains(kinds, source.Kind()))
			}
			if s.data != nil {
				s.data.SetPaused(slices.Contains(kinds, control.KindData))
			}
		}
		return nil
	})
}

// AddICECandidates takes candidates of the client, also before the offer that they belong to. end marks the last and
// needs no reaction. Errors are [*Error] with [mediaapi.CodeICEAddCandidate].
func (e *PublishEndpoint) AddICECandidates(ctx context.Context, candidates []control.Candidate, _ bool) error {
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

func (e *PublishEndpoint) close() {
	e.queue.close(func() {
		e.unpublish()
		if e.peer != nil {
			e.peer.Close()
			e.peer = nil
		}
	})
	e.pipeline.forget(e)
}

// stateCounter numbers the connection states of an endpoint. Owned by the endpoint's queue.
type stateCounter struct {
	number int64
	last   control.ConnectionState
}

func (c *stateCounter) emit(s *Server, object Object, state control.ConnectionState) {
	if state == c.last || state == control.ConnectionNew {
		return
	}
	c.number++
	c.last = state
	s.emit(object, EventEndpointStateChanged, EndpointStateChanged{Number: c.number, State: state})
}
