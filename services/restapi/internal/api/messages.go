package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/services/restapi/internal/request"
)

// messages are the operations on the messages of a user.
type messages struct{ *core }

// NewMessage is what POST .../messages takes.
type NewMessage struct {
	Type string         `json:"type" minLength:"1" maxLength:"128" doc:"The application's."`
	Data anything       `json:"data" doc:"The application's, any JSON of at most 16 KiB."`
	To   control.UserID `json:"to,omitempty" minLength:"1" doc:"Only to this user; without it, to everybody."`
}

type sendInput struct {
	UserPath
	Body NewMessage
}

type sendOutput struct{ Body Sent }

// Sent is the id of a message that was sent.
type Sent struct {
	ID string `json:"id"`
}

// send puts the message on the queues itself, in the order in which the sender's calls are answered.
func (m *messages) send(ctx context.Context, in *sendInput) (*sendOutput, error) {
	data, err := compact("data", in.Body.Data, maxData)
	if err != nil {
		return nil, err
	}
	session, user, err := m.user(ctx, in.UserPath)
	if err != nil {
		return nil, err
	}
	if !user.Permissions.Message {
		return nil, control.Errorf(control.CodeForbidden, "the user may not send messages")
	}
	sent, err := m.envelope(ctx, session, in, data)
	if err != nil {
		return nil, err
	}
	if in.Body.To == "" {
		err = m.sendToAll(ctx, in.Session, user, sent)
	} else {
		err = m.sendTo(ctx, session, in.Body.To, sent)
	}
	if err != nil {
		return nil, err
	}
	m.metrics.messageSent(in.Body.To)
	return &sendOutput{Body: Sent{ID: sent.ID}}, nil
}

// envelope is the message as it travels; its id is that of the request, so that the same request sends the same
// message.
func (m *messages) envelope(
	ctx context.Context, session *control.Session, in *sendInput, data []byte,
) (broker.Message, error) {
	found, now := callOf(ctx), m.Now()
	payload, err := json.Marshal(message.ApplicationData{Type: in.Body.Type, Data: data, To: in.Body.To})
	if err != nil {
		return broker.Message{}, fmt.Errorf("encode a message: %w", err)
	}
	body, err := json.Marshal(message.UserMessage{
		ID: found.id, Type: message.UserTypeMessage, Time: message.Time(now), Session: in.Session, From: in.User,
		Epoch: session.Epoch, Data: payload,
	})
	if err != nil {
		return broker.Message{}, fmt.Errorf("encode a message: %w", err)
	}
	return broker.Message{
		ID: found.id, Type: message.UserTypeMessage, Session: string(in.Session), User: string(in.Body.To), Time: now,
		Version: message.Version, TraceParent: found.traceParent, Body: body,
	}, nil
}

// sendToAll sends to everybody. Somebody with a full queue, who has not read for very long, must not keep the others
// from talking: it does not get the message, and is told by a sync that it missed something. An exchange that is gone,
// or has nobody on it although the sender is there, is made again, and everybody on it gets a sync.
func (m *messages) sendToAll(
	ctx context.Context, id control.SessionID, sender *control.User, sent broker.Message,
) error {
	err := m.Broker.Broadcast(ctx, message.SessionExchange(id), sent)
	if errors.Is(err, broker.ErrNotFound) || errors.Is(err, broker.ErrUnroutable) {
		if err := m.restoreQueue(ctx, id, sender); err != nil { // or the session was closed meanwhile
			return err
		}
		err = m.Broker.Broadcast(ctx, message.SessionExchange(id), sent)
	}
	if errors.Is(err, broker.ErrFull) {
		r := newRequest(ctx, message.TypeQueueFull, id, "", struct{}{})
		return m.core.send(ctx, r)
	}
	return request.Unavailable("send a message to all", err)
}

// sendTo sends to one user. A user whose queue is gone gets it back, with a sync first.
func (m *messages) sendTo(ctx context.Context, session *control.Session, to control.UserID, sent broker.Message) error {
	receiver := session.User(to)
	if receiver == nil {
		return noUser(to)
	}
	if receiver.Protocol != control.ProtocolAPI {
		return control.Errorf(control.CodeInvalid, "to: user %q reads no messages, it is here by WHIP", to)
	}
	queue := message.UserQueue(session.ID, to).Name
	err := m.Broker.Send(ctx, queue, sent)
	if errors.Is(err, broker.ErrUnroutable) {
		if err := m.restoreQueue(ctx, session.ID, receiver); err != nil {
			return err
		}
		err = m.Broker.Send(ctx, queue, sent)
	}
	return request.Unavailable("send a message to one", err)
}

// restoreQueue has a user's queue made again, with everything in it that the user needs to go on.
func (m *messages) restoreQueue(ctx context.Context, session control.SessionID, user *control.User) error {
	r := newRequest(ctx, message.TypeSync, session, user.ID, presence(user))
	r.ID = control.NewID() // not the call's: a call may need it more than once
	_, err := m.doInSession(ctx, r)
	return err
}
