package media

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/mediaapi"
	"github.com/orkestro/orkestro/services/mediaserver/internal/rtc"
)

func webRTCClass() class {
	return class{module: "kurento", name: "WebRtcEndpoint", hierarchy: baseRTPHierarchy()}
}

// WebRTCEndpointParams are the constructor parameters of a WebRtcEndpoint.
type WebRTCEndpointParams struct {
	RecvOnly, SendOnly, UseDataChannels bool
	RSA                                 bool // an RSA certificate instead of the process's ECDSA one
}

// WebRTCEndpoint is the WebRtcEndpoint of the Kurento Protocol: one negotiation, at most one audio and one video track
// each way. The tracks that go out are there before anything is connected, because applications answer a viewer first
// and connect it then. Safe for concurrent use: negotiation is done on its queue, and that goroutine owns the fields
// below it.
type WebRTCEndpoint struct {
	baseRTPEndpoint
	webRTCView
	params WebRTCEndpointParams
	queue  queue

	peer      *rtc.DuplexPeer // nil before the negotiation
	offered   bool            // generateOffer was called
	answered  bool            // the negotiation is over
	gathering bool            // gatherCandidates was called
	gathered  bool            // the last candidate is known
	held      []control.Candidate
	early     []control.Candidate
}

// webRTCView is what getters show without waiting for the queue.
type webRTCView struct {
	mu        sync.Mutex
	ice, dtls string
	pair      *CandidatePair
	settings  ICESettings
}

func newWebRTCEndpoint(p *Pipeline, params WebRTCEndpointParams) *WebRTCEndpoint {
	e := &WebRTCEndpoint{params: params}
	e.base = newBase(p.server, p, webRTCClass())
	e.ice, e.dtls = "GATHERING", "NEW"
	e.Element = newElement(e, p)
	e.watch(e.limitSender)
	for kind, name := range map[MediaType]string{Audio: control.KindAudio, Video: control.KindVideo} {
		e.outputs[kind] = p.server.engine.NewSource(name)
		e.inputs[kind] = rtc.NewSink(name, "kurento", name)
	}
	e.messages = rtc.NewDataHub(func(c rtc.ChannelEvent) { e.queue.post(func() { e.channelChanged(c) }) })
	return e
}

func (e *WebRTCEndpoint) newPeer() error {
	media := rtc.DuplexMedia{
		Sources: map[string]*rtc.Source{control.KindAudio: e.outputs[Audio], control.KindVideo: e.outputs[Video]},
		Sinks:   map[string]*rtc.Sink{control.KindAudio: e.inputs[Audio], control.KindVideo: e.inputs[Video]},
		Sends:   !e.params.RecvOnly,
		Receive: !e.params.SendOnly,
		RSA:     e.params.RSA,
	}
	if e.params.UseDataChannels {
		media.Hub = e.messages
	}
	peer, err := e.server.engine.NewDuplexPeer(media, e.handlers())
	if err != nil {
		return errorf(codeNotEnoughResources, "%v", err)
	}
	e.peer = peer
	return nil
}

// ProcessOffer answers the remote offer. The answer has no candidates: they come as events after
// [WebRTCEndpoint.GatherCandidates].
func (e *WebRTCEndpoint) ProcessOffer(ctx context.Context, offer string) (answer string, err error) {
	err = e.queue.call(ctx, e.id, func() error {
		answer, err = e.processOffer(ctx, offer)
		return err
	})
	if err != nil {
		return "", err
	}
	return answer, nil
}

func (e *WebRTCEndpoint) processOffer(ctx context.Context, offer string) (string, error) {
	if e.answered || e.offered {
		return "", errorf(codeAlreadyNegotiated, "Endpoint already negotiated")
	}
	description, err := rtc.ParseDescription(offer)
	if err != nil {
		return "", errorf(mediaapi.CodeSDPParse, "%v", err)
	}
	if err := e.newPeer(); err != nil {
		return "", err
	}
	answer, err := e.peer.Answer(ctx, description)
	if err != nil {
		e.abandon()
		return "", errorf(mediaapi.CodeSDPProcessOffer, "%v", err)
	}
	answer = e.withLimits(rtc.WithoutCandidates(answer))
	e.answered = true
	e.describe(answer, offer)
	e.early = e.peer.AddCandidates(e.early)
	e.server.emit(e, EventMediaSessionStarted, nil)
	return answer, nil
}

// abandon undoes a failed negotiation, so that the endpoint can be tried again.
func (e *WebRTCEndpoint) abandon() {
	e.peer.Close()
	e.peer, e.held, e.gathered = nil, nil, false
	e.pipeline.graph.attach(&e.Element)
}

