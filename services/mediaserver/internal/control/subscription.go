package control

import (
	"slices"

	"github.com/orkestro/orkestro/pkg/control"
)

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

// subscriptions finds subscriptions by id and topic. It is guarded by the lock of sessions.
type subscriptions struct {
	byID    map[string]*subscription
	byTopic map[topic][]*subscription
}

func newSubscriptions() subscriptions {
	return subscriptions{byID: map[string]*subscription{}, byTopic: map[topic][]*subscription{}}
}

func (s *subscriptions) add(by *session, t topic) *subscription {
	made := &subscription{id: control.NewID(), session: by, topic: t}
	s.byID[made.id] = made
	s.byTopic[t] = append(s.byTopic[t], made)
	return made
}

func (s *subscriptions) remove(id string) {
	gone, found := s.byID[id]
	if !found {
		return
	}
	delete(s.byID, id)
	left := slices.DeleteFunc(s.byTopic[gone.topic], func(sub *subscription) bool { return sub == gone })
	if len(left) == 0 {
		delete(s.byTopic, gone.topic)
	} else {
		s.byTopic[gone.topic] = left
	}
}

func (s *subscriptions) dropSession(gone *session) {
	s.drop(func(sub *subscription) bool { return sub.session == gone })
}

func (s *subscriptions) dropObject(object string) {
	s.drop(func(sub *subscription) bool { return sub.topic.object == object })
}

func (s *subscriptions) drop(unwanted func(*subscription) bool) {
	for id, sub := range s.byID {
		if unwanted(sub) {
			s.remove(id)
		}
	}
}
