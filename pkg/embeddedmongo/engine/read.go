package engine

import (
	"context"

	"github.com/tidwall/btree"
	"go.mongodb.org/mongo-driver/bson"

	"github.com/orkestro/orkestro/pkg/embeddedmongo/query"
)

// Query says which documents of a collection, in which order.
type Query struct {
	Filter *query.Filter
	Sort   bson.D
	Skip   int
	Limit  int // 0: all
}

// Find is the documents of a query, as they were at one moment. What it returns is durable. A collection that does not
// exist is empty.
func (e *Engine) Find(ctx context.Context, ns Namespace, q Query) ([]bson.D, error) {
	way, natural, at := e.freeze(ns, q.Filter)
	records, err := q.run(way, natural)
	if err != nil {
		return nil, err
	}
	docs := make([]bson.D, len(records))
	for i, r := range records {
		docs[i] = r.doc
	}
	return docs, e.changes.wait(ctx, at)
}

// Explain names the way that a filter is served.
func (e *Engine) Explain(ns Namespace, filter *query.Filter) string {
	e.mu.RLock()
	defer e.mu.RUnlock()
	c := e.collections[ns]
	if c == nil {
		return "EOF"
	}
	return c.plan(filter).name
}

// Count is the number of documents in a collection.
func (e *Engine) Count(ns Namespace) int {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if c := e.collections[ns]; c != nil {
		return len(c.byID)
	}
	return 0
}

// Now is the time of the newest write.
func (e *Engine) Now() Time {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.clock
}

// freeze plans on the present state, which the plan keeps.
func (e *Engine) freeze(ns Namespace, filter *query.Filter) (plan, *btree.BTreeG[*record], Time) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	c := e.collections[ns]
	if c == nil {
		return plan{}, nil, e.clock
	}
	p := c.plan(filter)
	return p, p.snapshot(c), e.clock
}

// run filters the candidates of a plan, sorts and cuts.
func (q Query) run(p plan, natural *btree.BTreeG[*record]) ([]*record, error) {
	var found []*record
	var failure error
	enough := 0
	if len(q.Sort) == 0 && q.Limit > 0 {
		enough = q.Skip + q.Limit
	}
	p.each(natural, func(r *record) bool {
		ok, err := q.Filter.Match(r.doc)
		if ok {
			found = append(found, r)
		}
		failure = err
		return err == nil && (enough == 0 || len(found) < enough)
	})
	if failure != nil {
		return nil, failure
	}
	if len(q.Sort) > 0 {
		var err error
		if found, err = query.Sort(found, func(r *record) bson.D { return r.doc }, q.Sort); err != nil {
			return nil, err
		}
	}
	found = found[min(q.Skip, len(found)):]
	if q.Limit > 0 {
		found = found[:min(q.Limit, len(found))]
	}
	return found, nil
}
