package rollout

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
)

// What a rollout does is written first, and entered into the audit then. Who wrote it may not live to tell: whoever
// leads next tells again, of what it finds written.

// tellRecent tells the audit what other leaders may not have lived to tell.
func (l *Leader) tellRecent(ctx context.Context, now time.Time) error {
	if now.Sub(l.toldAt) < recentEvery {
		return nil
	}
	list, err := l.rollouts.List(ctx, "", recent)
	if err != nil {
		return err
	}
	for _, r := range list {
		if err := l.tell(ctx, r); err != nil {
			return err
		}
	}
	l.toldAt = now
	return nil
}

// tell enters into the audit what it has not been told of. The same event twice is one entry.
func (l *Leader) tell(ctx context.Context, r control.Rollout) error {
	for _, e := range r.Events {
		if e.Number <= l.told[r.ID] {
			continue
		}
		err := l.audit.Append(ctx, control.AuditEntry{
			ID: control.DeriveID(string(r.ID), fmt.Sprintf("event/%d", e.Number)), Time: e.At,
			Actor: "wrapper:" + l.wrapper, Action: e.Action, Object: "rollout:" + string(r.ID), Reason: e.Text, Result: "ok",
		})
		if err != nil {
			return fmt.Errorf("enter a step of rollout %s into the audit: %w", r.ID, err)
		}
		l.told[r.ID] = e.Number
	}
	return nil
}

// tellDrains tells the audit of the drains that a leader began who may not have lived to tell.
func (l *Leader) tellDrains(ctx context.Context, servers []control.MediaServer) error {
	var errs []error
	for _, s := range servers {
		if drainedFor(s) == "" {
			delete(l.drained, s.ID)
			continue
		}
		errs = append(errs, l.enter(ctx, Order{Server: s.ID, Instance: s.Instance, Drain: *s.Drain}))
	}
	return errors.Join(errs...)
}

// enter enters an order that was carried out into the audit. The same one twice is one entry.
func (l *Leader) enter(ctx context.Context, o Order) error {
	entry := o.entry()
	if l.drained[o.Server] == entry.ID {
		return nil
	}
	if err := l.audit.Append(ctx, entry); err != nil {
		return fmt.Errorf("enter what a rollout does to %s into the audit: %w", o.Server, err)
	}
	l.drained[o.Server] = entry.ID
	return nil
}
