package app_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/store"
)

// wrapper stands in for the Wrappers: it does to store and queues what they do, without media, and remembers the
// requests it got.
type wrapper struct {
	tb     testing.TB
	broker broker.Broker
	store  *store.Store

	one       sync.Mutex // held by the request that acts: it may come from two replicas at once
	mu        sync.Mutex
	silent    map[string]bool // types of requests that get no reply
	requests  []broker.Message
	meanwhile map[string]func(context.Context, broker.Message) // what happens before a type of request is acted on
}

var options = broker.SubscribeOptions{Concurrency: 8, MaxAttempts: 3}

func startWrapper(tb testing.TB, b broker.Broker, s *store.Store) *wrapper {
	tb.Helper()
	w := &wrapper{tb: tb, broker: b, store: s, silent: map[string]bool{}}
	if err := b.DeclareQueue(tb.Context(), message.Wrapper()); err != nil {
		tb.Fatal(err)
	}
	if _, err := b.Subscribe(tb.Context(), message.WrapperQueue, options, w.handle); err != nil {
		tb.Fatal(err)
	}
	return w
}

// ignore leaves requests of a type without a reply and without an effect, or not any more.
func (w *wrapper) ignore(kind string, ignored bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.silent[kind] = ignored
}

// before has f called before each request of a type is acted on.
func (w *wrapper) before(kind string, f func(context.Context, broker.Message)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.meanwhile = map[string]func(context.Context, broker.Message){kind: f}
}

// got is the requests of a type so far.
func (w *wrapper) got(kind string) []broker.Message {
	w.mu.Lock()
	defer w.mu.Unlock()
	var found []broker.Message
	for _, m := range w.requests {
		if m.Type == kind {
			found = append(found, m)
		}
	}
	return found
}

// all is every request so far.
func (w *wrapper) all() []broker.Message {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.requests)
}

func (w *wrapper) handle(ctx context.Context, d broker.Delivery) error {
	w.mu.Lock()
	w.requests = append(w.requests, d.Message)
	silent, meanwhile := w.silent[d.Type], w.meanwhile[d.Type]
	w.mu.Unlock()
	if silent {
		return nil
	}
	if meanwhile != nil {
		meanwhile(ctx, d.Message)
	}
	w.one.Lock()
	result, err := w.act(ctx, d.Message)
	w.one.Unlock()
	if d.ReplyTo == "" {
		return nil
	}
	var reply message.Reply
	var coded *control.Error
	switch {
	case errors.As(err, &coded):
		reply = message.Reply{Code: coded.Code, Detail: coded.Detail}
	case err != nil:
		reply = message.Reply{Code: control.CodeInternal, Detail: err.Error()}
	case result != nil:
		reply.Result, _ = json.Marshal(result)
	}
	body, _ := json.Marshal(reply)
	return w.broker.Send(ctx, d.ReplyTo, broker.Message{
		ID: control.DeriveID(d.ID, "reply"), Type: message.TypeReply, Correlation: d.ID, Time: time.Now(), Body: body,
	})
}

func (w *wrapper) act(ctx context.Context, m broker.Message) (any, error) {
	session := control.SessionID(m.Session)
	switch m.Type {
	case message.TypeCreateSession:
		return w.create(ctx, m)
	case message.TypeCloseSession:
		return nil, w.close(ctx, session)
	case message.TypeJoin:
		return w.join(ctx, session, m)
	case message.TypeLeave:
		return nil, w.leave(ctx, session, m)
	case message.TypeSync:
		return nil, w.sync(ctx, session, m)
	case message.TypePublish:
		return w.publish(ctx, session, m)
	case message.TypeView:
		return w.view(ctx, session, m)
	case message.TypeEndView:
		return nil, w.store.Negotiations.RemoveView(ctx, session, control.UserID(m.User))
	default:
		return nil, nil
	}
}

