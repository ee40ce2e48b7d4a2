package control

import (
	"context"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/mediaapi"
	"github.com/orkestro/orkestro/services/mediaserver/internal/media"
)

func createViewEndpoint(r *registry) constructor {
	return func(p params) (media.Object, error) {
		pipeline, wanted, err := r.member(p)
		if err != nil {
			return nil, err
		}
		of, err := optional(p, "of", control.ViewOf{})
		if err != nil {
			return nil, err
		}
		return pipeline.NewViewEndpoint(wanted.User, of)
	}
}

// viewEndpoint is what orkestro.ViewEndpoint adds.
func viewEndpoint() trait {
	return trait{operations: map[string]operation{
		mediaapi.OpProcessOffer: on(func(ctx context.Context, e *media.ViewEndpoint, p params) (any, error) {
			wanted, err := decode[mediaapi.ProcessOffer](p)
			if err != nil {
				return nil, err
			}
			return e.ProcessOffer(ctx, wanted.Offer, wanted.Seq)
		}),
	}}
}

func fleetViews(m *media.Server) []mediaapi.FleetEndpoint {
	list := []mediaapi.FleetEndpoint{}
	for _, p := range m.Pipelines() {
		for _, child := range p.Children() {
			if e, ok := child.(*media.ViewEndpoint); ok && p.Session() != "" {
				list = append(list, mediaapi.FleetEndpoint{
					ID: e.ID(), Pipeline: p.ID(), User: e.Viewer(), Join: control.JoinID(e.Viewer()),
				})
			}
		}
	}
	return list
}
