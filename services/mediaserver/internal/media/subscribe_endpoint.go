package media

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/logging"
	"github.com/orkestro/orkestro/services/mediaserver/internal/rtc"
)

// offerTimeout bounds the making of an offer, which waits for nothing but the process itself.
const offerTimeout = 5 * time.Second

func subscribeClass() class {
	return class{module: "orkestro", name: "SubscribeEndpoint", hierarchy: []string{
		"kurento.SessionEndpoint", "kurento.Endpoint", "kurento.MediaElement", "kurento.MediaObject",
	}}
}

// SubscribeEndpoint sends one user what the others of the pipeline publish, over one peer connection that it offers
// again whenever that changes. Offers come as [EventOfferCreated], one at a time:
//
//	streams change -> offer seq n -> (streams change: remembered) -> answer n -> offer n+1 if anything was remembered
//
// Safe for concurrent use: all work is done on its queue, one task at a time, and that goroutine owns the fields below
// it.
type SubscribeEndpoint struct {
	base
	words
	pipeline *Pipeline
	user     control.UserID
	join     control.JoinID
	queue    queue
	looking  atomic.Bool // a task that looks at the streams is posted already

	subscriptions control.Subscriptions
	peer          *rtc.SubscribePeer // nil: nothing to send yet, stopped, or given up
	stopped       bool
	seq           int64  // of the last offer
	offer         string // the last offer
	waiting       bool   // the last offer is not answered yet
	changed       bool   // streams changed while it waits
	restart       bool   // an ICE restart was asked for while it waits
	links         map[*rtc.DataSource]*rtc.DataLink
	early         []control.Candidate
	states        stateCounter
	qualities     int64 // events told
}

func newSubscribeEndpoint(
	p *Pipeline, user control.UserID, join control.JoinID, subscriptions control.Subscriptions,
) *SubscribeEndpoint {
	return &SubscribeEndpoint{
		base: newBase(p.server, p, subscribeClass()), pipeline: p, user: user, join: join,
		subscriptions: subscriptions, links: map[*rtc.DataSource]*rtc.DataLink{},
	}
}

// User is whose endpoint it is.
func (e *SubscribeEndpoint) User() control.UserID { return e.user }

// Join is the user's presence that it was made for.
func (e *SubscribeEndpoint) Join() control.JoinID { return e.join }

// streamsChanged has the endpoint look at the streams of the pipeline, once for several changes. It reports false when
// the endpoint is released.
func (e *SubscribeEndpoint) streamsChanged() bool {
	if e.looking.Swap(true) {
		return true
	}
	posted := e.queue.post(func() {
		e.looking.Store(false)
		e.update(context.Background(), false, false)
	})
	if !posted {
		e.looking.Store(false)
	}
	return posted
}

// update brings the connection in line with the streams and offers what has changed; with force also when nothing has.
func (e *SubscribeEndpoint) update(ctx context.Context, force, restart bool) {
	if e.stopped {
		return
	}
	if e.waiting {
		e.changed = true
		e.restart = e.restart || restart
		return
	}
	tracks, mirrors := e.wanted() //nolint:contextcheck // what changes later is not part of this call
	if e.peer == nil {
		if len(tracks) == 0 && len(mirrors) == 0 {
			return
		}
		if err := e.newPeer(); err != nil {
			e.report(err)
			return
		}
		restart = false // ICE begins anyway
	}
	change, err := e.peer.SetTracks(tracks)
	channels, channelErr := e.peer.SetChannels(mirrors)
	if err = errors.Join(err, channelErr); err != nil {
		e.report(err)
	}
	if change = max(change, channels); change > rtc.Unchanged || force || restart {
		e.makeOffer(ctx, restart)
		e.changed = change == rtc.NeedsTwoOffers
	}
}

// makeOffer is finished also when the caller that happened to cause it has left.
func (e *SubscribeEndpoint) makeOffer(ctx context.Context, restart bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), offerTimeout)
	defer cancel()
	offer, err := e.peer.Offer(ctx, restart)
	if err != nil {
		e.report(err)
		e.giveUp()
		if errors.Is(err, rtc.ErrClosed) {
			e.update(ctx, false, false) // by the client, who gets a fresh one
		}
		return
	}
	e.seq++
	e.offer, e.waiting, e.changed, e.restart = offer, true, false, false
	e.emitOffer()
}

func (e *SubscribeEndpoint) emitOffer() {
	e.server.emit(e, EventOfferCreated, OfferCreated{Seq: e.seq, SDP: e.offer})
}

