package engine

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/google/uuid"
	"github.com/tidwall/btree"
	"go.mongodb.org/mongo-driver/bson"

	"github.com/orkestro/orkestro/pkg/embeddedmongo/journal"
	"github.com/orkestro/orkestro/pkg/embeddedmongo/update"
	"github.com/orkestro/orkestro/pkg/logging"
)

const (
	compactPeriod       = 5 * time.Second
	defaultCompactBytes = 64 << 20
)

// unit is one record of the journal; of its fields those are set that it is about.
type unit struct {
	Header  *header      `bson:"header,omitempty"`  // first in a segment and in a snapshot
	Changes []savedEvent `bson:"changes,omitempty"` // of one command
	Retry   *savedRetry  `bson:"retry,omitempty"`   // the same command as a retryable write, or alone in a snapshot
	Doc     *savedEvent  `bson:"doc,omitempty"`     // in a snapshot: a collection (KindCreate) or a document of it
}

// header says which log this is, and that all changes after At follow.
type header struct {
	Log []byte `bson:"log"`
	At  int64  `bson:"at"`
}

type savedEvent struct {
	At         int64    `bson:"at,omitempty"`
	Kind       Kind     `bson:"kind"`
	DB         string   `bson:"db"`
	Collection string   `bson:"coll"`
	ID         any      `bson:"id"`
	Document   bson.Raw `bson:"doc,omitempty"`
	Updated    bson.D   `bson:"updated,omitempty"`
	Removed    bson.A   `bson:"removed,omitempty"`
	Truncated  bson.A   `bson:"truncated,omitempty"`
}

type savedRetry struct {
	Session []byte `bson:"session"`
	Number  int64  `bson:"number"`
	Reply   bson.D `bson:"reply"`
}

func saved(c *Change) savedEvent {
	return savedEvent{
		At: int64(c.At), Kind: c.Kind, DB: c.Namespace.DB, Collection: c.Namespace.Collection, ID: c.ID, Document: c.raw,
		Updated: c.Difference.Updated, Removed: c.Difference.Removed, Truncated: c.Difference.Truncated,
	}
}

func (s *savedEvent) change() (Change, error) {
	c := Change{
		At: Time(s.At), Kind: s.Kind, Namespace: Namespace{s.DB, s.Collection}, ID: s.ID, raw: s.Document,
		Difference: update.Difference{Updated: s.Updated, Removed: s.Removed, Truncated: s.Truncated},
	}
	if s.Document == nil {
		return c, nil
	}
	return c, bson.Unmarshal(s.Document, &c.Document)
}

func savedReply(r Retry, reply bson.D) *savedRetry {
	return &savedRetry{Session: []byte(r.Session), Number: r.Number, Reply: reply}
}

// encodeUnit is the journal record of a command.
func encodeUnit(changes []Change, retry *Retry, reply bson.D) ([]byte, error) {
	var u unit
	for i := range changes {
		u.Changes = append(u.Changes, saved(&changes[i]))
	}
	if retry != nil {
		u.Retry = savedReply(*retry, reply)
	}
	return bson.Marshal(u)
}

func (e *Engine) headerRecord() ([]byte, error) {
	id := e.changes.ID()
	return bson.Marshal(unit{Header: &header{Log: id[:], At: int64(e.clock)}})
}

// load reads what the directory holds and makes it the state. It runs before the engine is shared.
func (e *Engine) load(j *journal.Journal) error {
	r := replay{engine: e}
	began := e.clock
	e.clock = 0
	if err := j.Load(r.visit); err != nil {
		return err
	}
	if !j.Empty() {
		return nil
	}
	e.clock = began
	first, err := e.headerRecord()
	if err != nil {
		return fmt.Errorf("begin a journal: %w", err)
	}
	j.Rotate(first, uint64(e.clock))
	return nil
}

// replay is the state of a load.
type replay struct {
	engine  *Engine
	covered Time // the snapshot holds everything up to here
	begun   bool // the first segment has been seen
}

func (r *replay) visit(payload []byte, snapshot bool) error {
	var u unit
	if err := bson.Unmarshal(payload, &u); err != nil {
		return fmt.Errorf("decode: %w", err)
	}
	e := r.engine
	switch {
	case u.Header != nil:
		at := Time(u.Header.At)
		e.clock = max(e.clock, at)
		switch {
		case snapshot:
			r.covered = at
		case !r.begun:
			r.begun = true
			e.changes.restore(u.Header.Log, at)
		}
	case u.Doc != nil:
		c, err := u.Doc.change()
		if err != nil {
			return err
		}
		return e.replay(&c)
	}
	if u.Retry != nil {
		e.retries.add(Retry{string(u.Retry.Session), u.Retry.Number}, u.Retry.Reply)
	}
	return r.changes(u.Changes)
}

// changes puts changes into the log, and into the state what the snapshot does not have yet.
func (r *replay) changes(list []savedEvent) error {
	all := make([]Change, len(list))
	for i := range list {
		var err error
		if all[i], err = list[i].change(); err != nil {
			return err
		}
		if all[i].At > r.covered {
			if err := r.engine.replay(&all[i]); err != nil {
				return err
			}
			r.engine.clock = all[i].At
		}
	}
	r.engine.changes.append(all)
	return nil
}

