package harness

import (
	"context"
	"crypto/rand"
	"errors"
	"maps"
	mathrand "math/rand/v2"
	"net/http"
	"time"
)

const (
	firstPause = 100 * time.Millisecond // between two tries of a request; doubled up to lastPause
	lastPause  = time.Second
)

// Insist makes a call again and again, as the SDKs do, until it is answered for good or ctx ends: while there is no
// answer, or one that says to try again. A POST that has no Idempotency-Key gets one, so that nothing happens twice.
func (a *API) Insist(ctx context.Context, r Request, result any) (status int, err error) {
	if r.Method == http.MethodPost && r.Header["Idempotency-Key"] == "" {
		r.Header = maps.Clone(r.Header)
		if r.Header == nil {
			r.Header = map[string]string{}
		}
		r.Header["Idempotency-Key"] = rand.Text()
	}
	for wait := firstPause; ; wait = min(2*wait, lastPause) {
		status, err = a.Do(ctx, r, result)
		if !passing(status, err) || ctx.Err() != nil {
			return status, err
		}
		pause(ctx, wait/2+mathrand.N(wait/2))
	}
}

// passing reports whether the same request may be answered otherwise in a moment.
func passing(status int, err error) bool {
	var problem *ProblemError
	switch {
	case err == nil:
		return false
	case status == 0:
		return true
	case status == http.StatusBadGateway, status == http.StatusServiceUnavailable,
		status == http.StatusGatewayTimeout, status == http.StatusTooManyRequests:
		return true
	default:
		return errors.As(err, &problem) && problem.RetryAfter != "" // 409: the first try is still being handled
	}
}