// report tells about a failure that no caller waits for. A client that has closed its connection is none: it leaves, or
// asks for a fresh one.
func (e *SubscribeEndpoint) report(err error) {
	if errors.Is(err, rtc.ErrClosed) {
		e.server.log.Debug("subscribe endpoint has no client to offer to", logging.KeyEndpoint, e.id, logging.KeyError, err)
		return
	}
	e.server.log.Warn("subscribe endpoint could not offer", logging.KeyEndpoint, e.id, logging.KeyError, err)
	e.server.emit(e, EventError, ErrorRaised{
		Description: err.Error(), ErrorCode: int(codeGenerateOffer), Type: "SDP_END_POINT_GENERATE_OFFER_ERROR",
	})
}

// wanted is what the subscriptions choose of what is there.
func (e *SubscribeEndpoint) wanted() (tracks []rtc.Track, mirrors []*rtc.Mirror) {
	linked := map[*rtc.DataSource]bool{}
	for _, s := range e.pipeline.streams.others(e.user) {
		for _, source := range s.tracks {
			if e.subscribed(s.id, source.Kind()) && source.Codec() != (rtc.Codec{}) {
				tracks = append(tracks, rtc.Track{Stream: s.id, Source: source, MaxLayer: e.maxLayer(s.id)})
			}
		}
		if s.data == nil || !e.subscribed(s.id, control.KindData) {
			continue
		}
		linked[s.data] = true
		if e.links[s.data] == nil {
			e.links[s.data] = s.data.Connect(func() { e.streamsChanged() })
		}
		for _, m := range e.links[s.data].Mirrors() {
			mirrors = append(mirrors, m.For(string(s.id)))
		}
	}
	for source, link := range e.links {
		if !linked[source] {
			delete(e.links, source)
			link.Close()
		}
	}
	return tracks, mirrors
}

// maxLayer is the highest layer of a stream that is wished for, in either mode; nil: all.
func (e *SubscribeEndpoint) maxLayer(id control.StreamID) *int {
	for _, s := range e.subscriptions.Streams {
		if s.ID == id {
			return s.MaxLayer
		}
	}
	return nil
}

func (e *SubscribeEndpoint) subscribed(id control.StreamID, kind string) bool {
	if e.subscriptions.Mode != control.SubscribeList {
		return true
	}
	return slices.ContainsFunc(e.subscriptions.Streams, func(s control.Subscription) bool {
		return s.ID == id && (len(s.Kinds) == 0 || slices.Contains(s.Kinds, kind))
	})
}

func (e *SubscribeEndpoint) newPeer() error {
	var peer *rtc.SubscribePeer
	peer, err := e.server.engine.NewSubscribePeer(rtc.Handlers{
		State:   func(s control.ConnectionState) { e.queue.post(func() { e.stateChanged(peer, s) }) },
		Quality: func(q rtc.Quality) { e.queue.post(func() { e.qualityChanged(peer, q) }) },
	})
	if err != nil {
		return err
	}
	e.peer = peer
	return nil
}

func (e *SubscribeEndpoint) stateChanged(peer *rtc.SubscribePeer, s control.ConnectionState) {
	if peer != e.peer {
		return
	}
	e.states.emit(e.server, e, s)
	switch s {
	case control.ConnectionConnected:
		peer.RequestKeyframes()
	case control.ConnectionClosed: // by the client; it gets an offer when it asks, or when there is something new
		e.giveUp()
	default:
	}
}

// giveUp closes the connection; the next one begins with a new offer.
func (e *SubscribeEndpoint) giveUp() {
	e.waiting, e.changed, e.restart = false, false, false
	if e.peer != nil {
		e.peer.Close()
		e.peer = nil
	}
}

// SetSubscriptions chooses what is sent from now on.
func (e *SubscribeEndpoint) SetSubscriptions(ctx context.Context, subscriptions control.Subscriptions) error {
	return e.queue.call(ctx, e.id, func() error {
		e.subscriptions = subscriptions
		e.update(ctx, false, false)
		return nil
	})
}

// Stop ends the connection until [SubscribeEndpoint.RequestOffer].
func (e *SubscribeEndpoint) Stop(ctx context.Context) error {
	return e.queue.call(ctx, e.id, func() error {
		e.stopped = true
		if e.peer != nil {
			e.giveUp()
			e.states.emit(e.server, e, control.ConnectionClosed)
		}
		e.unlink()
		return nil
	})
}

func (e *SubscribeEndpoint) unlink() {
	for _, link := range e.links {
		link.Close()
	}
	clear(e.links)
}

// AddICECandidates is as [PublishEndpoint.AddICECandidates].
func (e *SubscribeEndpoint) AddICECandidates(ctx context.Context, candidates []control.Candidate, _ bool) error {
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

func (e *SubscribeEndpoint) close() {
	e.pipeline.streams.unsubscribe(e)
	e.queue.close(func() {
		e.unlink()
		e.giveUp()
		e.stopped = true
	})
	e.pipeline.streams.unsubscribe(e) // again: it may have been subscribed while it was being released
	e.pipeline.forget(e)
}
