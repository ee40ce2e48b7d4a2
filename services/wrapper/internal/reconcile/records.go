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
// not come back.
func (r *Reconciler) negotiations(ctx context.Context) error {
	page, err := r.store.Negotiations.List(ctx, r.lookedAt, recordsPage)
	if err != nil {
		return err
	}
	joins := map[control.SessionID]map[control.JoinID]bool{}
	for _, n := range page {
		if joins[n.Session] == nil {
			if joins[n.Session], err = r.joins(ctx, n.Session); err != nil {
				return err
			}
		}
		if !joins[n.Session][n.Join] {
			if err := r.store.Negotiations.RemoveUser(ctx, n.Session, n.User, n.Join); err != nil {
				return err
			}
		}
	}
	r.lookedAt = ""
	if len(page) == recordsPage {
		r.lookedAt = page[len(page)-1].ID
	}
	return nil
}

// joins is who is in a session, those that are leaving among them.
func (r *Reconciler) joins(ctx context.Context, id control.SessionID) (map[control.JoinID]bool, error) {
	joins := map[control.JoinID]bool{}
	sess, err := r.store.Sessions.Get(ctx, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && sess.State == control.SessionClosed {
		return joins, nil
	}
	if err != nil {
		return nil, err
	}
	for _, users := range [][]control.User{sess.Users, sess.Leaving} {
		for _, user := range users {
			joins[user.Join] = true
		}
	}
	return joins, nil
}
