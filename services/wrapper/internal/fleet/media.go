package fleet

import (
	"context"
	"errors"
	"fmt"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/mediaapi"
	"github.com/orkestro/orkestro/pkg/mediaclient"
	"github.com/orkestro/orkestro/services/wrapper/internal/session"
)

// media is a client whose refusals are errors of the session logic.
type media struct{ client *mediaclient.Client }

var _ session.Media = media{}

// CreatePipeline implements [session.Pipelines].
func (m media) CreatePipeline(ctx context.Context, p mediaapi.PipelineParams) (string, error) {
	id, err := m.client.CreatePipeline(ctx, p)
	return id, translate(err)
}

// CreatePublishEndpoint implements [session.Pipelines].
func (m media) CreatePublishEndpoint(ctx context.Context, p mediaapi.EndpointParams) (string, error) {
	id, err := m.client.CreatePublishEndpoint(ctx, p)
	return id, translate(err)
}

// CreateSubscribeEndpoint implements [session.Pipelines].
func (m media) CreateSubscribeEndpoint(ctx context.Context, p mediaapi.EndpointParams) (string, error) {
	id, err := m.client.CreateSubscribeEndpoint(ctx, p)
	return id, translate(err)
}

// CreateViewEndpoint implements [session.Pipelines].
func (m media) CreateViewEndpoint(ctx context.Context, p mediaapi.EndpointParams) (string, error) {
	id, err := m.client.CreateViewEndpoint(ctx, p)
	return id, translate(err)
}

// Release implements [session.Pipelines].
func (m media) Release(ctx context.Context, id string) error {
	return translate(m.client.ReleaseObject(ctx, id))
}

// ProcessOffer implements [session.Negotiator].
func (m media) ProcessOffer(
	ctx context.Context, endpoint string, p mediaapi.ProcessOffer,
) (mediaapi.ProcessedOffer, error) {
	processed, err := m.client.ProcessOffer(ctx, endpoint, p)
	return processed, translate(err)
}

// ProcessAnswer implements [session.Negotiator].
func (m media) ProcessAnswer(ctx context.Context, endpoint string, p mediaapi.ProcessAnswer) error {
	return translate(m.client.ProcessAnswer(ctx, endpoint, p))
}

// RequestOffer implements [session.Negotiator].
func (m media) RequestOffer(ctx context.Context, endpoint string, p mediaapi.RequestOffer) error {
	return translate(m.client.RequestOffer(ctx, endpoint, p))
}

// AddICECandidates implements [session.Negotiator].
func (m media) AddICECandidates(ctx context.Context, endpoint string, p mediaapi.AddICECandidates) error {
	return translate(m.client.AddICECandidates(ctx, endpoint, p))
}

// SetPaused implements [session.Endpoints].
func (m media) SetPaused(ctx context.Context, endpoint string, p mediaapi.SetPaused) error {
	return translate(m.client.SetPaused(ctx, endpoint, p))
}

// SetSubscriptions implements [session.Endpoints].
func (m media) SetSubscriptions(ctx context.Context, endpoint string, p mediaapi.SetSubscriptions) error {
	return translate(m.client.SetSubscriptions(ctx, endpoint, p))
}

// Stop implements [session.Endpoints].
func (m media) Stop(ctx context.Context, endpoint string, p mediaapi.Stop) error {
	return translate(m.client.Stop(ctx, endpoint, p))
}

// translate gives a refusal the code that the session logic acts on; other errors have one.
func translate(err error) error {
	var refusal *mediaclient.Error
	if !errors.As(err, &refusal) {
		return err
	}
	switch refusal.Code {
	case mediaapi.CodeObjectNotFound:
		return fmt.Errorf("%w: %w", session.ErrObjectGone, err)
	case mediaapi.CodeNotEnoughResources:
		return &control.Error{Code: control.CodeNoCapacity, Detail: "the media server is full", Err: err}
	case mediaapi.CodeSDPParse, mediaapi.CodeSDPProcessOffer, mediaapi.CodeSDPProcessAnswer,
		mediaapi.CodeNotOfferGenerated, mediaapi.CodeICEAddCandidate:
		return &control.Error{Code: control.CodeInvalid, Detail: refusal.Message, Err: err}
	default:
		return err
	}
}
