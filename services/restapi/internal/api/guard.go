package api

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/services/restapi/internal/auth"
	"github.com/orkestro/orkestro/services/restapi/internal/idempotency"
	"github.com/orkestro/orkestro/services/restapi/internal/problem"
)

// call is what the checks before an operation found out about a request.
type call struct {
	id          string // of the request that the operation publishes
	principal   auth.Principal
	traceParent string
	attempt     *attempt // nil for what changes nothing in the fleet
}

type callKey struct{}

// callOf is the call that an operation is handling.
func callOf(ctx context.Context) call {
	c, _ := ctx.Value(callKey{}).(call)
	return c
}

func requestID(ctx context.Context) string { return callOf(ctx).id }

// guard is the way of every request into an operation: who calls (401, 403), how often (429), what it sends (413, 415,
// 400) and wants (406), and whether it was answered before.
func (c *core) guard(op *huma.Operation, next http.Handler) http.Handler {
	who, _ := op.Metadata[metadataAccess].(access)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		principal, err := c.authenticate(r, who)
		found := call{principal: principal, traceParent: traceParent(r)}
		if err == nil {
			err = c.limit(principal)
		}
		if err == nil && operates(op) {
			found.attempt = &attempt{by: principal, answer: middleware.NewWrapResponseWriter(w, r.ProtoMajor)}
			w = found.attempt.answer
			defer c.enterRefusal(r, found.attempt)
		}
		if err == nil {
			err = acceptable(r, op)
		}
		var body []byte
		if err == nil {
			body, err = readBody(w, r, op)
		}
		if err != nil {
			problem.FromError(err).Write(w, r)
			return
		}
		r, cancel := patient(r, op)
		defer cancel()
		//nolint:contextcheck // the request carries it
		c.once(w, r, body, found, next)
	})
}

// once handles a call under a fresh request id, or under that of its Idempotency-Key.
func (c *core) once(w http.ResponseWriter, r *http.Request, body []byte, found call, next http.Handler) {
	serve := func(w http.ResponseWriter, id string) {
		found.id = id
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callKey{}, found)))
	}
	keys := r.Header.Values("Idempotency-Key")
	if r.Method != http.MethodPost || len(keys) == 0 {
		serve(w, control.NewID())
		return
	}
	key := strings.Join(keys, ",")
	if err := idempotency.CheckKey(key); err != nil {
		problem.FromError(err).Write(w, r)
		return
	}
	replayed := c.Keys.Serve(w, r, idempotency.Call{
		Caller: found.principal.Actor(), Target: target(r), Key: key, Body: body,
	}, serve)
	if replayed && found.attempt != nil {
		found.attempt.entered.Store(true) // when it was first answered
	}
}

// target is what a call is made on: its path, and its query where it has one, in whatever order that is written.
func target(r *http.Request) string {
	if query := r.URL.Query(); len(query) > 0 {
		return r.URL.Path + "?" + query.Encode()
	}
	return r.URL.Path
}

// authenticate is 401 without valid credentials and 403 for what is not the caller's.
func (c *core) authenticate(r *http.Request, who access) (auth.Principal, error) {
	scheme, bearer, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	bearer = strings.TrimSpace(bearer)
	if who == byEvents && r.Header.Get("Authorization") == "" {
		scheme, bearer = "Bearer", r.URL.Query().Get("access_token")
	}
	if !strings.EqualFold(scheme, "Bearer") || bearer == "" {
		return auth.Principal{}, control.Errorf(control.CodeUnauthorized, "Authorization: Bearer is needed")
	}
	principal, err := c.Auth.Authenticate(bearer)
	if err != nil {
		return auth.Principal{}, err
	}
	if !may(principal, who, pathParam(r, "sid"), pathParam(r, "uid")) {
		return auth.Principal{}, control.Errorf(control.CodeForbidden, "these credentials are not for this call")
	}
	return principal, nil
}

func may(p auth.Principal, who access, session, user string) bool {
	switch {
	case p.Key != "":
		return true
	case p.Use != "":
		return string(p.Use) == string(who) && string(p.Session) == session
	}
	switch who {
	case bySession, byWHIP, byWHEP:
		return string(p.Session) == session
	case byUser, byEvents:
		return string(p.Session) == session && string(p.User) == user
	case byKey:
		return false
	default:
		return false
	}
}

func (c *core) limit(p auth.Principal) error {
	limiter := c.UserLimit
	if p.Key != "" {
		limiter = c.KeyLimit
	}
	if retryAfter, ok := limiter.Allow(p.Actor()); !ok {
		return &control.Error{Code: control.CodeRateLimited, Detail: "too many requests", RetryAfter: retryAfter}
	}
	return nil
}

// pathParam is a part of the path as the caller meant it; chi matches the escaped path where there is one.
func pathParam(r *http.Request, name string) string {
	value := r.PathValue(name)
	if r.URL.RawPath == "" {
		return value
	}
	if plain, err := url.PathUnescape(value); err == nil {
		return plain
	}
	return value
}

// traceParent is the W3C trace context of the caller, if it has the right form (Trace Context section 3.2: version 00
// has 55 characters).
func traceParent(r *http.Request) string {
	value := r.Header.Get("Traceparent")
	if len(value) != len("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01") {
		return ""
	}
	for i, c := range []byte(value) {
		dash := i == 2 || i == 35 || i == 52
		if dash != (c == '-') || (!dash && !strings.ContainsRune("0123456789abcdef", rune(c))) {
			return ""
		}
	}
	return value
}
