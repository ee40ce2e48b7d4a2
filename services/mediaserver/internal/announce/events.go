package announce

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/logging"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/services/mediaserver/internal/media"
)

const (
	// senders is how many events are on their way at once; an endpoint has one of them at most, which keeps its order.
	senders = 8
	// sendTimeout bounds one try.
	sendTimeout = 5 * time.Second
	// unroutableTries is how often a queue that is not there is tried, over some five seconds: a broker that has lost it
	// gets it again from a Wrapper, and only the queue of a session that has ended stays away.
	unroutableTries = 8
	// passing is how long an endpoint that is connecting may take before that is news: who connects within it is told
	// only that it has, which halves the events of a join. Chosen: longer than a handshake on a busy machine, shorter than
	// a person takes to wonder.
	passing = 2 * time.Second
)

// Sender puts a message on a queue: [broker.Publisher].
type Sender interface {
	Send(ctx context.Context, queue string, m broker.Message) error
}

// Events publishes the events of pipelines and endpoints that belong to a session of the fleet. While the broker is
// away it keeps, of each, only the last of a type: older ones are void. So what waits is bounded by the number of
// objects, and nothing that counts is lost. Safe for concurrent use.
type Events struct {
	sender Sender
	log    *slog.Logger

	mu       sync.Mutex
	changed  sync.Cond // ready or stopped changed
	stopped  bool
	backlogs map[string]*backlog // by endpoint, those that have something to send
	ready    []*backlog          // those that no sender holds and that need not wait before the next try
}

// backlog is what one endpoint has to tell, in order. The first is on its way while a sender holds the backlog.
type backlog struct {
	endpoint string
	queue    string
	messages []outgoing
	failures int
	held     bool // by a sender, or waiting for the next try
}

// outgoing is a message that is to be sent, at once or if nothing takes its place until then.
type outgoing struct {
	broker.Message
	at time.Time
}

// NewEvents makes an empty outbox; Run empties it.
func NewEvents(sender Sender, logger *slog.Logger) *Events {
	e := &Events{sender: sender, log: logger.With(logging.KeyComponent, "announce"), backlogs: map[string]*backlog{}}
	e.changed.L = &e.mu
	return e
}

// Waiting is how many events are not sent yet.
func (e *Events) Waiting() (n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, b := range e.backlogs {
		n += len(b.messages)
	}
	return n
}

// OnEvent takes an event of the media server. It does not block, and ignores what is not of the fleet.
func (e *Events) OnEvent(event media.Event) {
	pipeline := pipelineOf(event.Object)
	if pipeline == nil || pipeline.Session() == "" {
		return
	}
	m, told := translate(event, pipeline)
	if !told {
		return
	}
	m.ID, m.Time, m.Version, m.Session = control.NewID(), event.Time, message.Version, string(pipeline.Session())
	m.TraceParent = event.Object.Meta().Trace()
	e.add(event.Object.ID(), message.SessionQueue(pipeline.Session()).Name, m)
}

// pipelineOf is the pipeline that an object is or belongs to; nil for none.
func pipelineOf(o media.Object) *media.Pipeline {
	if p, ok := o.(*media.Pipeline); ok {
		return p
	}
	p, _ := o.Parent().(*media.Pipeline)
	return p
}

// translate is what Wrappers are told of an event, if they are.
func translate(event media.Event, pipeline *media.Pipeline) (m outgoing, told bool) {
	m = outgoing{at: event.Time}
	if data, ok := event.Data.(media.SpeakersChanged); ok {
		m.Type = message.TypeMediaSpeakers
		m.Body = encode(message.MediaSpeakers{
			Epoch: pipeline.Epoch(), Pipeline: pipeline.ID(), Number: data.Number, Streams: data.Streams,
		})
		return m, true
	}
	about, ok := describe(event.Object)
	if !ok {
		return m, false
	}
	about.Epoch, about.Pipeline, about.Endpoint = pipeline.Epoch(), pipeline.ID(), event.Object.ID()
	m.User = string(about.User)
	switch data := event.Data.(type) {
	case media.OfferCreated:
		m.Type = message.TypeMediaOffer
		m.Body = encode(message.MediaOffer{EndpointEvent: about, Seq: data.Seq, SDP: data.SDP})
	case media.EndpointStateChanged:
		m.Type = message.TypeMediaState
		m.Body = encode(message.MediaState{EndpointEvent: about, Number: data.Number, State: data.State})
		if data.State == control.ConnectionConnecting {
			m.at = event.Time.Add(passing)
		}
	case media.QualityChanged:
		m.Type = message.TypeMediaQuality
		m.Body = encode(message.MediaQuality{
			EndpointEvent: about, Number: data.Number, Bandwidth: data.Bandwidth, Streams: data.Streams,
		})
	default:
		return m, false
	}
	return m, true
}

