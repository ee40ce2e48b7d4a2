package api

import (
	"context"
	"errors"
	"time"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/services/restapi/internal/mailbox"
	"github.com/orkestro/orkestro/services/restapi/internal/request"
)

const (
	// readTries bounds opening a mailbox again that was lost, or whose queue had to be made again.
	readTries = 4
	// readPause is between them.
	readPause = 50 * time.Millisecond
)

type pollInput struct {
	UserPath
	Wait  string `query:"wait" doc:"How long to wait for messages, 0 to 60s; a bare number means seconds."`
	Limit int    `query:"limit" default:"64" minimum:"1" maximum:"256" doc:"Messages in the answer."`
	Ack   string `query:"ack" doc:"The cursor of the last batch, which is then removed for good."`
}

type pollOutput struct{ Body Batch }

// Batch is what a poll returns.
type Batch struct {
	Messages []passedOn `json:"messages" nullable:"false"`
	Cursor   string     `json:"cursor" doc:"Acknowledges the messages when it is given as ack."`
}

func (m *messages) poll(ctx context.Context, in *pollInput) (*pollOutput, error) {
	wait, err := waitOf(in.Wait)
	if err != nil {
		return nil, err
	}
	m.metrics.polls.Inc()
	defer m.metrics.polls.Dec()
	deadline := time.Now().Add(wait)
	var batch mailbox.Batch
	err = m.read(ctx, in.UserPath, in.Ack, func(r *mailbox.Reader) error {
		defer r.Close()
		batch, err = r.Batch(ctx, in.Limit, max(time.Until(deadline), 0))
		return err
	})
	if err != nil {
		return nil, err
	}
	out := &pollOutput{Body: Batch{Messages: make([]passedOn, len(batch.Messages)), Cursor: batch.Cursor}}
	for i, sent := range batch.Messages {
		out.Body.Messages[i] = sent.Body
	}
	return out, nil
}

// read opens the user's mailbox and lets use read from it, again if it is lost meanwhile and there still is something
// to read. The reader is use's to close.
func (m *messages) read(ctx context.Context, path UserPath, ack string, use func(*mailbox.Reader) error) error {
	for try := 1; ; try++ {
		user, reader, err := m.open(ctx, path, ack)
		if err == nil {
			err = use(reader)
		}
		again, err := m.recover(ctx, path, user, err)
		if err != nil || !again {
			return err
		}
		if try == readTries {
			return unreadableMailbox(errors.New("it was lost again and again"))
		}
		select {
		case <-time.After(time.Duration(try) * readPause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// open opens the mailbox of a user, whom it gives, too: nil where the session does not matter any more.
func (m *messages) open(ctx context.Context, path UserPath, ack string) (*control.User, *mailbox.Reader, error) {
	ctx, cancel := soon(ctx)
	defer cancel()
	session, user, err := m.readable(ctx, path)
	if err != nil {
		return nil, nil, err
	}
	reader, err := m.Mailboxes.Open(ctx, mailbox.Key{Session: path.Session, User: path.User}, mailbox.Query{
		Ack: ack, Closed: session.State == control.SessionClosed,
	})
	return user, reader, err
}

// readable is the session whose messages a user may read: one that is closed too. user is nil where the session does
// not matter any more.
func (m *messages) readable(ctx context.Context, path UserPath) (*control.Session, *control.User, error) {
	session, err := m.known(ctx, path.Session)
	if err != nil {
		return nil, nil, err
	}
	if control.CheckName("uid", string(path.User)) != nil {
		return nil, nil, noUser(path.User)
	}
	if session.State != control.SessionActive {
		return session, nil, nil
	}
	user := session.User(path.User)
	if user == nil {
		return nil, nil, noUser(path.User)
	}
	if user.Protocol != control.ProtocolAPI {
		return nil, nil, control.Errorf(control.CodeForbidden, "user %q has no messages, it is here by WHIP", path.User)
	}
	return session, user, nil
}

// recover says whether to read again after err, and else what the caller is told.
func (m *messages) recover(ctx context.Context, path UserPath, user *control.User, err error) (again bool, told error) {
	switch {
	case err == nil:
		return false, nil
	case errors.Is(err, mailbox.ErrLost):
		return true, nil
	case errors.Is(err, mailbox.ErrNoQueue) && user != nil:
		return true, m.restoreQueue(ctx, path.Session, user)
	case errors.Is(err, mailbox.ErrNoQueue):
		return false, control.Errorf(control.CodeGone, "session %q is closed", path.Session)
	case errors.Is(err, mailbox.ErrFinished):
		if err := m.Broker.DeleteQueue(ctx, message.UserQueue(path.Session, path.User).Name); err != nil {
			return false, request.Unavailable("delete the queue of a user", err)
		}
		return false, control.Errorf(control.CodeGone, "session %q is closed", path.Session)
	case errors.Is(err, mailbox.ErrCursor):
		return false, control.Errorf(control.CodeInvalid, "ack: it is not a cursor that this user was given")
	case errors.Is(err, mailbox.ErrSuperseded):
		return false, control.Errorf(control.CodeConflict, "a newer poll or stream of this user took over")
	case errors.Is(err, mailbox.ErrCrowded), errors.Is(err, broker.ErrUnavailable), errors.Is(err, broker.ErrClosed),
		errors.Is(err, broker.ErrNotFound), errors.Is(err, context.DeadlineExceeded):
		return false, unreadableMailbox(err)
	default:
		return false, err
	}
}

func unreadableMailbox(err error) error {
	return &control.Error{
		Code: control.CodeUnavailable, Detail: "messages cannot be read at the moment", RetryAfter: time.Second, Err: err,
	}
}