func (w *wrapper) create(ctx context.Context, m broker.Message) (any, error) {
	var c message.CreateSession
	if err := json.Unmarshal(m.Body, &c); err != nil {
		return nil, err
	}
	s := control.Session{
		ID: c.ID, State: control.SessionActive, CreatedAt: time.Now(), CreatedBy: m.ID, Metadata: c.Metadata,
		MaxUsers: c.MaxUsers, Region: c.Region, EmptyTimeout: c.EmptyTimeout,
	}
	queue := message.SessionQueue(c.ID)
	if err := errors.Join(w.broker.DeclareQueue(ctx, queue),
		w.broker.DeclareExchange(ctx, message.SessionExchange(c.ID))); err != nil {
		return nil, err
	}
	err := w.store.Sessions.Insert(ctx, s)
	if errors.Is(err, store.ErrGuard) {
		there, err := w.store.Sessions.Get(ctx, c.ID)
		if err != nil || there.CreatedBy != m.ID {
			return nil, control.Errorf(control.CodeConflict, "session %q is there already", c.ID)
		}
		return message.SessionCreated{Session: *there}, nil
	}
	if err != nil {
		return nil, err
	}
	if _, err := w.broker.Subscribe(context.WithoutCancel(ctx), queue.Name, options, w.handle); err != nil {
		return nil, err
	}
	return message.SessionCreated{Session: s}, nil
}

func (w *wrapper) close(ctx context.Context, id control.SessionID) error {
	err := w.store.Sessions.MarkClosing(ctx, id, "deleted", false)
	if err != nil && !errors.Is(err, store.ErrGuard) { // somebody else has
		return err
	}
	err = w.broker.Broadcast(ctx, message.SessionExchange(id),
		userMessage(control.NewID(), message.UserTypeSessionClosed, id, message.SessionClosedData{Reason: "deleted"}))
	if err != nil && !errors.Is(err, broker.ErrUnroutable) { // nobody is in it
		return err
	}
	now := time.Now()
	if err := w.store.Sessions.MarkClosed(ctx, id, now, now.Add(10*time.Minute)); !errors.Is(err, store.ErrGuard) {
		return err
	}
	return nil
}

func (w *wrapper) join(ctx context.Context, id control.SessionID, m broker.Message) (any, error) {
	var j message.Join
	if err := json.Unmarshal(m.Body, &j); err != nil {
		return nil, err
	}
	session, err := w.store.Sessions.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	user := control.User{
		ID: j.User, Name: j.Name, Protocol: j.Protocol, Metadata: j.Metadata, State: control.UserJoined, JoinedAt: time.Now(),
		Join: control.JoinID(m.ID), Permissions: j.Permissions, Added: control.DeriveID(m.ID, message.UserTypeUserJoined),
	}
	if there := session.User(j.User); there != nil && there.Join == user.Join {
		return message.Joined{User: *there, Rejoined: there.Added != user.Added, Epoch: session.Epoch}, nil
	}
	if session.Epoch == 0 {
		pipeline := control.PipelineRef{ID: control.NewID(), Server: "media-1", Instance: "one"}
		err := w.store.Sessions.SetPipeline(ctx, id, 0, pipeline, nil)
		if err != nil && !errors.Is(err, store.ErrGuard) {
			return nil, err
		}
	}
	if j.Replaces == "" {
		err = w.store.Sessions.AddUser(ctx, id, user, session.MaxUsers)
	} else {
		err = w.store.Sessions.Rejoin(ctx, id, j.Replaces, user, !j.KeepProfile)
	}
	if errors.Is(err, store.ErrGuard) {
		return nil, control.Errorf(control.CodeConflict, "the session is full")
	}
	if err != nil {
		return nil, err
	}
	if j.Protocol == control.ProtocolAPI {
		err = w.greet(ctx, id, j.User, m.ID)
	}
	if err != nil {
		return nil, err
	}
	session, err = w.store.Sessions.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	return message.Joined{User: *session.User(j.User), Rejoined: j.Replaces != "", Epoch: session.Epoch}, nil
}

func (w *wrapper) greet(ctx context.Context, id control.SessionID, user control.UserID, request string) error {
	queue := message.UserQueue(id, user)
	if err := w.broker.DeclareQueue(ctx, queue); err != nil {
		return err
	}
	joined := userMessage(control.DeriveID(request, "joined"), message.UserTypeJoined, id, object{})
	if err := w.broker.Send(ctx, queue.Name, joined); err != nil {
		return err
	}
	return w.broker.Bind(ctx, queue.Name, message.SessionExchange(id))
}

