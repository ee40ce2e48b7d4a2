package media

import (
	"slices"
	"strconv"
	"sync"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/mediaapi"
)

func pipelineClass() class {
	return class{module: "kurento", name: "MediaPipeline", hierarchy: []string{"kurento.MediaObject"}}
}

// Pipeline is a set of endpoints that may be connected to each other. Safe for concurrent use.
type Pipeline struct {
	base
	key     sessionEpoch
	graph   graph
	streams streamBoard

	mu       sync.Mutex
	closed   bool
	children []Object
	members  map[member]Object // the orkestro endpoints
}

// member names the one endpoint of a kind that a user has under one join.
type member struct {
	kind control.ConnectionKind
	user control.UserID
	join control.JoinID
}

func newPipeline(s *Server, key sessionEpoch) *Pipeline {
	p := &Pipeline{base: newBase(s, nil, pipelineClass()), key: key, members: map[member]Object{}}
	if key.session != "" {
		p.meta.SetTag(mediaapi.TagSession, string(key.session))
		p.meta.SetTag(mediaapi.TagEpoch, strconv.FormatInt(key.epoch, 10))
	}
	return p
}

// Session is the session that the pipeline was made for, "" for none.
func (p *Pipeline) Session() control.SessionID { return p.key.session }

// Epoch is the epoch of the session that the pipeline was made for.
func (p *Pipeline) Epoch() int64 { return p.key.epoch }

// Children implements [Object]: the endpoints, oldest first.
func (p *Pipeline) Children() []Object {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.children)
}

// NewPublishEndpoint makes the endpoint on which a user publishes; the same again for the same user and join.
func (p *Pipeline) NewPublishEndpoint(user control.UserID, join control.JoinID) (*PublishEndpoint, error) {
	object, err := p.memberEndpoint(member{control.Publish, user, join}, func() Object {
		return newPublishEndpoint(p, user, join)
	})
	if err != nil {
		return nil, err
	}
	return object.(*PublishEndpoint), nil
}

// NewSubscribeEndpoint makes the endpoint on which a user receives; the same again for the same user and join, then
// without a change of its subscriptions. Its offers come as [EventOfferCreated].
func (p *Pipeline) NewSubscribeEndpoint(
	user control.UserID, join control.JoinID, subscriptions control.Subscriptions,
) (*SubscribeEndpoint, error) {
	object, err := p.memberEndpoint(member{control.Subscribe, user, join}, func() Object {
		return newSubscribeEndpoint(p, user, join, subscriptions)
	})
	if err != nil {
		return nil, err
	}
	endpoint := object.(*SubscribeEndpoint)
	p.streams.subscribe(endpoint)
	return endpoint, nil
}

// NewWebRTCEndpoint makes an endpoint as the Kurento Protocol has it.
func (p *Pipeline) NewWebRTCEndpoint(params WebRTCEndpointParams) (*WebRTCEndpoint, error) {
	if params.RecvOnly && params.SendOnly {
		return nil, errorf(codeIllegalParam, "recvonly and sendonly exclude each other")
	}
	endpoint := newWebRTCEndpoint(p, params)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.addLocked(endpoint); err != nil {
		return nil, err
	}
	p.server.flows.add(endpoint)
	return endpoint, nil
}

func (p *Pipeline) memberEndpoint(m member, create func() Object) (Object, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if there, found := p.members[m]; found {
		return there, nil
	}
	object := create()
	if err := p.addLocked(object); err != nil {
		return nil, err
	}
	p.members[m] = object
	return object, nil
}

// addLocked needs p.mu.
func (p *Pipeline) addLocked(object Object) error {
	if p.closed {
		return errReleased(p.id)
	}
	if err := p.server.add(p, object); err != nil {
		return errReleased(p.id)
	}
	p.children = append(p.children, object)
	p.server.emit(object, EventObjectCreated, ObjectCreated{Object: object.ID()})
	return nil
}

// forget drops a child that was released.
func (p *Pipeline) forget(object Object) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.children = slices.DeleteFunc(p.children, func(o Object) bool { return o == object })
	for m, o := range p.members {
		if o == object {
			delete(p.members, m)
		}
	}
}

// close has the endpoints that were added while the others were being released go as well.
func (p *Pipeline) close() {
	p.mu.Lock()
	p.closed = true
	late := slices.Clone(p.children)
	p.mu.Unlock()
	for _, child := range late {
		p.server.releaseOne(child)
	}
}
