package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
)

// Sender sends requests to the queues of sessions.
type Sender interface {
	Send(ctx context.Context, queue string, m broker.Message) error
}

// Ask puts a request of one of the Wrappers' own loops on a session's queue, under an id that says what it is about, so
// that asking again does nothing twice. One that finds no queue, or a full one, is no error: the session was closed, or
// the loop finds it again in a later round.
func Ask(ctx context.Context, s Sender, session control.SessionID, id, kind string, body any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encode %s: %w", kind, err)
	}
	err = s.Send(ctx, message.SessionQueue(session).Name, broker.Message{
		ID: id, Type: kind, Session: string(session), Time: time.Now().UTC(), Version: message.Version, Body: data,
	})
	if errors.Is(err, broker.ErrUnroutable) || errors.Is(err, broker.ErrFull) {
		return nil
	}
	return err
}