// GenerateOffer makes the offer, with an audio and a video m-line unless they are not wanted.
func (e *WebRTCEndpoint) GenerateOffer(ctx context.Context, audio, video bool) (offer string, err error) {
	err = e.queue.call(ctx, e.id, func() error {
		offer, err = e.generateOffer(ctx, audio, video)
		return err
	})
	if err != nil {
		return "", err
	}
	return offer, nil
}

func (e *WebRTCEndpoint) generateOffer(ctx context.Context, audio, video bool) (string, error) {
	if e.answered || e.offered {
		return "", errorf(codeAlreadyNegotiated, "Endpoint already negotiated")
	}
	kinds := kindsOf(audio, video)
	if len(kinds) == 0 && !e.params.UseDataChannels {
		return "", errorf(codeGenerateOffer, "neither audio nor video nor data is wanted")
	}
	if err := e.newPeer(); err != nil {
		return "", err
	}
	offer, err := e.peer.Offer(ctx, kinds)
	if err != nil {
		e.abandon()
		return "", errorf(codeGenerateOffer, "%v", err)
	}
	offer = e.withLimits(rtc.WithoutCandidates(offer))
	e.offered = true
	e.describe(offer, "")
	return offer, nil
}

// ProcessAnswer takes the answer to the generated offer and returns the local description.
func (e *WebRTCEndpoint) ProcessAnswer(ctx context.Context, answer string) (local string, err error) {
	err = e.queue.call(ctx, e.id, func() error {
		switch {
		case !e.offered:
			return errorf(mediaapi.CodeNotOfferGenerated, "Offer not generated")
		case e.answered:
			return errorf(codeAnswerAlreadyProcessed, "Answer already processed")
		}
		return e.processAnswer(answer)
	})
	if err != nil {
		return "", err
	}
	return e.LocalDescription()
}

func (e *WebRTCEndpoint) processAnswer(answer string) error {
	description, err := rtc.ParseDescription(answer)
	if err != nil {
		return errorf(mediaapi.CodeSDPParse, "%v", err)
	}
	if err := e.peer.Accept(description); err != nil {
		if errors.Is(err, rtc.ErrSDP) {
			return errorf(mediaapi.CodeSDPParse, "%v", err)
		}
		return errorf(mediaapi.CodeSDPProcessAnswer, "%v", err)
	}
	e.answered = true
	local, _ := e.LocalDescription()
	e.describe(local, answer)
	e.early = e.peer.AddCandidates(e.early)
	e.server.emit(e, EventMediaSessionStarted, nil)
	return nil
}

// GatherCandidates sends the candidates as events, then [EventIceGatheringDone]. A second call sends them again.
func (e *WebRTCEndpoint) GatherCandidates(ctx context.Context) error {
	return e.queue.call(ctx, e.id, func() error {
		if e.peer == nil {
			return errorf(codeGatherCandidates, "Error gathering candidates: not negotiated")
		}
		e.gathering = true
		for _, c := range e.held {
			e.emitCandidate(c)
		}
		if e.gathered {
			e.server.emit(e, EventIceGatheringDone, nil)
		}
		return nil
	})
}

// AddICECandidate takes a candidate of the remote side, also before the negotiation. Errors are [*Error] with
// [mediaapi.CodeICEAddCandidate].
func (e *WebRTCEndpoint) AddICECandidate(ctx context.Context, candidate control.Candidate) error {
	candidates := []control.Candidate{candidate}
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

// limitSender is called every second or so.
func (e *WebRTCEndpoint) limitSender() {
	limit := e.Limits().MaxVideoRecv
	if limit == 0 || !e.received(Video) {
		return
	}
	e.queue.post(func() {
		if e.peer != nil {
			e.peer.LimitSender(limit)
		}
	})
}

// ConnectionStats are those of the transport; the zero value before the negotiation.
func (e *WebRTCEndpoint) ConnectionStats(ctx context.Context) (stats rtc.ConnectionStats, err error) {
	err = e.queue.call(ctx, e.id, func() error {
		if e.peer != nil {
			stats = e.peer.Stats()
		}
		return nil
	})
	if err != nil {
		return rtc.ConnectionStats{}, err
	}
	return stats, nil
}

func (e *WebRTCEndpoint) close() {
	e.leave()
	e.queue.close(func() {
		if e.peer != nil {
			e.peer.Close()
			e.peer = nil
		}
	})
	e.pipeline.forget(e)
}

func indexOf(candidates []control.Candidate, c control.Candidate) int {
	return slices.IndexFunc(candidates, func(other control.Candidate) bool { return other.Candidate == c.Candidate })
}
