package engine

import (
	"github.com/256dpi/lungo/bsonkit"
	"github.com/google/uuid"
	"github.com/tidwall/btree"
	"go.mongodb.org/mongo-driver/bson"
)

// record is one stored document. Immutable: an update makes a new record with the same seq.
type record struct {
	seq uint64 // place in the natural order, never 0
	key string // of byID
	doc bson.D
}

// order of a nil record is before all others.
func (r *record) order() uint64 {
	if r == nil {
		return 0
	}
	return r.seq
}

// collection is a set of documents with its indexes. The engine's mutex guards it.
type collection struct {
	ns      Namespace
	uuid    uuid.UUID
	byID    map[string]*record
	natural *btree.BTreeG[*record]
	indexes []*index // without the one on _id, which is byID
	lastSeq uint64
}

func newCollection(ns Namespace, id uuid.UUID) *collection {
	return &collection{
		ns: ns, uuid: id, byID: map[string]*record{},
		natural: btree.NewBTreeG(func(a, b *record) bool { return a.seq < b.seq }),
	}
}

// change of one document, checked and ready: nothing in apply can fail.
type docChange struct {
	before, after *record   // nil: none
	remove, add   [][][]any // keys per index
}

// prepare checks that before can become after; either may be nil. It alters nothing.
func (c *collection) prepare(before, after *record) (docChange, error) {
	change := docChange{before: before, after: after}
	change.remove, change.add = make([][][]any, len(c.indexes)), make([][][]any, len(c.indexes))
	if before == nil {
		if _, taken := c.byID[after.key]; taken {
			id := []any{bsonkit.Get(&after.doc, "_id")}
			return change, duplicate(c.ns, idIndex(), id)
		}
	}
	for i, x := range c.indexes {
		var err error
		if before != nil {
			if change.remove[i], err = x.keys(before.doc); err != nil {
				return change, err
			}
		}
		if after != nil {
			if change.add[i], err = x.keys(after.doc); err != nil {
				return change, err
			}
			if err = x.conflict(c.ns, change.add[i], before); err != nil {
				return change, err
			}
		}
	}
	return change, nil
}

func (c *collection) apply(change docChange) {
	for i, x := range c.indexes {
		if change.before != nil {
			x.remove(change.remove[i], change.before)
		}
		if change.after != nil {
			x.add(change.add[i], change.after)
		}
	}
	if change.after == nil {
		delete(c.byID, change.before.key)
		c.natural.Delete(change.before)
		return
	}
	c.byID[change.after.key] = change.after
	c.natural.Set(change.after)
	c.lastSeq = max(c.lastSeq, change.after.seq)
}

// build makes an index of the documents that are there.
func (c *collection) build(spec IndexSpec) (*index, error) {
	x, err := newIndex(spec)
	if err != nil {
		return nil, err
	}
	c.natural.Scan(func(r *record) bool {
		var keys [][]any
		if keys, err = x.keys(r.doc); err == nil {
			err = x.conflict(c.ns, keys, nil)
		}
		if err != nil {
			return false
		}
		x.add(keys, r)
		return true
	})
	return x, err
}

func idIndex() IndexSpec { return IndexSpec{Name: "_id_", Key: bson.D{{Key: "_id", Value: int32(1)}}} }
