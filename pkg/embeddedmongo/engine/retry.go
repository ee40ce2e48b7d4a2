package engine

import (
	"container/list"

	"go.mongodb.org/mongo-driver/bson"

	"github.com/orkestro/orkestro/pkg/embeddedmongo/fault"
)

// maxRetries bounds the sessions whose last write is remembered; the ones longest idle go first. A driver has a session
// for each of its concurrent operations.
const maxRetries = 10_000

// Retry names a retryable write: a logical session and the number of the write in it.
type Retry struct {
	Session string // the bytes of lsid.id
	Number  int64
}

// retries remembers the reply to the last write of each session. The engine's mutex guards it.
type retries struct {
	sessions map[string]*list.Element // of *done
	recent   *list.List               // newest first
}

type done struct {
	Retry
	reply bson.D
}

func newRetries() retries { return retries{sessions: map[string]*list.Element{}, recent: list.New()} }

// find is the reply to a write that was executed before. A number below the last one is an error.
func (r *retries) find(retry Retry) (reply bson.D, executed bool, err error) {
	element := r.sessions[retry.Session]
	if element == nil {
		return nil, false, nil
	}
	last, _ := element.Value.(*done)
	switch {
	case last.Number == retry.Number:
		return last.reply, true, nil
	case last.Number > retry.Number:
		return nil, false, fault.New(fault.TransactionTooOld,
			"Retryable write with txnNumber %d is prohibited because a newer one with txnNumber %d has already started",
			retry.Number, last.Number)
	default:
		return nil, false, nil
	}
}

func (r *retries) add(retry Retry, reply bson.D) {
	r.forget(retry.Session)
	r.sessions[retry.Session] = r.recent.PushFront(&done{retry, reply})
	for r.recent.Len() > maxRetries {
		oldest, _ := r.recent.Back().Value.(*done)
		r.forget(oldest.Session)
	}
}

func (r *retries) forget(session string) {
	if element := r.sessions[session]; element != nil {
		r.recent.Remove(element)
		delete(r.sessions, session)
	}
}

// EndSession forgets the last write of a session that its client has closed.
func (e *Engine) EndSession(session string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.retries.forget(session)
}
