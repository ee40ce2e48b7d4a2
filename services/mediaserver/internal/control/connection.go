package control

import (
	"context"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/jsonrpc"
)

// connection serves the requests of one connection. The goroutine that reads the connection owns its fields.
type connection struct {
	server  *Server
	conn    jsonrpc.Conn
	session string // the session that the next request without a sessionId is in; "" before the first
}

// Accept implements jsonrpc.Handler. Everything about sessions is settled here, in the order of the requests; requests
// about different pipelines then run at the same moment.
func (c *connection) Accept(r jsonrpc.Request) jsonrpc.Task {
	started := time.Now()
	m, found := c.server.methods.find(r.Method)
	if !found {
		return c.refuse("unknown", started, coded(jsonrpc.CodeMethodNotFound, "there is no method '"+r.Method+"'"))
	}
	wanted, err := decodeRequest(r.Params)
	if err != nil {
		return c.refuse(r.Method, started, err)
	}
	if err := c.bind(r.Method, wanted); err != nil {
		return c.refuse(r.Method, started, err)
	}
	session := c.session
	if r.Method == methodCloseSession && (wanted.SessionID == "" || wanted.SessionID == c.session) {
		c.session = ""
	}
	operation := c.server.methods.operationName(r.Method, wanted)
	var answer answer
	return jsonrpc.Task{
		Lane:      lane(r.Method, wanted),
		Unordered: r.Method == methodPing || wanted.Operation == opGetUsedCPU,
		Run: func(ctx context.Context) (any, error) {
			ctx, traced := c.server.traced(ctx, operation, r.TraceParent)
			var err error
			answer, err = m(ctx, call{session: session, request: wanted})
			traced(err)
			if err != nil {
				return nil, c.failed(operation, started, err)
			}
			c.server.observe(operation, "ok", started)
			return answer.result(session), nil
		},
		Deliver: func(write func()) { c.server.sessions.activate(answer.subscriptions, write) },
	}
}

// bind settles the session of a request: the one that it names, else that of the connection, else a new one. Pings have
// none of their own, and only connect and keepAlive refuse a session that is not known.
func (c *connection) bind(method string, r request) error {
	id := r.SessionID
	switch {
	case method == methodPing || method == methodCloseSession:
		return nil
	case id != "" && (method == methodConnect || method == methodKeepAlive) && !c.server.sessions.known(id):
		return errorf(codeInvalidSession, "session '%s' not found", id)
	case id == "" && c.session != "":
		id = c.session
	case id == "":
		id = c.server.sessions.newID()
	}
	if err := c.server.sessions.use(id, c.conn); err != nil {
		return err
	}
	c.session = id
	return nil
}

// lane orders requests by the pipeline that they are about; "", for requests about none or several, orders with all.
func lane(method string, r request) string {
	switch method {
	case methodCreate:
		for _, parent := range []string{"mediaPipeline", "hub"} {
			var id reference
			if found, err := r.ConstructorParams.get(parent, &id); found && err == nil {
				return rootOf(string(id))
			}
		}
		return "new " + control.NewID() // a new pipeline: nobody can know it before it is answered
	case methodDescribe, methodInvoke, methodSubscribe, methodUnsubscribe, methodRelease:
		return rootOf(string(r.Object))
	default:
		return ""
	}
}

// refuse answers a request that never ran.
func (c *connection) refuse(operation string, started time.Time, err error) jsonrpc.Task {
	return jsonrpc.Task{
		Unordered: true,
		Run:       func(context.Context) (any, error) { return nil, c.failed(operation, started, err) },
	}
}

// failed counts a failure and gives it as the client gets it.
func (c *connection) failed(operation string, started time.Time, err error) error {
	c.server.observe(operation, "error", started)
	return wireError(c.server.log, operation, err)
}

// operationName names a request in the metrics: its method, for invoke the operation if there is one of that name.
func (m *methods) operationName(method string, r request) string {
	if method != methodInvoke {
		return method
	}
	name := r.Operation
	for _, class := range m.classes {
		if _, known := class.operations[name]; known {
			return name
		}
	}
	return method
}

// traced begins the span of a request. Objects that it is about learn of it from the context.
func (s *Server) traced(ctx context.Context, operation, parent string) (context.Context, func(error)) {
	if s.trace == nil || parent == "" {
		return ctx, func(error) {}
	}
	ctx, own, end := s.trace(ctx, operation, parent)
	return jsonrpc.WithTraceParent(ctx, own), end
}

func (s *Server) observe(operation, result string, started time.Time) {
	s.duration.WithLabelValues(operation, result).Observe(time.Since(started).Seconds())
}
