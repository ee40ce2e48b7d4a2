package reconcile

import (
	"context"
	"errors"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/store"
)

// recordsPage bounds how many negotiations one round looks at; the next one goes on behind them.
const recordsPage = 200

// negotiations forgets those of users that have gone: whoever stored one did not know yet. A join that has ended does
// not come back. Those of viewers go with the pipeline that they watched.
func (r *Reconciler) negotiations(ctx context.Context) error {
	page, err := r.store.Negotiations.List(ctx, r.lookedAt, recordsPage)
	if err != nil {
		return err
	}
	sessions := map[control.SessionID]*wanted{}
	for _, n := range page {
		if sessions[n.Session] == nil {
			if sessions[n.Session], err = r.wanted(ctx, n.Session); err != nil {
				return err
			}
		}
		if err := r.negotiation(ctx, n, sessions[n.Session]); err != nil {
			return err
		}
	}
	r.lookedAt = ""
	if len(page) == recordsPage {
		r.lookedAt = page[len(page)-1].ID
	}
	return nil
}

// negotiation forgets one if it is not wanted.
func (r *Reconciler) negotiation(ctx context.Context, n control.Negotiation, by *wanted) error {
	switch {
	case n.Kind == control.View && (by.servers[n.Epoch] == "" || r.viewLost(n, by.servers[n.Epoch])):
		return r.store.Negotiations.RemoveView(ctx, n.Session, n.User)
	case n.Kind != control.View && !by.joins[n.Join]:
		return r.store.Negotiations.RemoveUser(ctx, n.Session, n.User, n.Join)
	default:
		return nil
	}
}

// wanted is whose negotiations a session has need of: who is in it, those that are leaving among them, and who watches
// one of its live pipelines, which are on these servers, by epoch.
type wanted struct {
	joins   map[control.JoinID]bool
	servers map[int64]control.MediaServerID
}

func (r *Reconciler) wanted(ctx context.Context, id control.SessionID) (*wanted, error) {
	by := &wanted{joins: map[control.JoinID]bool{}, servers: map[int64]control.MediaServerID{}}
	sess, err := r.store.Sessions.Get(ctx, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && sess.State == control.SessionClosed {
		return by, nil
	}
	if err != nil {
		return nil, err
	}
	if sess.Pipeline != nil {
		by.servers[sess.Epoch] = sess.Pipeline.Server
	}
	if sess.Relocation != nil {
		by.servers[sess.Relocation.Epoch] = sess.Relocation.From.Server
	}
	for _, users := range [][]control.User{sess.Users, sess.Leaving} {
		for _, user := range users {
			by.joins[user.Join] = true
		}
	}
	return by, nil
}
