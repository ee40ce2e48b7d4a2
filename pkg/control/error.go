package control

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Code says what kind of failure an [Error] is. The list is closed; each edge of the system (HTTP, AMQP, JSON-RPC) has
// one table that translates it.
type Code string

// The codes, as the HTTP API contract spells them.
const (
	CodeInvalid              Code = "invalid"
	CodeUnauthorized         Code = "unauthorized"
	CodeForbidden            Code = "forbidden"
	CodeNotFound             Code = "not_found"
	CodeConflict             Code = "conflict"
	CodeStaleEpoch           Code = "stale_epoch"
	CodeGone                 Code = "gone"
	CodeTooLarge             Code = "too_large"
	CodeRateLimited          Code = "rate_limited"
	CodeNoCapacity           Code = "no_capacity"
	CodeUnavailable          Code = "unavailable"
	CodeTimeout              Code = "timeout"
	CodeInternal             Code = "internal"
	CodeMethodNotAllowed     Code = "method_not_allowed"
	CodeNotAcceptable        Code = "not_acceptable"
	CodeUnsupportedMediaType Code = "unsupported_media_type"
	CodeNotImplemented       Code = "not_implemented"
)

// Error is a failure with a code that a caller may act on. Detail is for a person and is shown to the caller, so it
// holds no secrets; what caused it (Err) goes to the log only.
type Error struct {
	Code       Code
	Detail     string
	RetryAfter time.Duration // when trying again makes sense; 0: not said
	Err        error
}

// Error implements error.
func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s: %s: %v", e.Code, e.Detail, e.Err)
	}
	return string(e.Code) + ": " + e.Detail
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an [Error]; a %w argument becomes its cause.
func Errorf(code Code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Detail: err.Error(), Err: errors.Unwrap(err)}
}

// CodeOf is the code of err: its own where it has one, timeout for a passed deadline, internal for the rest, and ""
// for nil.
func CodeOf(err error) Code {
	var coded *Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &coded):
		return coded.Code
	case errors.Is(err, context.DeadlineExceeded):
		return CodeTimeout
	default:
		return CodeInternal
	}
}
