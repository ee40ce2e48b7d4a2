package api

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/logging"
	"github.com/orkestro/orkestro/services/restapi/internal/auth"
	"github.com/orkestro/orkestro/services/restapi/internal/problem"
)

// attempt is a call by which an operator would change the fleet. What its operation does is entered by [core.audited];
// what is refused before, because of how it was asked, is entered when it has been answered. A caller without an API
// key is no operator, and leaves no trace here: anybody could fill the audit. Nor do calls beyond a key's rate.
type attempt struct {
	by      auth.Principal
	answer  middleware.WrapResponseWriter
	entered atomic.Bool
}

// operates reports whether an operation changes the fleet.
func operates(op *huma.Operation) bool {
	return strings.HasPrefix(op.Path, "/v1/admin/") && op.Method != http.MethodGet
}

// enterRefusal enters an attempt that its operation has not entered and that failed.
func (c *core) enterRefusal(r *http.Request, a *attempt) {
	status := a.answer.Status()
	if a.entered.Load() || status < http.StatusBadRequest {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), auditTimeout)
	defer cancel()
	err := c.Store.Audit.Append(ctx, control.AuditEntry{
		ID: control.NewID(), Time: c.Now().UTC(), Actor: a.by.Actor(), Action: "call.refuse",
		Object: "call:" + r.Method + " " + shorten(r.URL.Path), Result: string(problem.FromStatus(status, "").Code),
	})
	if err != nil {
		c.Log.WarnContext(ctx, "a refused call is not in the audit", logging.KeyError, err)
	}
}

// shorten bounds a path, which the caller wrote.
func shorten(path string) string {
	const most = 200 // characters; those of the API are shorter
	return strings.ToValidUTF8(path[:min(len(path), most)], "")
}