// describe says whose endpoint an object is.
func describe(o media.Object) (message.EndpointEvent, bool) {
	switch endpoint := o.(type) {
	case *media.PublishEndpoint:
		return message.EndpointEvent{
			Presence: message.Presence{User: endpoint.User(), Join: endpoint.Join()}, Kind: control.Publish,
		}, true
	case *media.SubscribeEndpoint:
		return message.EndpointEvent{
			Presence: message.Presence{User: endpoint.User(), Join: endpoint.Join()}, Kind: control.Subscribe,
		}, true
	case *media.ViewEndpoint:
		viewer := endpoint.Viewer()
		return message.EndpointEvent{
			Presence: message.Presence{User: viewer, Join: control.JoinID(viewer)}, Kind: control.View,
		}, true
	default:
		return message.EndpointEvent{}, false
	}
}

// encode writes the body of an event; plain structs of strings and numbers always encode.
func encode(event any) []byte {
	body, _ := json.Marshal(event)
	return body
}

// add queues a message; an unsent one of the same type and endpoint is void by now and goes.
func (e *Events) add(endpoint, queue string, m outgoing) {
	e.mu.Lock()
	defer e.mu.Unlock()
	b, found := e.backlogs[endpoint]
	if !found {
		b = &backlog{endpoint: endpoint, queue: queue}
		e.backlogs[endpoint] = b
	}
	b.put(m)
	if !b.held {
		e.offerLocked(b)
	}
}

// put appends m and takes an older message of its type out, unless that may be on its way.
func (b *backlog) put(m outgoing) {
	first := 0
	if b.held {
		first = 1
	}
	kept := b.messages[:min(first, len(b.messages))]
	for _, older := range b.messages[len(kept):] {
		if older.Type != m.Type {
			kept = append(kept, older)
		}
	}
	b.messages = append(kept, m)
}

// offerLocked gives a backlog to the senders, or does so when its first message is due. It needs e.mu.
func (e *Events) offerLocked(b *backlog) {
	wait := time.Until(b.messages[0].at)
	if wait <= 0 || len(b.messages) > 1 {
		e.readyLocked(b)
		return
	}
	b.held = false
	time.AfterFunc(wait, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.backlogs[b.endpoint] == b && !b.held && time.Until(b.messages[0].at) <= 0 {
			e.readyLocked(b)
		}
	})
}

// readyLocked needs e.mu.
func (e *Events) readyLocked(b *backlog) {
	b.held = true
	e.ready = append(e.ready, b)
	e.changed.Signal()
}

// Run publishes until ctx ends.
func (e *Events) Run(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.stopped = true
		e.changed.Broadcast()
	})
	defer stop()
	var running sync.WaitGroup
	for range senders {
		running.Go(func() {
			for b := e.next(); b != nil; b = e.next() {
				e.finish(ctx, b, e.send(ctx, b))
			}
		})
	}
	running.Wait()
}

// next waits for a backlog that is ready; nil when Run is to end.
func (e *Events) next() *backlog {
	e.mu.Lock()
	defer e.mu.Unlock()
	for len(e.ready) == 0 && !e.stopped {
		e.changed.Wait()
	}
	if e.stopped {
		return nil
	}
	b := e.ready[0]
	e.ready = e.ready[1:]
	return b
}

// send tries the first message of a backlog that this sender holds.
func (e *Events) send(ctx context.Context, b *backlog) error {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	e.mu.Lock()
	m := b.messages[0].Message
	e.mu.Unlock()
	return e.sender.Send(ctx, b.queue, m)
}

// finish takes the first message out, or has it tried again later under the same id.
func (e *Events) finish(ctx context.Context, b *backlog, err error) {
	over := errors.Is(err, broker.ErrClosed) || errors.Is(err, broker.ErrUnroutable) && b.failures+1 >= unroutableTries
	retry := err != nil && !over
	switch {
	case retry && b.failures == 0 && ctx.Err() == nil:
		e.log.Debug("media event not taken, trying again", logging.KeyQueue, b.queue, logging.KeyError, err)
	case err != nil && !retry:
		e.log.Debug("media event dropped: its session is gone", logging.KeyQueue, b.queue)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case retry:
		wait := delay(b.failures)
		b.failures++
		time.AfterFunc(wait, func() {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.readyLocked(b)
		})
	case len(b.messages) > 1:
		b.failures, b.messages = 0, b.messages[1:]
		e.offerLocked(b)
	default:
		delete(e.backlogs, b.endpoint)
	}
}
