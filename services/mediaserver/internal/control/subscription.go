package control

import (
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/mediaapi"
)

// maxSubscriptions bounds what clients can make this process keep: chosen; a few thousand endpoints with every event.
const maxSubscriptions = 100_000

// topic is a type of event of one object.
type topic struct {
	object, event string
}

// subscription is a session's wish for a topic.
type subscription struct {
	id      string
	session *session
	topic   topic
	active  bool
}

// listeners are subscriptions of one topic, or of one session. Thousands of either kind may go at once.
type listeners map[*subscription]struct{}

// subscriptions finds subscriptions by id and topic. It is guarded by the lock of sessions.
type subscriptions struct {
	byID     map[string]*subscription
	byObject map[string]map[string]listeners // by object, then event
}

func newSubscriptions() subscriptions {
	return subscriptions{byID: map[string]*subscription{}, byObject: map[string]map[string]listeners{}}
}

func (s *subscriptions) add(by *session, t topic) (*subscription, error) {
	if len(s.byID) >= maxSubscriptions {
		return nil, errorf(mediaapi.CodeNotEnoughResources, "there are %d subscriptions already", maxSubscriptions)
	}
	made := &subscription{id: control.NewID(), session: by, topic: t}
	s.byID[made.id] = made
	by.subscriptions[made] = struct{}{}
	if s.byObject[t.object] == nil {
		s.byObject[t.object] = map[string]listeners{}
	}
	if s.byObject[t.object][t.event] == nil {
		s.byObject[t.object][t.event] = listeners{}
	}
	s.byObject[t.object][t.event][made] = struct{}{}
	return made, nil
}

func (s *subscriptions) to(t topic) listeners { return s.byObject[t.object][t.event] }

func (s *subscriptions) remove(id string) {
	gone, found := s.byID[id]
	if !found {
		return
	}
	delete(s.byID, id)
	delete(gone.session.subscriptions, gone)
	events := s.byObject[gone.topic.object]
	delete(events[gone.topic.event], gone)
	if len(events[gone.topic.event]) > 0 {
		return
	}
	if delete(events, gone.topic.event); len(events) == 0 {
		delete(s.byObject, gone.topic.object)
	}
}

func (s *subscriptions) dropSession(gone *session) {
	for sub := range gone.subscriptions {
		s.remove(sub.id)
	}
}

// dropObject costs no more than what the object itself has: objects go by the hundred.
func (s *subscriptions) dropObject(object string) {
	for _, subs := range s.byObject[object] {
		for sub := range subs {
			delete(s.byID, sub.id)
			delete(sub.session.subscriptions, sub)
		}
	}
	delete(s.byObject, object)
}
