package media

import (
	"context"
	"sync"
)

// queue runs the tasks of one endpoint one after the other, so that negotiation, which takes several steps, needs no
// lock. Posting never waits: callbacks of a peer connection may post while a task waits for that connection. A
// goroutine exists only while there are tasks. What is posted is bounded by its sources: a call of a client each, and a
// handful of state changes a connection.
type queue struct {
	mu      sync.Mutex
	tasks   []func()
	running bool
	closed  bool
}

// post adds a task and reports false when the queue is closed.
func (q *queue) post(task func()) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	q.pushLocked(task)
	return true
}

// pushLocked needs q.mu.
func (q *queue) pushLocked(task func()) {
	q.tasks = append(q.tasks, task)
	if !q.running {
		q.running = true
		go q.drain() // ends with the tasks; close waits for the last one
	}
}

func (q *queue) drain() {
	for {
		q.mu.Lock()
		if len(q.tasks) == 0 {
			q.running = false
			q.mu.Unlock()
			return
		}
		task := q.tasks[0]
		q.tasks = q.tasks[1:]
		q.mu.Unlock()
		task()
	}
}

// call runs a task and waits for it; the error is nil, or that of the context, in which case the task may still run, or
// the one for an object that is gone.
func (q *queue) call(ctx context.Context, id string, task func() error) error {
	result := make(chan error, 1) // the task must not wait for a caller that has left
	if !q.post(func() { result <- task() }) {
		return errReleased(id)
	}
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// close runs last after everything that was posted, refuses what comes later, and returns when last is done. Call it
// once, and not from a task.
func (q *queue) close(last func()) {
	done := make(chan struct{})
	q.mu.Lock()
	q.closed = true
	q.pushLocked(func() {
		defer close(done)
		last()
	})
	q.mu.Unlock()
	<-done
}
