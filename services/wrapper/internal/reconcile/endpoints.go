package reconcile

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/logging"
	"github.com/orkestro/orkestro/pkg/mediaapi"
	"github.com/orkestro/orkestro/pkg/store"
)

// endpoints frees those of users that have left or rejoined, and those that no connection has: whoever made one died
// before it could store it, or could not reach the server when the user went. Those of a pipeline that no session wants
// go with it.
func (r *Reconciler) endpoints(ctx context.Context, client Server, sessions []store.SessionSummary) error {
	there, err := client.Endpoints(ctx)
	if err != nil {
		return err
	}
	byPipeline := make(map[string]store.SessionSummary, len(sessions))
	for _, sess := range sessions {
		for _, pipeline := range sess.Pipelines() {
			byPipeline[pipeline.ID] = sess
		}
	}
	maps.DeleteFunc(r.unused, func(_ string, since time.Time) bool { // those that went by themselves
		return time.Since(since) > 10*settled*r.every
	})
	for _, e := range there {
		sess, found := byPipeline[e.Pipeline]
		if !found || sess.Uses(e.ID) {
			delete(r.unused, e.ID)
			continue
		}
		if sess.Has(e.Join) && !r.longUnused(e.ID) {
			continue
		}
		if err := r.endpoint(ctx, client, sess.ID, e); err != nil {
			return err
		}
	}
	return nil
}

// longUnused notes that no connection has an endpoint, and reports whether that is so for long: one that was just made
// is about to be stored.
func (r *Reconciler) longUnused(endpoint string) bool {
	since, found := r.unused[endpoint]
	if !found {
		r.unused[endpoint] = time.Now()
	}
	return found && time.Since(since) > settled*r.every
}

// endpoint frees one, unless a connection has it now, or its user has just come.
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
	used := func(c control.Connection) bool { return c.Endpoint.ID == e.ID }
	if slices.ContainsFunc(sess.Connections, used) {
		return nil
	}
	present := func(u control.User) bool { return u.Join == e.Join }
	there := slices.ContainsFunc(sess.Users, present) || slices.ContainsFunc(sess.Leaving, present)
	if there && !r.longUnused(e.ID) {
		return nil
	}
	r.log.Info("endpoint that no user wants released", slog.String(logging.KeyEndpoint, e.ID),
		slog.String(logging.KeySession, string(id)), slog.String(logging.KeyUser, string(e.User)))
	delete(r.unused, e.ID)
	return client.ReleaseObject(ctx, e.ID)
}
