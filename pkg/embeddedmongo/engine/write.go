package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/256dpi/lungo/bsonkit"
	"github.com/google/uuid"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"

	"github.com/orkestro/orkestro/pkg/embeddedmongo/fault"
	"github.com/orkestro/orkestro/pkg/embeddedmongo/update"
	"github.com/orkestro/orkestro/pkg/logging"
)

// maxDocumentBytes is MongoDB's limit of a document.
const maxDocumentBytes = 16 << 20

// Found is a document within a [Tx].
type Found struct {
	record *record
}

// Document is the found document; it must not be altered.
func (f Found) Document() bson.D { return f.record.doc }

// Tx is the right to write, held by one goroutine at a time. What it wrote becomes durable and visible as one. It is
// valid only inside [Engine.Write].
type Tx struct {
	engine  *Engine
	changes []Change
}

// Write runs one command. What write did before it returned an error stays: MongoDB's batches are not transactions.
// With retry set, a command that was executed before is not executed again, its first reply is returned. Write returns
// when everything is durable.
func (e *Engine) Write(ctx context.Context, retry *Retry, write func(tx *Tx) (bson.D, error)) (bson.D, error) {
	reply, at, err := e.write(retry, write)
	if waitErr := e.changes.wait(ctx, at); waitErr != nil {
		return nil, waitErr
	}
	return reply, err
}

func (e *Engine) write(retry *Retry, write func(tx *Tx) (bson.D, error)) (reply bson.D, at Time, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if retry != nil {
		if first, done, err := e.retries.find(*retry); done || err != nil {
			return first, e.clock, err
		}
	}
	tx := &Tx{engine: e}
	defer func() {
		if p := recover(); p != nil { // of the libraries below, on a document that they do not expect
			err = fault.New(fault.InternalError, "the command failed: %v", p)
		}
		if err != nil {
			reply, retry = nil, nil
		}
		at = e.commit(tx.changes, retry, reply)
	}()
	reply, err = write(tx)
	return reply, 0, err
}

// commit makes the changes of a command one unit. Needs mu.
func (e *Engine) commit(changes []Change, retry *Retry, reply bson.D) Time {
	if retry != nil {
		e.retries.add(*retry, reply)
	}
	if len(changes) == 0 {
		return e.clock
	}
	e.changes.append(changes)
	if e.journal == nil {
		e.changes.show(e.clock)
		return e.clock
	}
	payload, err := encodeUnit(changes, retry, reply)
	if err != nil { // cannot be: every document in it has been encoded before
		e.log.Error("a write cannot be kept", logging.KeyError, err)
		e.changes.fail(err)
		return e.clock
	}
	e.journal.Append(payload, uint64(e.clock))
	return e.clock
}

// record notes a change under a time of its own.
func (tx *Tx) record(change Change) {
	tx.engine.clock = tx.engine.clock.next(time.Now())
	change.At = tx.engine.clock
	if change.raw == nil && change.Document != nil {
		change.raw, _ = bson.Marshal(change.Document) // settings of a collection: nothing in them can fail
	}
	tx.changes = append(tx.changes, change)
}

// Find is [Engine.Find] within the command.
func (tx *Tx) Find(ns Namespace, q Query) ([]Found, error) {
	c := tx.engine.collections[ns]
	if c == nil {
		return nil, nil
	}
	records, err := q.run(c.plan(q.Filter), c.natural)
	if err != nil {
		return nil, err
	}
	found := make([]Found, len(records))
	for i, r := range records {
		found[i] = Found{r}
	}
	return found, nil
}

// Insert adds a document, with an _id made for it if it has none, and returns that id. It makes the collection.
func (tx *Tx) Insert(ns Namespace, doc bson.D) (id any, err error) {
	doc = idFirst(doc)
	c, err := tx.collection(ns)
	if err != nil {
		return nil, err
	}
	after, raw, err := makeRecord(doc, c.lastSeq+1)
	if err != nil {
		return nil, err
	}
	change, err := c.prepare(nil, after)
	if err != nil {
		return nil, err
	}
	c.apply(change)
	tx.record(Change{Kind: KindInsert, Namespace: ns, ID: doc[0].Value, Document: doc, raw: raw})
	return doc[0].Value, nil
}

// Replace stores another state of a found document and tells whether it differs. Kind is KindUpdate or KindReplace.
func (tx *Tx) Replace(ns Namespace, found Found, doc bson.D, kind Kind) (changed bool, err error) {
	before := found.record
	difference := update.Compare(before.doc, doc)
	if difference.Empty() {
		return false, nil
	}
	after, raw, err := makeRecord(doc, before.seq)
	if err != nil {
		return false, err
	}
	c := tx.engine.collections[ns]
	change, err := c.prepare(before, after)
	if err != nil {
		return false, err
	}
	c.apply(change)
	tx.record(Change{
		Kind: kind, Namespace: ns, ID: bsonkit.Get(&doc, "_id"), Document: doc, Difference: difference, raw: raw,
	})
	return true, nil
}

// Delete removes a found document.
func (tx *Tx) Delete(ns Namespace, found Found) error {
	c := tx.engine.collections[ns]
	change, err := c.prepare(found.record, nil)
	if err != nil {
		return err
	}
	c.apply(change)
	tx.record(Change{Kind: KindDelete, Namespace: ns, ID: bsonkit.Get(&found.record.doc, "_id")})
	return nil
}

// collection is the collection of that name, made if it is not there.
func (tx *Tx) collection(ns Namespace) (*collection, error) {
	if c := tx.engine.collections[ns]; c != nil {
		return c, nil
	}
	if err := checkNamespace(ns); err != nil {
		return nil, err
	}
	id, err := uuid.NewRandom()
	if err != nil {
		return nil, fmt.Errorf("make a collection id: %w", err)
	}
	c := newCollection(ns, id)
	tx.engine.collections[ns] = c
	tx.record(Change{Kind: KindCreate, Namespace: ns, Document: c.settings()})
	return c, nil
}

func makeRecord(doc bson.D, seq uint64) (*record, bson.Raw, error) {
	if err := checkTypes(doc); err != nil {
		return nil, nil, err
	}
	key, err := idKey(bsonkit.Get(&doc, "_id"))
	if err != nil {
		return nil, nil, err
	}
	raw, err := bson.Marshal(doc)
	if err != nil {
		return nil, nil, fault.From(err, fault.BadValue)
	}
	if len(raw) > maxDocumentBytes {
		return nil, nil, fault.New(fault.BSONObjectTooLarge,
			"object to insert too large. size in bytes: %d, max size: %d", len(raw), maxDocumentBytes)
	}
	return &record{seq: seq, key: key, doc: doc}, raw, nil
}

// idFirst is the document as a real server stores it: with an _id, as the first field.
func idFirst(doc bson.D) bson.D {
	if len(doc) > 0 && doc[0].Key == "_id" {
		return doc
	}
	ordered := append(make(bson.D, 0, len(doc)+1), bson.E{Key: "_id", Value: primitive.NewObjectID()})
	for _, e := range doc {
		if e.Key == "_id" {
			ordered[0].Value = e.Value
		} else {
			ordered = append(ordered, e)
		}
	}
	return ordered
}
