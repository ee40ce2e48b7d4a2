package media

import (
	"context"
	"errors"

	"github.com/orkestro/orkestro/pkg/mediaapi"
	"github.com/orkestro/orkestro/services/mediaserver/internal/rtc"
)

// ProcessAnswer takes the answer to offer seq. One to an older offer, or a second one, does nothing. Errors are
// [*Error] with [mediaapi.CodeNotOfferGenerated], [mediaapi.CodeSDPParse] or [mediaapi.CodeSDPProcessAnswer]; after the
// first two the offer still waits, after the last one a fresh one is made.
func (e *SubscribeEndpoint) ProcessAnswer(ctx context.Context, answer string, seq int64) error {
	return e.queue.call(ctx, e.id, func() error { return e.process(ctx, answer, seq) })
}

func (e *SubscribeEndpoint) process(ctx context.Context, answer string, seq int64) error {
	if seq > e.seq {
		return errorf(mediaapi.CodeNotOfferGenerated, "there is no offer %d", seq)
	}
	if seq < e.seq || !e.waiting {
		return nil
	}
	description, err := rtc.ParseDescription(answer)
	if err != nil {
		return errorf(mediaapi.CodeSDPParse, "%v", err)
	}
	switch err := e.peer.Accept(description); {
	case errors.Is(err, rtc.ErrSDP):
		return errorf(mediaapi.CodeSDPParse, "%v", err)
	case err != nil:
		e.giveUp()
		e.update(ctx, true, false)
		return errorf(mediaapi.CodeSDPProcessAnswer, "%v", err)
	}
	e.waiting = false
	e.early = e.peer.AddCandidates(e.early)
	if e.changed || e.restart {
		e.update(ctx, false, e.restart)
	}
	return nil
}

// RequestOffer asks for an offer: the one that waits for its answer once more, or a new one. fresh begins a new peer
// connection, iceRestart restarts ICE on the present one; both also end [SubscribeEndpoint.Stop]. With nothing to send,
// the offer comes when there is something.
func (e *SubscribeEndpoint) RequestOffer(ctx context.Context, fresh, iceRestart bool) error {
	return e.queue.call(ctx, e.id, func() error {
		e.stopped = false
		if fresh {
			e.giveUp()
		}
		if e.waiting {
			e.restart = e.restart || iceRestart
			e.emitOffer()
			return nil
		}
		e.update(ctx, true, iceRestart)
		return nil
	})
}
