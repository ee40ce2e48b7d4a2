package reconcile

import (
	"context"
	"errors"
	"log/slog"
	"slices"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/logging"
	"github.com/orkestro/orkestro/pkg/mediaapi"
	"github.com/orkestro/orkestro/pkg/store"
)

// endpoints frees those of users that have left or rejoined: whoever made one died before it could store it, or could
// not reach the server when the user went. Those of a pipeline that no session wants go with it.
func (r *Reconciler) endpoints(ctx context.Context, client Server, sessions []store.SessionSummary) error {
	there, err := client.Endpoints(ctx)
	if err != nil {
		return err
	}
	byPipeline := make(map[string]store.SessionSummary, len(sessions))
	for _, sess := range sessions {
		byPipeline[sess.Pipeline.ID] = sess
	}
	for _, e := range there {
		sess, found := byPipeline[e.Pipeline]
		if !found || sess.Has(e.Join) {
			continue
		}
		if err := r.endpoint(ctx, client, sess.ID, e); err != nil {
			return err
		}
	}
	return nil
}

// endpoint frees one, if its user's join is not in the session now either: it is made only for one that is.
func (r *Reconciler) endpoint(
	ctx context.Context, client Server, id control.SessionID, e mediaapi.FleetEndpoint,
) error {
	sess, err := r.store.Sessions.Get(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	present := func(u control.User) bool { return u.Join == e.Join }
	if slices.ContainsFunc(sess.Users, present) || slices.ContainsFunc(sess.Leaving, present) {
		return nil
	}
	r.log.Info("endpoint that no user wants released", slog.String(logging.KeyEndpoint, e.ID),
		slog.String(logging.KeySession, string(id)), slog.String(logging.KeyUser, string(e.User)))
	return client.ReleaseObject(ctx, e.ID)
}
