package control

import (
	"context"
	"fmt"
	"slices"

	"github.com/orkestro/orkestro/services/mediaserver/internal/media"
)

// Methods of the protocol that are named in more than one place.
const (
	methodPing         = "ping"
	methodConnect      = "connect"
	methodCreate       = "create"
	methodDescribe     = "describe"
	methodInvoke       = "invoke"
	methodSubscribe    = "subscribe"
	methodUnsubscribe  = "unsubscribe"
	methodRelease      = "release"
	methodCloseSession = "closeSession"
	methodKeepAlive    = "keepAlive"
	methodTransaction  = "transaction"
)

// call is one request, or one step of a transaction, in its session.
type call struct {
	session string
	request
}

// answer is what a method answers: members of the result, besides the session id that every result carries.
type answer struct {
	members       map[string]any
	subscriptions []*subscription // begin when the client is answered
}

func value(v any) answer { return answer{members: map[string]any{"value": v}} }

func (a answer) result(session string) map[string]any {
	members := a.members
	if members == nil {
		members = map[string]any{}
	}
	if session != "" {
		members["sessionId"] = session
	}
	return members
}

type method func(ctx context.Context, c call) (answer, error)

func (s *Server) method(name string) (method, bool) {
	if name == methodTransaction {
		return s.transaction, true
	}
	return s.stepMethod(name)
}

// stepMethod finds a method that may also be a step of a transaction.
func (s *Server) stepMethod(name string) (method, bool) {
	m, found := map[string]method{
		methodPing:         func(context.Context, call) (answer, error) { return value("pong"), nil },
		methodConnect:      s.connect,
		methodCreate:       s.create,
		methodDescribe:     s.describe,
		methodInvoke:       s.invoke,
		methodSubscribe:    s.subscribe,
		methodUnsubscribe:  s.unsubscribe,
		methodRelease:      s.releaseObject,
		methodCloseSession: s.closeSession,
		methodKeepAlive:    func(context.Context, call) (answer, error) { return answer{}, nil },
		"ref":              s.ref,
		"unref":            s.unref,
	}[name]
	return m, found
}

func (s *Server) connect(context.Context, call) (answer, error) {
	return answer{members: map[string]any{"serverId": s.config.Instance}}, nil
}

func (s *Server) create(_ context.Context, c call) (answer, error) {
	name, class, err := s.classes.find(c.Type)
	if err != nil {
		return answer{}, err
	}
	object, err := class.create(c.ConstructorParams)
	if err != nil {
		return answer{}, fmt.Errorf("create %s: %w", name, err)
	}
	return value(object.ID()), s.reference(c, object)
}

// reference has the session of a request hold what the request named.
func (s *Server) reference(c call, o media.Object) error {
	if root := rootOf(o.ID()); root != "" {
		return s.sessions.reference(c.session, root)
	}
	return nil
}

// named finds the object of a request and references it.
func (s *Server) named(c call) (media.Object, error) {
	object, err := s.find(c.Object)
	if err != nil {
		return nil, err
	}
	return object, s.reference(c, object)
}

func (s *Server) describe(_ context.Context, c call) (answer, error) {
	object, err := s.named(c)
	if err != nil {
		return answer{}, err
	}
	return answer{members: map[string]any{
		"type": object.Type(), "qualifiedType": object.QualifiedType(), "hierarchy": object.Hierarchy(),
	}}, nil
}

func (s *Server) invoke(ctx context.Context, c call) (answer, error) {
	object, err := s.named(c)
	if err != nil {
		return answer{}, err
	}
	operation, found := s.classes[object.QualifiedType()].operations[c.Operation]
	if !found {
		return answer{}, errorf(codeMethodNotFound, "'%s' has no method '%s'", object.Type(), c.Operation)
	}
	result, err := operation(ctx, object, c.OperationParams)
	if err != nil {
		return answer{}, fmt.Errorf("%s of %s: %w", c.Operation, object.ID(), err)
	}
	return value(result), nil
}

func (s *Server) subscribe(_ context.Context, c call) (answer, error) {
	object, err := s.named(c)
	if err != nil {
		return answer{}, err
	}
	if !slices.Contains(s.classes[object.QualifiedType()].events, c.Type) {
		return answer{}, errorf(codeEventNotSupported, "'%s' has no event '%s'", object.Type(), c.Type)
	}
	made, err := s.sessions.subscribe(c.session, topic{object.ID(), c.Type})
	if err != nil {
		return answer{}, err
	}
	result := value(made.id)
	result.subscriptions = []*subscription{made}
	return result, nil
}

// unsubscribe succeeds whatever it names: clients unsubscribe after a release, and an error would end a Node process.
func (s *Server) unsubscribe(_ context.Context, c call) (answer, error) {
	s.sessions.unsubscribe(c.Subscription)
	return answer{}, nil
}

// releaseObject succeeds for an object that is gone already.
func (s *Server) releaseObject(_ context.Context, c call) (answer, error) {
	object, err := s.find(c.Object)
	switch {
	case err == nil && object == media.Object(s.manager):
		return answer{}, errorf(codeOperationNotSupported, "the ServerManager cannot be released")
	case err == nil:
		s.release(object)
	}
	return answer{}, nil
}

// closeSession drops a session; with release what it referenced is released, else only what nobody else references.
func (s *Server) closeSession(_ context.Context, c call) (answer, error) {
	id := c.SessionID
	if id == "" {
		id = c.session
	}
	held, orphaned := s.sessions.end(id)
	if !c.Release {
		s.releaseOrphans(orphaned)
		return answer{}, nil
	}
	for _, pipeline := range held {
		if object, found := s.media.Object(pipeline); found {
			s.release(object)
		}
	}
	return answer{}, nil
}

func (s *Server) ref(_ context.Context, c call) (answer, error) {
	_, err := s.named(c)
	return answer{}, err
}

// unref drops the session's hold on a pipeline. What is in a pipeline is held with it, so there it changes nothing.
func (s *Server) unref(_ context.Context, c call) (answer, error) {
	object, err := s.find(c.Object)
	if err != nil {
		return answer{}, err
	}
	if object.Parent() == nil && s.sessions.dereference(c.session, object.ID()) {
		s.releaseOrphans([]string{object.ID()})
	}
	return answer{}, nil
}
