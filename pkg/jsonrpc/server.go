package jsonrpc

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
)

// maxPending bounds the requests of one connection that wait or run. The next one is not read before one is done, so
// that a caller who sends faster than it is served is slowed down by its own socket.
const maxPending = 512

// Request is a request or, with a nil ID, a notification.
type Request struct {
	ID     json.RawMessage
	Method string
	Params json.RawMessage
	// TraceParent is the W3C trace context that the caller gave, "" for none.
	TraceParent string
}

// Task is how one request is served.
type Task struct {
	// Lane orders the task: those of one lane run one after another, in the order of the requests; different lanes run
	// at the same moment. The lane "" is for what depends on everything: it runs when all before it is done, and what
	// follows waits for it. Unordered is for what nothing depends on.
	Lane      string
	Unordered bool
	// Run gives the result. An [Error] goes to the caller as it is, another error as an internal one.
	Run func(ctx context.Context) (any, error)
	// Deliver, which may be nil, is called with a result, not an error, and must call write once, which queues the
	// response. What has to begin together with the response, such as events that must not precede it, begins here.
	Deliver func(write func())
}

// Handler decides how requests are served. Accept is called in the order of the requests, by one goroutine, and must
// not wait.
type Handler interface {
	Accept(r Request) Task
}

// Serve answers the requests of conn until it is closed or ctx ends, closes it, waits for the tasks that run and
// returns what ended it.
func Serve(ctx context.Context, conn Conn, h Handler) error {
	ctx, cancel := context.WithCancel(ctx)
	s := &server{conn: conn, tasks: newLanes(maxPending)}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	err := s.read(ctx, h)
	stop()
	cancel()
	_ = conn.Close()
	s.tasks.wait()
	return err
}

type server struct {
	conn  Conn
	tasks *lanes
}

func (s *server) read(ctx context.Context, h Handler) error {
	for {
		frame, err := s.conn.Read()
		if err != nil {
			return err
		}
		m, err := Decode(frame)
		if err != nil {
			s.respond(m.ID, nil, err)
			continue
		}
		if m.Method == "" {
			continue // a response: this side asks nothing, so there is nobody who waits for it
		}
		request := Request{ID: m.ID, Method: m.Method, Params: m.Params, TraceParent: m.TraceParent}
		task := h.Accept(request)
		s.tasks.add(task, func() { s.run(ctx, request, task) })
	}
}

func (s *server) run(ctx context.Context, r Request, task Task) {
	result, err := task.Run(ctx)
	write := func() {
		if r.ID != nil {
			s.respond(r.ID, result, err)
		}
	}
	if err == nil && task.Deliver != nil {
		task.Deliver(write)
		return
	}
	write()
}

// respond sends what came of a request.
func (s *server) respond(id json.RawMessage, result any, err error) {
	if id == nil {
		id = json.RawMessage("null")
	}
	m := Message{ID: id}
	if err == nil {
		m.Result, err = json.Marshal(result)
		if err != nil {
			err = fmt.Errorf("jsonrpc: encode a result: %w", err)
		}
	}
	if err != nil {
		m.Result, m.Error = nil, asError(err)
	}
	if frame, err := encode(m); err == nil {
		_ = s.conn.Write(frame) // the reader meets a broken connection too, and ends the serving
	}
}

// lanes runs tasks in the order that [Task.Lane] asks for. add and wait are called by one goroutine.
type lanes struct {
	slots chan struct{}
	all   sync.WaitGroup // every task
	laned sync.WaitGroup // the tasks in lanes

	mu     sync.Mutex
	queues map[string][]func() // a lane is here while its goroutine runs; what waits behind that
}

func newLanes(limit int) *lanes {
	return &lanes{slots: make(chan struct{}, limit), queues: make(map[string][]func())}
}

func (l *lanes) wait() { l.all.Wait() }

func (l *lanes) add(task Task, run func()) {
	switch {
	case task.Unordered:
		l.start(run)
	case task.Lane == "":
		l.laned.Wait()
		run()
	default:
		l.laned.Add(1)
		l.slots <- struct{}{}
		l.enqueue(task.Lane, run)
	}
}

// start runs an unordered task.
func (l *lanes) start(run func()) {
	l.slots <- struct{}{}
	l.all.Go(func() {
		defer func() { <-l.slots }()
		run()
	})
}

func (l *lanes) enqueue(lane string, run func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	waiting, running := l.queues[lane]
	l.queues[lane] = append(waiting, run)
	if !running {
		l.all.Go(func() { l.drain(lane) })
	}
}

// drain runs what is in a lane until nothing is left.
func (l *lanes) drain(lane string) {
	for {
		l.mu.Lock()
		queue := l.queues[lane]
		if len(queue) == 0 {
			delete(l.queues, lane)
			l.mu.Unlock()
			return
		}
		next := queue[0]
		l.queues[lane] = queue[1:]
		l.mu.Unlock()

		next()
		<-l.slots
		l.laned.Done()
	}
}
