// Package problem turns errors into problem documents (RFC 9457) and is the one table between error codes and HTTP
// statuses. The packages of the REST replica that answer HTTP call it; it knows no operation.
package problem

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
)

// ContentType of a problem document.
const ContentType = "application/problem+json"

// defaultRetryAfter is sent where the contract wants a Retry-After and the error names none.
const defaultRetryAfter = time.Second

// Problem is a problem document. It is an error of its own, with the status and headers that go with it.
type Problem struct { //nolint:errname // RFC 9457 calls it a problem
	Type     string       `json:"type" doc:"A URN that ends with the code."`
	Title    string       `json:"title" doc:"The HTTP status in words."`
	Status   int          `json:"status" doc:"The HTTP status."`
	Code     control.Code `json:"code" doc:"What kind of failure this is; the list is closed."`
	Detail   string       `json:"detail" doc:"What is wrong in this very case, for a person."`
	Instance string       `json:"instance" doc:"Path of the request."`

	retryAfter time.Duration
}

// Error implements error.
func (p *Problem) Error() string { return string(p.Code) + ": " + p.Detail }

// GetStatus is the HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType implements huma.ContentTypeFilter: a problem is never plain JSON.
func (p *Problem) ContentType(string) string { return ContentType }

// GetHeaders is what the contract wants beside the document.
func (p *Problem) GetHeaders() http.Header {
	headers := http.Header{}
	if p.retryAfter > 0 {
		headers.Set("Retry-After", strconv.Itoa(int(math.Ceil(p.retryAfter.Seconds()))))
	}
	if p.Code == control.CodeUnauthorized {
		headers.Set("WWW-Authenticate", "Bearer")
	}
	return headers
}

// Write answers r with the document.
func (p *Problem) Write(w http.ResponseWriter, r *http.Request) {
	document := *p
	document.Instance = r.URL.Path
	body, err := json.Marshal(document)
	if err != nil { // cannot be: strings and a number
		http.Error(w, http.StatusText(p.Status), p.Status)
		return
	}
	for name, values := range p.GetHeaders() {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", ContentType)
	w.WriteHeader(p.Status)
	_, _ = w.Write(body)
}

// New is the problem of a code. The detail is shown to the caller.
func New(code control.Code, detail string) *Problem {
	p := &Problem{
		Type: "urn:orkestro:error:" + string(code), Status: status(code), Code: code, Detail: detail,
	}
	p.Title = http.StatusText(p.Status)
	switch code {
	case control.CodeRateLimited, control.CodeNoCapacity, control.CodeUnavailable:
		p.retryAfter = defaultRetryAfter
	default:
	}
	return p
}

// FromError is the problem of err: as its code says, and for an error without a code an internal one that gives nothing
// away.
func FromError(err error) *Problem {
	var known *Problem
	var coded *control.Error
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &coded):
		p := New(coded.Code, coded.Detail)
		if coded.RetryAfter > 0 {
			p.retryAfter = coded.RetryAfter
		}
		return p
	default:
		code := control.CodeOf(err)
		if code == control.CodeTimeout {
			return New(code, "the request took too long")
		}
		return New(control.CodeInternal, "this is a fault of the server; its log says more")
	}
}

// FromStatus is the problem of a status that a library chose.
func FromStatus(status int, detail string) *Problem {
	p := New(code(status), detail)
	if detail == "" {
		p.Detail = http.StatusText(status)
	}
	return p
}
