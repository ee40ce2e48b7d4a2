package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"github.com/orkestro/orkestro/pkg/audit"
	"github.com/orkestro/orkestro/pkg/control"
)

const (
	// maxAuditBatch is how many entries are written at once. Chosen: what many requests of the same moment append, and
	// far below the largest message of MongoDB.
	maxAuditBatch = 256
	// maxAuditWaiting is how many entries wait for the batch before; then the database does not keep up.
	maxAuditWaiting = 4096
	// maxAuditName and maxAuditReason bound the texts of an entry, in bytes. A reason that is longer is cut.
	maxAuditName   = 512
	maxAuditReason = 1024
	// auditPause is about how long somebody waits who lost a race for the next number.
	auditPause = 4 * time.Millisecond
)

// appending is an entry on its way into the chain.
type appending struct {
	entry control.AuditEntry
	gone  <-chan struct{} // closed when nobody waits for it any more
	done  chan error      // holds one
}

// Append adds an entry at the end of the chain; once it has returned nil, the entry is there. The same id again is no
// error, and adds nothing: a redelivered request appends what it appended before.
//
// Entries of one moment are written together: one look for the end of the chain and one write for all of them. Of
// several processes that write the same numbers one is first, by the unique index on seq, and the others go on behind
// it. A write that ends half-way leaves a chain too, since its entries are written in their order.
func (a *Audit) Append(ctx context.Context, entry control.AuditEntry) error {
	entry, err := appendable(entry)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, operationTimeout)
	defer cancel()
	p := &appending{entry: entry, gone: ctx.Done(), done: make(chan error, 1)}
	if !a.enqueue(p) {
		return &control.Error{
			Code: control.CodeUnavailable, Detail: "too much waits for the audit", RetryAfter: time.Second,
		}
	}
	select {
	case err = <-p.done:
	case <-ctx.Done():
		err = ctx.Err()
	}
	return coded("append to the audit "+entry.Object, err)
}

// appendable is an entry as the database gives it back: whole milliseconds, no text that is none.
func appendable(e control.AuditEntry) (control.AuditEntry, error) {
	e.Time = e.Time.UTC().Truncate(time.Millisecond)
	e.Reason = strings.ToValidUTF8(e.Reason, "�")
	for len(e.Reason) > maxAuditReason {
		_, last := utf8.DecodeLastRuneInString(e.Reason)
		e.Reason = e.Reason[:len(e.Reason)-last]
	}
	for _, field := range []struct{ name, value string }{
		{"id", e.ID}, {"actor", e.Actor}, {"action", e.Action}, {"object", e.Object}, {"result", e.Result},
	} {
		if len(field.value) > maxAuditName || !utf8.ValidString(field.value) {
			return e, control.Errorf(control.CodeInvalid, "%s of an audit entry: at most %d bytes of UTF-8 are needed",
				field.name, maxAuditName)
		}
	}
	if e.ID == "" {
		return e, control.Errorf(control.CodeInvalid, "id of an audit entry: it is needed")
	}
	return e, nil
}

// enqueue hands an entry to the worker, which runs as long as there is something to write.
func (a *Audit) enqueue(p *appending) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.waiting) >= maxAuditWaiting {
		return false
	}
	a.waiting = append(a.waiting, p)
	if !a.working {
		a.working = true
		a.worker.Go(a.work)
	}
	return true
}

func (a *Audit) work() {
	for batch := a.take(); batch != nil; batch = a.take() {
		a.commit(batch)
	}
}

// take is the next batch, without those that were given up; nil ends the worker.
func (a *Audit) take() []*appending {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waiting = slices.DeleteFunc(a.waiting, func(p *appending) bool {
		select {
		case <-p.gone:
			return true
		default:
			return false
		}
	})
	n := min(len(a.waiting), maxAuditBatch)
	if n == 0 {
		a.waiting, a.working = nil, false
		return nil
	}
	batch := slices.Clone(a.waiting[:n])
	a.waiting = slices.Delete(a.waiting, 0, n)
	return batch
}

// commit writes a batch, and tells everybody who waits for it.
func (a *Audit) commit(batch []*appending) {
	ctx, cancel := context.WithTimeout(context.Background(), operationTimeout)
	defer cancel()
	waiting := map[string][]chan error{} // by id: the same entry may be there twice
	var entries []control.AuditEntry
	for _, p := range batch {
		if waiting[p.entry.ID] == nil {
			entries = append(entries, p.entry)
		}
		waiting[p.entry.ID] = append(waiting[p.entry.ID], p.done)
	}
	settle := func(id string, err error) {
		for _, done := range waiting[id] {
			done <- err
		}
	}
	for len(entries) > 0 {
		written, err := a.write(ctx, entries)
		for _, id := range written {
			settle(id, nil)
		}
		entries = slices.DeleteFunc(entries, func(e control.AuditEntry) bool { return slices.Contains(written, e.ID) })
		if err == nil {
			continue
		}
		for _, e := range entries {
			settle(e.ID, err)
		}
		return
	}
}

// write tries once to put entries at the end of the chain, and gives the ids of those that are there. When somebody
// else was faster, that may be none.
func (a *Audit) write(ctx context.Context, entries []control.AuditEntry) (ids []string, err error) {
	head, err := a.Head(ctx)
	if err != nil {
		return nil, err
	}
	linked := make([]any, len(entries))
	for i, e := range entries {
		e = audit.After(head, e)
		linked[i], head = e, audit.HeadAt(e)
		ids = append(ids, e.ID)
	}
	_, err = a.c.InsertMany(ctx, linked)
	if !mongo.IsDuplicateKeyError(err) {
		if err != nil {
			ids = nil
		}
		return ids, err
	}
	if ids, err = a.present(ctx, ids); len(ids) == 0 && err == nil {
		err = pause(ctx, auditPause/2+rand.N(auditPause)) //nolint:gosec // jitter needs no secrecy
	}
	return ids, err
}

// Head is where the chain ends: the zero value if there is none.
func (a *Audit) Head(ctx context.Context) (audit.Head, error) {
	known := a.known.Load()
	head, err := a.headFrom(ctx, known)
	if isNotFound(err) && known > 0 {
		head, err = a.headFrom(ctx, 0) // somebody has cut it
	}
	if isNotFound(err) {
		return audit.Head{}, nil
	}
	a.known.Store(head.Seq)
	return head, err
}

// headFrom looks for the end among the entries from a number on, so that not even a database that sorts by reading all
// of them takes long.
func (a *Audit) headFrom(ctx context.Context, seq int64) (audit.Head, error) {
	var last control.AuditEntry
	err := a.c.FindOne(ctx, bson.M{"seq": bson.M{"$gte": seq}},
		options.FindOne().SetSort(bson.D{{Key: "seq", Value: -1}})).Decode(&last)
	return audit.HeadAt(last), coded("find the end of the audit", err)
}

// present is those of the ids that have an entry.
func (a *Audit) present(ctx context.Context, ids []string) ([]string, error) {
	cursor, err := a.c.Find(ctx, bson.M{"_id": bson.M{"$in": ids}}, options.Find().SetProjection(bson.M{"_id": 1}))
	if err != nil {
		return nil, fmt.Errorf("look for entries of the audit: %w", err)
	}
	var found []struct {
		ID string `bson:"_id"`
	}
	if err := cursor.All(ctx, &found); err != nil {
		return nil, fmt.Errorf("look for entries of the audit: %w", err)
	}
	ids = ids[:0]
	for _, f := range found {
		ids = append(ids, f.ID)
	}
	return ids, nil
}

// pause waits, or says that ctx has ended.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
