package media

import (
	"context"
	"sync/atomic"
)

// States of a UriEndpoint in the Kurento Protocol.
const (
	uriStop  = "STOP"
	uriStart = "START"
	uriPause = "PAUSE"
)

// uriEndpoint is what RecorderEndpoint and PlayerEndpoint have in common. What they do is done on the queue.
type uriEndpoint struct {
	base
	Element
	uri   string
	file  string // its name in the server's folder
	state atomic.Pointer[string]
	queue queue
}

func uriHierarchy() []string {
	return []string{"kurento.UriEndpoint", "kurento.Endpoint", "kurento.MediaElement", "kurento.MediaObject"}
}

func (e *uriEndpoint) init(owner Connectable, p *Pipeline, c class, uri string) (err error) {
	e.base = newBase(p.server, p, c)
	e.Element = newElement(owner, p)
	e.uri = uri
	state := uriStop
	e.state.Store(&state)
	e.file, err = p.server.files.name(uri)
	return err
}

// URI is that of the constructor.
func (e *uriEndpoint) URI() string { return e.uri }

// State is STOP, START or PAUSE.
func (e *uriEndpoint) State() string { return *e.state.Load() }

// setState tells of a new state, and reports whether it is one.
func (e *uriEndpoint) setState(state string) bool {
	if *e.state.Swap(&state) == state {
		return false
	}
	e.server.emit(e.owner, EventURIEndpointStateChanged, URIEndpointState{State: state})
	return true
}

// fail tells of what went wrong by itself.
func (e *uriEndpoint) fail(err error) {
	e.server.emit(e.owner, EventError, ErrorRaised{
		Description: err.Error(), ErrorCode: int(codeUnexpected), Type: "UNEXPECTED_ERROR",
	})
}

// call does something on the queue and waits for it.
func (e *uriEndpoint) call(ctx context.Context, do func() error) error {
	return e.queue.call(ctx, e.id, do)
}