// replay does a change again.
func (e *Engine) replay(c *Change) error {
	switch c.Kind {
	case KindDropDatabase:
		return nil
	case KindDrop:
		delete(e.collections, c.Namespace)
		return nil
	case KindCreate, KindIndexes:
		return e.replaySettings(c)
	default:
		return e.replayDocument(c)
	}
}

func (e *Engine) replayDocument(c *Change) error {
	target := e.collections[c.Namespace]
	if target == nil {
		return fmt.Errorf("%s of a document in %s, which is not there", c.Kind, c.Namespace)
	}
	key, err := idKey(c.ID)
	if err != nil {
		return err
	}
	before := target.byID[key]
	var after *record
	switch {
	case c.Kind == KindDelete && before == nil:
		return fmt.Errorf("delete of a document in %s that is not there", c.Namespace)
	case c.Kind != KindDelete && before != nil:
		after = &record{seq: before.seq, key: key, doc: c.Document}
	case c.Kind != KindDelete:
		after = &record{seq: target.lastSeq + 1, key: key, doc: c.Document}
	}
	change, err := target.prepare(before, after)
	if err != nil {
		return err
	}
	target.apply(change)
	return nil
}

// replaySettings makes the collection, if it is not there, and its indexes what they were.
func (e *Engine) replaySettings(c *Change) error {
	var settings struct {
		UUID    string `bson:"uuid"`
		Indexes []struct {
			Key     bson.D `bson:"key"`
			Name    string `bson:"name"`
			Unique  bool   `bson:"unique"`
			Sparse  bool   `bson:"sparse"`
			Partial bson.D `bson:"partialFilterExpression"`
			Expire  *int64 `bson:"expireAfterSeconds"`
		} `bson:"indexes"`
	}
	if err := bson.Unmarshal(c.raw, &settings); err != nil {
		return fmt.Errorf("decode settings of %s: %w", c.Namespace, err)
	}
	target := e.collections[c.Namespace]
	if target == nil {
		id, err := uuid.Parse(settings.UUID)
		if err != nil {
			return fmt.Errorf("decode settings of %s: %w", c.Namespace, err)
		}
		target = newCollection(c.Namespace, id)
		e.collections[c.Namespace] = target
	}
	target.indexes = nil
	for _, s := range settings.Indexes {
		x, err := target.build(IndexSpec{
			Name: s.Name, Key: s.Key, Unique: s.Unique, Sparse: s.Sparse, Partial: s.Partial, ExpireSeconds: s.Expire,
		})
		if err != nil {
			return err
		}
		target.indexes = append(target.indexes, x)
	}
	return nil
}

// compactLoop replaces a long log by a snapshot.
func (e *Engine) compactLoop(ctx context.Context, period time.Duration, limit int64) {
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if e.journal.Size() < limit {
			continue
		}
		if err := e.compact(ctx); err != nil && ctx.Err() == nil {
			e.log.Warn("journal not compacted", logging.KeyError, err)
		}
	}
}

// frozen is a collection at one moment.
type frozen struct {
	ns       Namespace
	settings bson.D
	docs     *btree.BTreeG[*record]
}

func (e *Engine) compact(ctx context.Context) error {
	at, first, all, retries, err := e.rotate()
	if err != nil {
		return err
	}
	if err := e.changes.wait(ctx, at); err != nil {
		return err
	}
	return e.journal.Snapshot(snapshot(first, all, retries))
}

// rotate is the whole state at the moment at which a new segment begins.
func (e *Engine) rotate() (at Time, first []byte, all []frozen, retries []*savedRetry, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if first, err = e.headerRecord(); err != nil {
		return 0, nil, nil, nil, err
	}
	e.journal.Rotate(first, uint64(e.clock))
	for ns, c := range e.collections {
		all = append(all, frozen{ns, c.settings(), c.natural.Copy()})
	}
	for element := e.retries.recent.Back(); element != nil; element = element.Prev() {
		last, _ := element.Value.(*done)
		retries = append(retries, savedReply(last.Retry, last.reply))
	}
	return e.clock, first, all, retries, nil
}

func snapshot(first []byte, all []frozen, retries []*savedRetry) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		if !yield(first, nil) {
			return
		}
		for _, c := range all {
			if !c.each(yield) {
				return
			}
		}
		for _, r := range retries {
			if !yield(bson.Marshal(unit{Retry: r})) {
				return
			}
		}
	}
}

func (c *frozen) each(yield func([]byte, error) bool) (more bool) {
	save := func(kind Kind, id any, doc bson.D) bool {
		raw, err := bson.Marshal(doc)
		if err != nil {
			return yield(nil, err)
		}
		return yield(bson.Marshal(unit{Doc: &savedEvent{
			Kind: kind, DB: c.ns.DB, Collection: c.ns.Collection, ID: id, Document: raw,
		}}))
	}
	more = save(KindCreate, nil, c.settings)
	c.docs.Scan(func(r *record) bool {
		more = more && save(KindInsert, r.doc[0].Value, r.doc)
		return more
	})
	return more
}