func (w *wrapper) leave(ctx context.Context, id control.SessionID, m broker.Message) error {
	var l message.Leave
	if err := json.Unmarshal(m.Body, &l); err != nil {
		return err
	}
	err := errors.Join(
		w.store.Sessions.MarkLeaving(ctx, id, l.User, l.Join, l.Reason),
		w.store.Sessions.RemoveLeaving(ctx, id, l.User, l.Join))
	if errors.Is(err, store.ErrGuard) {
		return nil // it has left by another request
	}
	return errors.Join(err, w.broker.DeleteQueue(ctx, message.UserQueue(id, l.User).Name))
}

func (w *wrapper) sync(ctx context.Context, id control.SessionID, m broker.Message) error {
	queue := message.UserQueue(id, control.UserID(m.User))
	return errors.Join(
		w.broker.DeclareQueue(ctx, queue),
		w.broker.Bind(ctx, queue.Name, message.SessionExchange(id)),
		w.broker.Send(ctx, queue.Name,
			userMessage(control.DeriveID(m.ID, "sync"), message.UserTypeSync, id, object{})))
}

func (w *wrapper) publish(ctx context.Context, id control.SessionID, m broker.Message) (any, error) {
	var p message.Publish
	if err := json.Unmarshal(m.Body, &p); err != nil {
		return nil, err
	}
	connection := control.Connection{User: p.User, Kind: control.Publish, Join: p.Join, Epoch: p.Epoch}
	answer := control.SDPAnswer{Seq: p.Seq, SDP: "answer to " + m.ID}
	switch session, err := w.store.Sessions.Get(ctx, id); {
	case err != nil:
		return nil, err
	case p.Epoch != session.Epoch:
		return nil, control.Errorf(control.CodeStaleEpoch, "the session has moved on")
	case strings.Contains(p.SDP, "refuse"):
		return nil, control.Errorf(control.CodeInvalid, "the media server refuses it")
	case strings.Contains(p.SDP, "a=ice-ufrag"):
		answer.SDP = iceAnswer(p.Seq)
	}
	err := w.store.Negotiations.StoreAnswer(ctx, id, connection, answer, time.Now())
	if err != nil && !errors.Is(err, store.ErrGuard) {
		return nil, err
	}
	negotiation, err := w.store.Negotiations.Get(ctx, control.NegotiationID(id, p.User, control.Publish))
	if err != nil {
		return nil, err
	}
	return message.Answered{Epoch: p.Epoch, Seq: p.Seq, SDP: negotiation.AnswerBy("", p.Seq).SDP}, nil
}

func (w *wrapper) view(ctx context.Context, id control.SessionID, m broker.Message) (any, error) {
	var v message.View
	if err := json.Unmarshal(m.Body, &v); err != nil {
		return nil, err
	}
	session, err := w.store.Sessions.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	answered := message.Answered{Epoch: session.Epoch, Seq: v.Seq, SDP: iceAnswer(v.Seq)}
	err = w.store.Negotiations.StoreView(ctx, store.Viewed{
		Session: id, Viewer: v.Viewer, Epoch: session.Epoch, Seq: v.Seq, Endpoint: "e", Offer: v.SDP, Answer: answered.SDP,
	}, time.Now())
	if errors.Is(err, store.ErrGuard) {
		err = nil
	}
	return answered, err
}

// iceAnswer is an SDP with the credentials of ICE session n.
func iceAnswer(n int64) string {
	return fmt.Sprintf("v=0\r\no=- 2 %d IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"+
		"a=mid:0\r\na=ice-ufrag:server%d\r\na=ice-pwd:passwordpasswordpassword\r\n"+
		"a=candidate:1 1 udp 1 127.0.0.1 9 typ host\r\n", n, n)
}

// userMessage is a message for users.
func userMessage(id, kind string, session control.SessionID, data any) broker.Message {
	payload, _ := json.Marshal(data)
	now := time.Now()
	body, _ := json.Marshal(message.UserMessage{
		ID: id, Type: kind, Time: message.Time(now), Session: session, Data: payload,
	})
	return broker.Message{ID: id, Type: kind, Session: string(session), Time: now, Version: message.Version, Body: body}
}
