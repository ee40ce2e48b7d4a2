package consume

import (
	"context"
	"encoding/json"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/services/wrapper/internal/session"
)

// route decodes one type of message and handles it.
type route func(ctx context.Context, r session.Request, body []byte) (any, error)

// routes is every type of message that a Wrapper handles.
func routes(s *session.Service) map[string]route {
	return map[string]route{
		message.TypeCreateSession:    call(s.Create),
		message.TypeCloseSession:     do(s.Close),
		message.TypeJoin:             call(s.Join),
		message.TypeLeave:            do(s.Leave),
		message.TypePublish:          call(s.Publish),
		message.TypeUnpublish:        do(s.Unpublish),
		message.TypeSubscribeAnswer:  do(s.SubscribeAnswer),
		message.TypeRequestOffer:     do(s.RequestOffer),
		message.TypeUnsubscribe:      do(s.Unsubscribe),
		message.TypeAddCandidates:    do(s.AddCandidates),
		message.TypeSetSubscriptions: do(s.SetSubscriptions),
		message.TypePauseStream:      do(s.PauseStream),
		message.TypeView:             call(s.View),
		message.TypeEndView:          do(s.EndView),
		message.TypeSync:             do(s.Sync),
		message.TypeQueueFull:        do(s.QueueFull),
		message.TypeRebuild:          do(s.Rebuild),
		message.TypeRelocate:         do(s.Relocate),
		message.TypeMediaOffer:       do(s.MediaOffer),
		message.TypeMediaState:       do(s.MediaState),
		message.TypeMediaCandidate:   do(s.MediaCandidate),
		message.TypeMediaQuality:     do(s.MediaQuality),
		message.TypeMediaSpeakers:    do(s.MediaSpeakers),
	}
}

// call is the route of a method with a result.
func call[Body, Result any](method func(context.Context, session.Request, Body) (*Result, error)) route {
	return func(ctx context.Context, r session.Request, data []byte) (any, error) {
		body, err := decode[Body](data)
		if err != nil {
			return nil, err
		}
		return method(ctx, r, body)
	}
}

// do is the route of a method without a result.
func do[Body any](method func(context.Context, session.Request, Body) error) route {
	return func(ctx context.Context, r session.Request, data []byte) (any, error) {
		body, err := decode[Body](data)
		if err != nil {
			return nil, err
		}
		return nil, method(ctx, r, body)
	}
}

// decode reads a body. Fields that are not known are of a later release and ignored.
func decode[Body any](data []byte) (Body, error) {
	var body Body
	if err := json.Unmarshal(data, &body); err != nil {
		return body, broker.Permanent(control.Errorf(control.CodeInvalid, "the message cannot be read: %w", err))
	}
	return body, nil
}
