package amqp

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/rabbitmq/amqp091-go"

	"github.com/orkestro/orkestro/pkg/broker"
)

// errLost stands for a connection or channel that ended without a reason being given.
var errLost = errors.New("connection lost")

// translate gives an error of the library the meaning that package broker promises. Whatever is neither the caller's
// context nor the broker's considered refusal means that the broker is unavailable.
func translate(err error) error {
	var refusal *amqp091.Error
	switch {
	case err == nil, isOurs(err):
		return err
	case !errors.As(err, &refusal):
		return fmt.Errorf("%w: %w", broker.ErrUnavailable, err)
	case refusal.Code == amqp091.NotFound && !strings.Contains(refusal.Reason, "inaccessible"):
		return fmt.Errorf("%w: %s", broker.ErrNotFound, refusal.Reason)
	case refusal.Code == amqp091.PreconditionFailed:
		return fmt.Errorf("exists with other settings: %s", refusal.Reason)
	default:
		// That includes a 404 for a queue whose cluster node is down ("inaccessible"): it will be back.
		return fmt.Errorf("%w: %w", broker.ErrUnavailable, err)
	}
}

func isOurs(err error) bool {
	for _, known := range []error{
		broker.ErrUnroutable, broker.ErrNotFound, broker.ErrFull, broker.ErrUnavailable, broker.ErrClosed,
		context.Canceled, context.DeadlineExceeded,
	} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

// describe is the reason that a close notification carries, which is nil for an end without one.
func describe(reason *amqp091.Error) error {
	if reason == nil {
		return errLost
	}
	return reason
}
