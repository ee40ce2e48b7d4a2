package api

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/logging"
	"github.com/orkestro/orkestro/pkg/store"
)

// auditTimeout bounds entering a call into the audit, also one whose own time is over.
const auditTimeout = 2 * time.Second

// audited enters into the audit what the caller did to an object ("server:<id>"), and how it ended; err is the error of
// the operation, which it returns. A call that had its effect and cannot be entered fails as unavailable: its caller
// makes it again, and it is entered then. A repeated call that ends the same way is one entry.
func (c *core) audited(ctx context.Context, action, object, reason string, err error) error {
	if a := callOf(ctx).attempt; a != nil {
		a.entered.Store(true)
	}
	result := resultOfCall(err)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), auditTimeout)
	defer cancel()
	failed := c.Store.Audit.Append(ctx, control.AuditEntry{
		ID: requestID(ctx) + "." + action + "." + result, Time: c.Now().UTC(), Actor: callOf(ctx).principal.Actor(),
		Action: action, Object: object, Reason: reason, Result: result,
	})
	if failed != nil && err == nil {
		return fmt.Errorf("enter %s of %s into the audit: %w", action, object, failed)
	}
	if failed != nil {
		c.Log.WarnContext(ctx, "a refused call is not in the audit", logging.KeyError, failed)
	}
	return err
}

// resultOfCall is how a call ended as the audit says it: "ok", or the code of its error.
func resultOfCall(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, store.ErrNotFound):
		return string(control.CodeNotFound)
	default:
		return string(control.CodeOf(err))
	}
}
