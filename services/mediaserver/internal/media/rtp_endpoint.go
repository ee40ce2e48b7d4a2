package media

import (
	"context"
	"errors"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/mediaapi"
	"github.com/orkestro/orkestro/services/mediaserver/internal/rtc"
	"github.com/orkestro/orkestro/services/mediaserver/internal/rtpsocket"
)

func rtpClass() class {
	return class{module: "kurento", name: "RtpEndpoint", hierarchy: baseRTPHierarchy()}
}

// RTPEndpointParams are the constructor parameters of an RtpEndpoint.
type RTPEndpointParams struct {
	Key  *rtpsocket.Key // of what goes out; nil: not encrypted unless the remote side offers it
	IPv6 bool
}

// RTPEndpoint is the RtpEndpoint of the Kurento Protocol: RTP over ports of its own, without ICE. Safe for concurrent
// use: negotiation is done on its queue, and that goroutine owns the fields below it.
type RTPEndpoint struct {
	baseRTPEndpoint
	params RTPEndpointParams
	queue  queue

	peer     *rtc.RTPPeer // nil before the negotiation
	offered  bool         // generateOffer was called
	answered bool         // the negotiation is over
}

// NewRTPEndpoint makes an RtpEndpoint.
func (p *Pipeline) NewRTPEndpoint(params RTPEndpointParams) (*RTPEndpoint, error) {
	if params.Key != nil {
		if err := params.Key.Check(); err != nil {
			return nil, errorf(codeIllegalParam, "%v", err)
		}
	}
	e := &RTPEndpoint{params: params}
	e.base = newBase(p.server, p, rtpClass())
	e.Element = newElement(e, p)
	e.watch(nil)
	for kind, name := range map[MediaType]string{Audio: control.KindAudio, Video: control.KindVideo} {
		e.outputs[kind] = p.server.engine.NewSource(name)
		e.inputs[kind] = rtc.NewSink(name, "kurento", name)
	}
	return e, p.children.addElement(p.server, p, e)
}

func (e *RTPEndpoint) newPeer() (*rtc.RTPPeer, error) {
	limits := e.Limits()
	peer, err := e.server.engine.NewRTPPeer(rtc.DuplexMedia{
		Sources: map[string]*rtc.Source{control.KindAudio: e.outputs[Audio], control.KindVideo: e.outputs[Video]},
		Sinks:   map[string]*rtc.Sink{control.KindAudio: e.inputs[Audio], control.KindVideo: e.inputs[Video]},
	}, rtc.RTPConfig{
		Key: e.params.Key, IPv6: e.params.IPv6, Audio: limits.MaxAudioRecv, Video: limits.MaxVideoRecv,
	})
	if err != nil {
		return nil, errorf(codeNotEnoughResources, "%v", err)
	}
	return peer, nil
}

// ProcessOffer answers the remote offer; media flows from then on.
func (e *RTPEndpoint) ProcessOffer(ctx context.Context, offer string) (answer string, err error) {
	err = e.queue.call(ctx, e.id, func() error {
		answer, err = e.processOffer(offer)
		return err
	})
	if err != nil {
		return "", err
	}
	return answer, nil
}

func (e *RTPEndpoint) processOffer(offer string) (string, error) {
	if e.answered || e.offered {
		return "", errorf(codeAlreadyNegotiated, "Endpoint already negotiated")
	}
	peer, err := e.newPeer()
	if err != nil {
		return "", err
	}
	answer, err := peer.Answer(offer)
	if err != nil {
		peer.Close()
		return "", sdpError(err, mediaapi.CodeSDPProcessOffer)
	}
	e.peer = peer
	e.negotiated(answer, offer)
	return answer, nil
}

// GenerateOffer makes the offer, with an audio and a video m-line unless they are not wanted.
func (e *RTPEndpoint) GenerateOffer(ctx context.Context, audio, video bool) (offer string, err error) {
	err = e.queue.call(ctx, e.id, func() error {
		offer, err = e.generateOffer(kindsOf(audio, video))
		return err
	})
	if err != nil {
		return "", err
	}
	return offer, nil
}

func (e *RTPEndpoint) generateOffer(kinds []string) (string, error) {
	if e.answered || e.offered {
		return "", errorf(codeAlreadyNegotiated, "Endpoint already negotiated")
	}
	if len(kinds) == 0 {
		return "", errorf(codeGenerateOffer, "neither audio nor video is wanted")
	}
	peer, err := e.newPeer()
	if err != nil {
		return "", err
	}
	offer, err := peer.Offer(kinds)
	if err != nil {
		peer.Close()
		return "", sdpError(err, codeGenerateOffer)
	}
	e.peer, e.offered = peer, true
	e.describe(offer, "")
	return offer, nil
}

// ProcessAnswer takes the answer to the generated offer and returns the local description.
func (e *RTPEndpoint) ProcessAnswer(ctx context.Context, answer string) (local string, err error) {
	err = e.queue.call(ctx, e.id, func() error {
		switch {
		case !e.offered:
			return errorf(mediaapi.CodeNotOfferGenerated, "Offer not generated")
		case e.answered:
			return errorf(codeAnswerAlreadyProcessed, "Answer already processed")
		}
		if err := e.peer.Accept(answer); err != nil {
			return sdpError(err, mediaapi.CodeSDPProcessAnswer)
		}
		local, _ := e.LocalDescription()
		e.negotiated(local, answer)
		return nil
	})
	if err != nil {
		return "", err
	}
	return e.LocalDescription()
}

func (e *RTPEndpoint) negotiated(local, remote string) {
	e.answered = true
	e.describe(local, remote)
	e.server.emit(e, EventMediaSessionStarted, nil)
	e.setConnection(connected)
}

// sdpError is what clients get for a description that cannot be used.
func sdpError(err error, otherwise mediaapi.ErrorCode) error {
	switch {
	case errors.Is(err, rtc.ErrSDP):
		return errorf(mediaapi.CodeSDPParse, "%v", err)
	case errors.Is(err, rtpsocket.ErrNoPort):
		return errorf(codeNotEnoughResources, "%v", err)
	default:
		return errorf(otherwise, "%v", err)
	}
}

func (e *RTPEndpoint) close() {
	e.leave()
	e.queue.close(func() {
		if e.peer != nil {
			e.peer.Close()
			e.peer = nil
		}
	})
	e.pipeline.forget(e)
}
