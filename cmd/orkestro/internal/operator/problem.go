package operator

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// ProblemError is a problem document (RFC 9457), as the API answers every failure.
type ProblemError struct {
	Status     int    `json:"status"`
	Code       string `json:"code"`
	Title      string `json:"title"`
	Detail     string `json:"detail"`
	RetryAfter string `json:"-"` // seconds, as the header says it; "" when it does not
}

// newProblem reads the problem document of a response; what is none, say of a proxy in between, keeps its status.
func newProblem(response *http.Response, body []byte) *ProblemError {
	p := &ProblemError{}
	if err := json.Unmarshal(body, p); err != nil || p.Code == "" {
		p = &ProblemError{Title: http.StatusText(response.StatusCode)}
	}
	p.Status = response.StatusCode
	p.RetryAfter = response.Header.Get("Retry-After")
	return p
}

// Error tells what went wrong and, where there is something to do about it, what.
func (p *ProblemError) Error() string {
	var b strings.Builder
	text := p.Detail
	if text == "" {
		text = p.Title
	}
	fmt.Fprintf(&b, "%s (%d", text, p.Status)
	if p.Code != "" {
		fmt.Fprintf(&b, " %s", p.Code)
	}
	b.WriteString(")")
	switch {
	case p.Status == http.StatusUnauthorized:
		b.WriteString("; give an API key with --key or ORKESTRO_KEY")
	case p.RetryAfter != "":
		fmt.Fprintf(&b, "; try again in %s s", p.RetryAfter)
	}
	return b.String()
}
