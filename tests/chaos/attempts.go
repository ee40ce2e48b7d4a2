package main

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/orkestro/orkestro/tests/harness"
)

// attempts counts every request that was sent, polls left out, by its answer.
type attempts struct {
	acknowledged, refused, later, unknown int
	slowest                               time.Duration
}

// answerLimit is three times what the API promises: an answer, be it 503, within 5 s.
const answerLimit = 15 * time.Second

// attempt counts one request and finds answers that no request may get: too late, internal errors, and refusals that
// ask for another try without a word of when.
func (w *world) attempt(a harness.Attempt) {
	if a.Request.Method == http.MethodGet && strings.Contains(a.Request.Path, "/messages?") {
		return
	}
	var problem *harness.ProblemError
	refusal := errors.As(a.Err, &problem)
	switch {
	case a.Took > answerLimit:
		w.fault("hung", "%s %s took %s, until %s: %v", a.Request.Method, a.Request.Path, round(a.Took), clock(time.Now()), a.Err)
	case a.Status == http.StatusInternalServerError:
		w.fault("internal", "%s %s at %s: %v", a.Request.Method, a.Request.Path, clock(time.Now()), a.Err)
	case refusal && a.Status == http.StatusServiceUnavailable && problem.RetryAfter == "":
		w.fault("no Retry-After", "%s %s at %s: %v", a.Request.Method, a.Request.Path, clock(time.Now()), a.Err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case a.Err == nil:
		w.attempts.acknowledged++
	case !refusal:
		w.attempts.unknown++
		return
	case problem.RetryAfter != "" || a.Status >= http.StatusInternalServerError:
		w.attempts.later++
	default:
		w.attempts.refused++
	}
	w.attempts.slowest = max(w.attempts.slowest, a.Took)
}
