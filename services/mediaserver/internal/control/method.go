package control

import (
	"context"
	"fmt"
	"log/slog"
	"slices"

	"github.com/orkestro/orkestro/pkg/jsonrpc"
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

// methods are the methods of the protocol.
type methods struct {
	objects  *registry
	classes  classes
	instance string
	log      *slog.Logger
	steps    map[string]method // those that may also be steps of a transaction
}

func newMethods(objects *registry, instance string, logger *slog.Logger) *methods {
	m := &methods{objects: objects, classes: newClasses(objects), instance: instance, log: logger}
	m.steps = map[string]method{
		methodPing:         func(context.Context, call) (answer, error) { return value("pong"), nil },
		methodConnect:      m.connect,
		methodCreate:       m.create,
		methodDescribe:     m.describe,
		methodInvoke:       m.invoke,
		methodSubscribe:    m.subscribe,
		methodUnsubscribe:  m.unsubscribe,
		methodRelease:      m.release,
		methodCloseSession: m.closeSession,
		methodKeepAlive:    func(context.Context, call) (answer, error) { return answer{}, nil },
		"ref":              m.ref,
		"unref":            m.unref,
	}
	return m
}

func (m *methods) find(name string) (method, bool) {
	if name == methodTransaction {
		return m.transaction, true
	}
	step, found := m.steps[name]
	return step, found
}

func (m *methods) connect(context.Context, call) (answer, error) {
	return answer{members: map[string]any{"serverId": m.instance}}, nil
}

func (m *methods) create(ctx context.Context, c call) (answer, error) {
	name, class, err := m.classes.find(c.Type)
	if err != nil {
		return answer{}, err
	}
	if err := m.objects.sessions.touch(c.session); err != nil {
		return answer{}, err // nobody would hold what is made
	}
	object, err := class.create(c.ConstructorParams)
	if err != nil {
		return answer{}, fmt.Errorf("create %s: %w", name, err)
	}
	object.Meta().SetTrace(jsonrpc.TraceParent(ctx))
	return value(object.ID()), m.objects.reference(c.session, object)
}

// named finds the object of a request and references it.
func (m *methods) named(c call) (media.Object, error) {
	object, err := m.objects.find(c.Object)
	if err != nil {
		return nil, err
	}
	return object, m.objects.reference(c.session, object)
}

func (m *methods) describe(_ context.Context, c call) (answer, error) {
	object, err := m.named(c)
	if err != nil {
		return answer{}, err
	}
	return answer{members: map[string]any{
		"type": object.Type(), "qualifiedType": object.QualifiedType(), "hierarchy": object.Hierarchy(),
	}}, nil
}

func (m *methods) invoke(ctx context.Context, c call) (answer, error) {
	object, err := m.named(c)
	if err != nil {
		return answer{}, err
	}
	operation, found := m.classes[object.QualifiedType()].operations[c.Operation]
	if !found {
		return answer{}, errorf(codeMethodNotFound, "'%s' has no method '%s'", object.Type(), c.Operation)
	}
	object.Meta().SetTrace(jsonrpc.TraceParent(ctx))
	result, err := operation(ctx, object, c.OperationParams)
	if err != nil {
		return answer{}, fmt.Errorf("%s of %s: %w", c.Operation, object.ID(), err)
	}
	return value(result), nil
}

func (m *methods) subscribe(_ context.Context, c call) (answer, error) {
	object, err := m.named(c)
	if err != nil {
		return answer{}, err
	}
	if !slices.Contains(m.classes[object.QualifiedType()].events, c.Type) {
		return answer{}, errorf(codeEventNotSupported, "'%s' has no event '%s'", object.Type(), c.Type)
	}
	made, err := m.objects.sessions.subscribe(c.session, topic{object.ID(), c.Type})
	if err != nil {
		return answer{}, err
	}
	result := value(made.id)
	result.subscriptions = []*subscription{made}
	return result, nil
}

// unsubscribe succeeds whatever it names: clients unsubscribe after a release, and an error would end a Node process.
func (m *methods) unsubscribe(_ context.Context, c call) (answer, error) {
	m.objects.sessions.unsubscribe(c.Subscription)
	return answer{}, nil
}

// release succeeds for an object that is gone already.
func (m *methods) release(_ context.Context, c call) (answer, error) {
	object, err := m.objects.find(c.Object)
	switch {
	case err == nil && object == media.Object(m.objects.manager):
		return answer{}, errorf(codeOperationNotSupported, "the ServerManager cannot be released")
	case err == nil:
		m.objects.release(object)
	}
	return answer{}, nil
}

// closeSession drops a session; with release what it referenced is released, else only what nobody else references.
func (m *methods) closeSession(_ context.Context, c call) (answer, error) {
	id := c.SessionID
	if id == "" {
		id = c.session
	}
	held, orphaned := m.objects.sessions.end(id)
	if !c.Release {
		m.objects.releaseOrphans(orphaned)
		return answer{}, nil
	}
	for _, pipeline := range held {
		if object, found := m.objects.media.Object(pipeline); found {
			m.objects.release(object)
		}
	}
	return answer{}, nil
}

func (m *methods) ref(_ context.Context, c call) (answer, error) {
	_, err := m.named(c)
	return answer{}, err
}

// unref drops the session's hold on a pipeline. What is in a pipeline is held with it, so there it changes nothing.
func (m *methods) unref(_ context.Context, c call) (answer, error) {
	object, err := m.objects.find(c.Object)
	if err != nil {
		return answer{}, err
	}
	if object.Parent() == nil && m.objects.sessions.dereference(c.session, object.ID()) {
		m.objects.releaseOrphans([]string{object.ID()})
	}
	return answer{}, nil
}
