package reconcile

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/logging"
	"github.com/orkestro/orkestro/pkg/mediaapi"
	"github.com/orkestro/orkestro/pkg/store"
)

// viewed is what was last seen of the endpoints of viewers on one server.
type viewed struct {
	at   time.Time            // before the server was asked
	seen map[string]*sighting // by endpoint
}

// sighting is when an endpoint was first seen. One that is settled has a viewer, and goes with it.
type sighting struct {
	first   time.Time
	settled bool
}

// views frees the endpoints of viewers of whom nothing is known: whoever made one died before it could store it, or was
// about to make it when the viewer had left already. Each is looked for once.
func (r *Reconciler) views(
	ctx context.Context, server control.MediaServerID, client Server, sessions []store.SessionSummary,
) error {
	now := viewed{at: time.Now(), seen: map[string]*sighting{}}
	there, err := client.Views(ctx)
	if err != nil {
		return err
	}
	for _, e := range there {
		now.seen[e.ID] = r.viewed[server].seen[e.ID]
		if now.seen[e.ID] == nil {
			now.seen[e.ID] = &sighting{first: now.at}
		}
	}
	r.viewed[server] = now
	byPipeline := make(map[string]control.SessionID, len(sessions))
	for _, sess := range sessions {
		for _, pipeline := range sess.Pipelines() {
			byPipeline[pipeline.ID] = sess.ID
		}
	}
	for _, e := range there {
		seen, session := now.seen[e.ID], byPipeline[e.Pipeline]
		if session == "" || seen.settled || now.at.Sub(seen.first) < settled*r.every {
			continue
		}
		if err := r.view(ctx, client, session, e); err != nil {
			return err
		}
		seen.settled = true
	}
	return nil
}

// view frees an endpoint unless it is the one of its viewer.
func (r *Reconciler) view(
	ctx context.Context, client Server, session control.SessionID, e mediaapi.FleetEndpoint,
) error {
	n, err := r.store.Negotiations.Get(ctx, control.NegotiationID(session, e.User, control.View))
	switch {
	case err == nil && n.Endpoint == e.ID:
		return nil
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return err
	}
	r.log.Info("endpoint that no viewer has released", slog.String(logging.KeyEndpoint, e.ID),
		slog.String(logging.KeySession, string(session)))
	return client.ReleaseObject(ctx, e.ID)
}

// viewLost reports whether the endpoint of a viewer is gone: its server did not have it when it was asked, long after
// the viewer was stored, which happens after the endpoint is made.
func (r *Reconciler) viewLost(n control.Negotiation, server control.MediaServerID) bool {
	last, asked := r.viewed[server]
	return asked && last.at.Sub(n.UpdatedAt) > settled*r.every && last.seen[n.Endpoint] == nil
}
