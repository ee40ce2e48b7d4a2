package session

import (
	"context"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/mediaapi"
	"github.com/orkestro/orkestro/pkg/message"
)

// AddCandidates passes candidates of the client on. Those that come before the offer or answer wait in the endpoint.
// Errors: stale_epoch, invalid.
func (s *connections) AddCandidates(ctx context.Context, r Request, b message.AddCandidates) error {
	if b.Kind == control.View {
		return (&viewing{s.endpoints}).viewCandidates(ctx, r, b) // nobody polls who could be told of a failure
	}
	return s.failed(ctx, r, b.Presence, s.addCandidates(ctx, r, b))
}

func (s *connections) addCandidates(ctx context.Context, r Request, b message.AddCandidates) error {
	l, err := s.ensureEndpoint(ctx, r, b.Presence, b.Kind, b.Epoch)
	if err != nil {
		return err
	}
	err = l.media.AddICECandidates(ctx, l.conn.Endpoint.ID,
		mediaapi.AddICECandidates{Candidates: b.Candidates, End: b.End})
	return s.mediaError(ctx, l, err)
}
