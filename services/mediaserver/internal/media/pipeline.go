package media

import (
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

	children family

	mu      sync.Mutex
	members map[member]Object // the orkestro endpoints
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

// Children implements [Object]: elements and hubs, oldest first.
func (p *Pipeline) Children() []Object { return p.children.Children() }

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
	return endpoint, p.children.addElement(p.server, p, endpoint)
}

func (p *Pipeline) memberEndpoint(m member, create func() Object) (Object, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if there, found := p.members[m]; found {
		return there, nil
	}
	object := create()
	if err := p.children.add(p.server, p, object); err != nil {
		return nil, err
	}
	p.members[m] = object
	return object, nil
}

// forget drops a child that was released.
func (p *Pipeline) forget(object Object) {
	p.children.forget(object)
	p.mu.Lock()
	defer p.mu.Unlock()
	for m, o := range p.members {
		if o == object {
			delete(p.members, m)
		}
	}
}

func (p *Pipeline) close() { p.children.close(p.server) }
