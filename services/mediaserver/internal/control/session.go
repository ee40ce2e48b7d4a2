package control

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/mediaapi"
)

const (
	// maxSessions bounds what unknown session ids, which have to be adopted, can make this process keep.
	maxSessions = 10_000
	// maxSessionIDBytes bounds one such id; ours have 36.
	maxSessionIDBytes = 128
	// idlePeriod is Kurento's own period.
	idlePeriod = 240 * time.Second
)

// outlet takes the events of the sessions whose connection it is; it only queues.
type outlet interface {
	Write(frame []byte) error
}

// session is a client's hold on objects and its subscriptions. It outlives connections.
type session struct {
	id       string
	outlet   outlet // the connection that used it last, nil while there is none
	lastUsed time.Time
	// pipelines are the roots of the objects that the session referenced. A reference to anything in a pipeline holds all
	// of it, so that a session that re-attached a pipeline does not lose endpoints which an expired session had made.
	pipelines     map[string]struct{}
	subscriptions listeners
}

// sessions is the registry of sessions and their subscriptions. Safe for concurrent use.
type sessions struct {
	now func() time.Time

	mu            sync.Mutex
	byID          map[string]*session
	subscriptions subscriptions
}

func newSessions() *sessions {
	return &sessions{now: time.Now, byID: map[string]*session{}, subscriptions: newSubscriptions()}
}

// use notes that a connection used a session, which from now on gets its events there. An id that is not known is
// adopted: after an invalid-session error the JavaScript client keeps sending its old id.
func (s *sessions) use(id string, o outlet) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	session, err := s.adoptLocked(id)
	if err != nil {
		return err
	}
	session.outlet = o
	return nil
}

// touch notes that a session is used, without a change of its connection.
func (s *sessions) touch(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.adoptLocked(id)
	return err
}

// adoptLocked needs s.mu.
func (s *sessions) adoptLocked(id string) (*session, error) {
	if known, found := s.byID[id]; found {
		known.lastUsed = s.now()
		return known, nil
	}
	if len(id) > maxSessionIDBytes {
		return nil, errorf(codeInvalidSession, "a session id has at most %d bytes", maxSessionIDBytes)
	}
	if len(s.byID) >= maxSessions {
		return nil, errorf(mediaapi.CodeNotEnoughResources, "there are %d sessions already", maxSessions)
	}
	made := &session{id: id, lastUsed: s.now(), pipelines: map[string]struct{}{}, subscriptions: listeners{}}
	s.byID[id] = made
	return made, nil
}

// newID is the id of a new session.
func (s *sessions) newID() string { return control.NewID() }

// known reports whether a session is there, and keeps it for another period.
func (s *sessions) known(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	session, found := s.byID[id]
	if found {
		session.lastUsed = s.now()
	}
	return found
}

// ids lists the sessions.
func (s *sessions) ids() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.byID))
}

// reference has a session hold a pipeline.
func (s *sessions) reference(id, pipeline string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	session, err := s.adoptLocked(id)
	if err != nil {
		return err
	}
	session.pipelines[pipeline] = struct{}{}
	return nil
}

// dereference undoes reference and reports whether nobody holds the pipeline any more.
func (s *sessions) dereference(id, pipeline string) (orphaned bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	session, found := s.byID[id]
	if !found {
		return false
	}
	if _, held := session.pipelines[pipeline]; !held {
		return false
	}
	delete(session.pipelines, pipeline)
	return !s.heldLocked(pipeline)
}

// heldLocked needs s.mu.
func (s *sessions) heldLocked(pipeline string) bool {
	for _, session := range s.byID {
		if _, held := session.pipelines[pipeline]; held {
			return true
		}
	}
	return false
}

// detach notes that a connection is gone.
func (s *sessions) detach(o outlet) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, session := range s.byID {
		if session.outlet == o {
			session.outlet = nil
			session.lastUsed = s.now()
		}
	}
}

// end forgets a session. It gives the pipelines that it held, and those of them that nobody holds any more.
func (s *sessions) end(id string) (held, orphaned []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if session, found := s.byID[id]; found {
		return s.endLocked(session)
	}
	return nil, nil
}

// endLocked needs s.mu.
func (s *sessions) endLocked(gone *session) (held, orphaned []string) {
	delete(s.byID, gone.id)
	s.subscriptions.dropSession(gone)
	held = slices.Sorted(maps.Keys(gone.pipelines))
	for _, pipeline := range held {
		if !s.heldLocked(pipeline) {
			orphaned = append(orphaned, pipeline)
		}
	}
	return held, orphaned
}

// expire ends the sessions that had neither connection nor request for a whole period, and gives the pipelines that
// nobody holds any more. Without a period only those end that hold no pipeline: every connection makes a session.
func (s *sessions) expire(period time.Duration) (orphaned []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, session := range s.byID {
		if period <= 0 && len(session.pipelines) > 0 {
			continue
		}
		if session.outlet == nil && s.now().Sub(session.lastUsed) >= orIdle(period) {
			_, left := s.endLocked(session)
			orphaned = append(orphaned, left...)
		}
	}
	return orphaned
}

// orIdle is the period, or that of sessions that hold nothing when nothing else expires.
func orIdle(period time.Duration) time.Duration {
	if period <= 0 {
		return idlePeriod
	}
	return period
}

// forget drops what concerns an object that is released: its subscriptions, and references to it.
func (s *sessions) forget(object string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.subscriptions.dropObject(object)
	if rootOf(object) != object {
		return // only pipelines are referenced, and one may have thousands of endpoints
	}
	for _, session := range s.byID {
		delete(session.pipelines, object)
	}
}

// subscribe makes a subscription of a session. It gets nothing before activate.
func (s *sessions) subscribe(id string, t topic) (*subscription, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	session, err := s.adoptLocked(id)
	if err != nil {
		return nil, err
	}
	return s.subscriptions.add(session, t)
}

// activate begins subscriptions in one step with the response that tells of them: no event precedes the response, and
// none is lost after it. write only queues.
func (s *sessions) activate(begun []*subscription, write func()) {
	if len(begun) == 0 {
		write()
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	write()
	for _, sub := range begun {
		sub.active = true
	}
}

// unsubscribe ends a subscription; an unknown one is no error.
func (s *sessions) unsubscribe(subscription string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.subscriptions.remove(subscription)
}

// subscribed reports whether anybody wants a topic.
func (s *sessions) subscribed(t topic) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.subscriptions.to(t)) > 0
}

// deliver sends an event once to each session that wants it and has a connection. Queueing happens under the lock, so
// that nothing is sent for an object after forget.
func (s *sessions) deliver(t topic, frame []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	served := map[*session]bool{}
	for sub := range s.subscriptions.to(t) {
		if o := sub.session.outlet; o != nil && sub.active && !served[sub.session] {
			served[sub.session] = true
			_ = o.Write(frame) // a connection that takes nothing cuts itself off
		}
	}
}
