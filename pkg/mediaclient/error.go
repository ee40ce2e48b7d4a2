package mediaclient

import (
	"errors"
	"fmt"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/jsonrpc"
	"github.com/orkestro/orkestro/pkg/mediaapi"
)

// Error is a refusal by the media server.
type Error struct {
	Code    mediaapi.ErrorCode
	Message string
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("media server: %d: %s", e.Code, e.Message) }

// IsNotFound reports whether err says that the object does not exist (any more).
func IsNotFound(err error) bool {
	var refusal *Error
	return errors.As(err, &refusal) && refusal.Code == mediaapi.CodeObjectNotFound
}

// translate is err as callers get it: an [Error] for a refusal, [control.CodeUnavailable] for trouble with the
// connection, a passed deadline included.
func translate(doing string, err error) error {
	var answered *jsonrpc.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &answered):
		return fmt.Errorf("%s: %w", doing, &Error{Code: mediaapi.ErrorCode(answered.Code), Message: answered.Message})
	default:
		return &control.Error{
			Code: control.CodeUnavailable, Detail: "the media server does not answer", Err: fmt.Errorf("%s: %w", doing, err),
		}
	}
}
