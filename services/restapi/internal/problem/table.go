package problem

import (
	"net/http"

	"github.com/orkestro/orkestro/pkg/control"
)

// status is the table of the HTTP API contract.
func status(code control.Code) int {
	switch code {
	case control.CodeInvalid:
		return http.StatusUnprocessableEntity
	case control.CodeUnauthorized:
		return http.StatusUnauthorized
	case control.CodeForbidden:
		return http.StatusForbidden
	case control.CodeNotFound:
		return http.StatusNotFound
	case control.CodeMethodNotAllowed:
		return http.StatusMethodNotAllowed
	case control.CodeNotAcceptable:
		return http.StatusNotAcceptable
	case control.CodeConflict, control.CodeStaleEpoch:
		return http.StatusConflict
	case control.CodeGone:
		return http.StatusGone
	case control.CodeTooLarge:
		return http.StatusRequestEntityTooLarge
	case control.CodeUnsupportedMediaType:
		return http.StatusUnsupportedMediaType
	case control.CodeRateLimited:
		return http.StatusTooManyRequests
	case control.CodeNotImplemented:
		return http.StatusNotImplemented
	case control.CodeUnavailable, control.CodeNoCapacity:
		return http.StatusServiceUnavailable
	case control.CodeTimeout:
		return http.StatusGatewayTimeout
	case control.CodeInternal:
		return http.StatusInternalServerError
	default:
		return http.StatusInternalServerError
	}
}

// code is the table read backwards, for statuses that the libraries below choose.
func code(status int) control.Code {
	switch status {
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		return control.CodeInvalid
	case http.StatusUnauthorized:
		return control.CodeUnauthorized
	case http.StatusForbidden:
		return control.CodeForbidden
	case http.StatusNotFound:
		return control.CodeNotFound
	case http.StatusMethodNotAllowed:
		return control.CodeMethodNotAllowed
	case http.StatusNotAcceptable:
		return control.CodeNotAcceptable
	case http.StatusConflict:
		return control.CodeConflict
	case http.StatusRequestEntityTooLarge:
		return control.CodeTooLarge
	case http.StatusUnsupportedMediaType:
		return control.CodeUnsupportedMediaType
	case http.StatusRequestTimeout, http.StatusGatewayTimeout:
		return control.CodeTimeout
	case http.StatusServiceUnavailable:
		return control.CodeUnavailable
	default:
		return control.CodeInternal
	}
}

// Unreadable is what cannot be read as HTTP or JSON: its status, 400, is not its code's.
func Unreadable(detail string) *Problem {
	return withStatus(control.CodeInvalid, http.StatusBadRequest, detail)
}

// Precondition is a conditional request (RFC 9110 section 13) whose condition is missing or does not hold: 428 or 412.
func Precondition(missing bool, detail string) *Problem {
	if missing {
		return withStatus(control.CodeInvalid, http.StatusPreconditionRequired, detail)
	}
	return withStatus(control.CodeConflict, http.StatusPreconditionFailed, detail)
}

// withStatus is a problem whose status is another than its code's.
func withStatus(code control.Code, status int, detail string) *Problem {
	p := New(code, detail)
	p.Status, p.Title = status, http.StatusText(status)
	return p
}
