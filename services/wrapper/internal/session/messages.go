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

// userMessage is what a client is told.
type userMessage struct {
	ID    string
	Type  string
	Epoch int64
	Data  any
}

// teller tells users, and the Wrappers through the session's own queue.
type teller struct {
	*reader
	broker Broker
}

// toUser sends to one user. A queue that is gone is no error: whoever reads it next gets it made again, with a sync.
func (s *teller) toUser(ctx context.Context, r Request, user control.UserID, u userMessage) error {
	m, err := envelope(r, user, u)
	if err != nil {
		return err
	}
	err = s.broker.Send(ctx, message.UserQueue(r.Session, user).Name, m)
	switch {
	case errors.Is(err, broker.ErrUnroutable):
		return nil
	case errors.Is(err, broker.ErrFull):
		return s.lostBy(ctx, r, user)
	default:
		return brokerError("send "+u.Type, err)
	}
}

// toAll sends to everybody in the session. An exchange that is gone, with a node of the broker, is made again; so is
// one with nobody on it.
func (s *teller) toAll(ctx context.Context, r Request, u userMessage) error {
	m, err := envelope(r, "", u)
	if err != nil {
		return err
	}
	exchange := message.SessionExchange(r.Session)
	err = s.broker.Broadcast(ctx, exchange, m)
	if errors.Is(err, broker.ErrNotFound) || errors.Is(err, broker.ErrUnroutable) {
		if err := s.restoreExchange(ctx, r); err != nil {
			return err
		}
		err = s.broker.Broadcast(ctx, exchange, m)
	}
	switch {
	case errors.Is(err, broker.ErrUnroutable):
		return nil
	case errors.Is(err, broker.ErrFull):
		return s.lostBySome(ctx, r)
	default:
		return brokerError("send "+u.Type, err)
	}
}

// envelope is u as it travels. User says whom it is for, "" for everybody.
func envelope(r Request, user control.UserID, u userMessage) (broker.Message, error) {
	data, err := json.Marshal(u.Data)
	if err != nil {
		return broker.Message{}, fmt.Errorf("encode %s: %w", u.Type, err)
	}
	now := time.Now().UTC()
	body, err := json.Marshal(message.UserMessage{
		ID: u.ID, Type: u.Type, Time: message.Time(now), Session: r.Session, Epoch: u.Epoch, Data: data,
	})
	if err != nil {
		return broker.Message{}, fmt.Errorf("encode %s: %w", u.Type, err)
	}
	return broker.Message{
		ID: u.ID, Type: u.Type, Session: string(r.Session), User: string(user), Time: now, Version: message.Version,
		TraceParent: r.TraceParent, Body: body,
	}, nil
}

// toSession puts a request of our own on the session's queue, where any Wrapper takes it.
func (s *teller) toSession(ctx context.Context, r Request, id, kind string, body any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encode %s: %w", kind, err)
	}
	return brokerError("send "+kind, s.broker.Send(ctx, message.SessionQueue(r.Session).Name, broker.Message{
		ID: id, Type: kind, Session: string(r.Session), Time: time.Now().UTC(), Version: message.Version,
		TraceParent: r.TraceParent, Body: data,
	}))
}

// brokerError gives an error of the broker its code.
func brokerError(doing string, err error) error {
	if err == nil {
		return nil
	}
	return &control.Error{
		Code: control.CodeUnavailable, Detail: "the message broker did not take it", RetryAfter: time.Second,
		Err: fmt.Errorf("%s: %w", doing, err),
	}
}

// tellEpoch sends disconnected or reconnect to everybody, with an id that is made of the session and the epoch alone.
func (s *teller) tellEpoch(ctx context.Context, r Request, kind string, epoch int64, reason string) error {
	return s.toAll(ctx, r, epochMessage(r.Session, kind, epoch, reason))
}

func epochMessage(session control.SessionID, kind string, epoch int64, reason string) userMessage {
	return userMessage{
		ID: control.DeriveID(RebuildID(session, epoch), kind), Type: kind, Epoch: epoch,
		Data: message.EpochData{Epoch: epoch, Reason: reason},
	}
}

// failed tells the user of a request that will not be tried again why, and passes err on. A stale epoch is answered
// with the present one.
func (s *teller) failed(ctx context.Context, r Request, p message.Presence, err error) error {
	if err == nil || Retryable(err) && !r.Last {
		return err
	}
	sess, _, lost := s.present(ctx, r, p)
	if lost != nil {
		return err // nobody is there to be told
	}
	told := userMessage{
		ID: control.DeriveID(r.ID, message.UserTypeError), Type: message.UserTypeError, Epoch: sess.Epoch,
		Data: message.ErrorData{Code: control.CodeOf(err), Detail: detailOf(err), Request: r.ID},
	}
	switch {
	case !errors.Is(err, errStaleEpoch):
	case sess.Relocation != nil: // what everybody is told, which may come after this
		told = epochMessage(r.Session, message.UserTypeReconnect, sess.Epoch, ReasonRelocating)
	default:
		told.ID, told.Type = control.DeriveID(r.ID, message.UserTypeReconnect), message.UserTypeReconnect
		told.Data = message.EpochData{Epoch: sess.Epoch, Reason: "stale-epoch"}
	}
	if sendErr := s.toUser(ctx, r, p.User, told); sendErr != nil {
		return errors.Join(err, sendErr)
	}
	return err
}

// detailOf is what a user may read of err.
func detailOf(err error) string {
	var coded *control.Error
	if errors.As(err, &coded) {
		return coded.Detail
	}
	return "the request failed"
}

// announceUser tells everybody that the user has come.
func (s *teller) announceUser(ctx context.Context, r Request, sess *control.Session, user control.User) error {
	return s.toAll(ctx, r, userMessage{
		ID: user.Added, Type: message.UserTypeUserJoined, Epoch: sess.Epoch,
		Data: message.UserJoinedData{User: message.NewUser(user)},
	})
}
