package command

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/bson"

	"github.com/orkestro/orkestro/pkg/embeddedmongo/engine"
	"github.com/orkestro/orkestro/pkg/embeddedmongo/fault"
	"github.com/orkestro/orkestro/pkg/embeddedmongo/query"
)

func (h *Handler) readCommands() map[string]command {
	return map[string]command{
		"find": h.find, "getMore": h.getMore, "killCursors": h.killCursors, "count": h.count, "distinct": h.distinct,
		"aggregate": h.aggregate, "explain": h.explain,
	}
}

func (h *Handler) find(ctx context.Context, r *request) (bson.D, error) {
	ns, err := r.namespace()
	if err != nil {
		return nil, err
	}
	q, err := r.query("filter")
	if err != nil {
		return nil, err
	}
	single := r.truth("singleBatch")
	if q.Limit < 0 {
		q.Limit, single = -q.Limit, true
	}
	shown, err := r.document("projection")
	if err != nil {
		return nil, err
	}
	docs, err := h.engine.Find(ctx, ns, q)
	if err == nil && len(shown) > 0 {
		docs, err = project(docs, shown)
	}
	if err != nil {
		return nil, err
	}
	size, err := r.integer("batchSize", firstBatchSize)
	if err != nil {
		return nil, err
	}
	return h.firstBatch(ctx, ns, &list{docs}, size, single)
}

// query reads filter, sort, skip and limit.
func (a args) query(filterKey string) (q engine.Query, err error) {
	if q.Filter, err = a.filter(filterKey); err != nil {
		return q, err
	}
	if q.Sort, err = a.document("sort"); err != nil {
		return q, err
	}
	if q.Skip, err = a.integer("skip", 0); err != nil {
		return q, err
	}
	if q.Skip < 0 {
		return q, fault.New(51024, "BSON field 'skip' value must be >= 0, actual value '%d'", q.Skip)
	}
	q.Limit, err = a.integer("limit", 0)
	return q, err
}

func (a args) filter(key string) (*query.Filter, error) {
	filter, err := a.document(key)
	if err != nil {
		return nil, err
	}
	return query.Compile(filter)
}

func project(docs []bson.D, spec bson.D) ([]bson.D, error) {
	p, err := query.NewProjection(spec)
	if err != nil {
		return nil, err
	}
	shown := make([]bson.D, len(docs))
	for i, doc := range docs {
		if shown[i], err = p.Apply(doc); err != nil {
			return nil, err
		}
	}
	return shown, nil
}

// firstBatch opens a cursor on s, unless the first batch is all there is or all that is wanted.
func (h *Handler) firstBatch(
	ctx context.Context, ns engine.Namespace, s source, size int, single bool,
) (bson.D, error) {
	docs, done, err := s.next(ctx, size, 0)
	if err != nil {
		return nil, err
	}
	var id int64
	if !done && !single {
		open, err := h.cursors.add(ns, s)
		if err != nil {
			return nil, err
		}
		id = open.id
	}
	return batch("firstBatch", docs, id, ns.String(), s.token()), nil
}

func batch(name string, docs []bson.Raw, id int64, ns string, token bson.D) bson.D {
	if docs == nil {
		docs = []bson.Raw{}
	}
	cursor := bson.D{{Key: name, Value: docs}, {Key: "id", Value: id}, {Key: "ns", Value: ns}}
	if token != nil {
		cursor = append(cursor, bson.E{Key: "postBatchResumeToken", Value: token})
	}
	return bson.D{{Key: "cursor", Value: cursor}}
}

func (h *Handler) getMore(ctx context.Context, r *request) (bson.D, error) {
	id, ok := r.args[0].Value.(int64)
	if !ok {
		return nil, fault.New(fault.TypeMismatch, "BSON field 'getMore.getMore' is the wrong type, expected 'long'")
	}
	name, err := r.text("collection")
	if err != nil {
		return nil, err
	}
	size, err := r.integer("batchSize", 0)
	if err != nil {
		return nil, err
	}
	if size <= 0 {
		size = int(^uint32(0) >> 1)
	}
	wait, err := r.integer("maxTimeMS", int(defaultAwaitTime/time.Millisecond))
	if err != nil {
		return nil, err
	}
	ns := engine.Namespace{DB: r.db, Collection: name}
	open, err := h.cursors.get(id, ns)
	if err != nil {
		return nil, err
	}
	docs, done, err := h.cursors.read(ctx, open, size, min(time.Duration(wait)*time.Millisecond, maxAwaitTime))
	if err != nil {
		return nil, err
	}
	if done {
		id = 0
	}
	return batch("nextBatch", docs, id, ns.String(), open.source.token()), nil
}

func (h *Handler) killCursors(_ context.Context, r *request) (bson.D, error) {
	ids, err := r.list("cursors")
	if err != nil {
		return nil, err
	}
	killed, unknown := bson.A{}, bson.A{}
	for _, id := range ids {
		if n, ok := id.(int64); ok && h.cursors.kill(n) {
			killed = append(killed, id)
		} else {
			unknown = append(unknown, id)
		}
	}
	return bson.D{
		{Key: "cursorsKilled", Value: killed},
		{Key: "cursorsNotFound", Value: unknown},
		{Key: "cursorsAlive", Value: bson.A{}},
		{Key: "cursorsUnknown", Value: bson.A{}},
	}, nil
}

func (h *Handler) count(ctx context.Context, r *request) (bson.D, error) {
	ns, err := r.namespace()
	if err != nil {
		return nil, err
	}
	q, err := r.query("query")
	if err != nil {
		return nil, err
	}
	if len(q.Filter.Query()) == 0 && q.Skip == 0 && q.Limit == 0 {
		return bson.D{{Key: "n", Value: int32(h.engine.Count(ns))}}, nil
	}
	q.Limit = max(q.Limit, -q.Limit)
	docs, err := h.engine.Find(ctx, ns, q)
	return bson.D{{Key: "n", Value: int32(len(docs))}}, err
}

func (h *Handler) distinct(ctx context.Context, r *request) (bson.D, error) {
	ns, err := r.namespace()
	if err != nil {
		return nil, err
	}
	key, err := r.text("key")
	if err != nil {
		return nil, err
	}
	q, err := r.query("query")
	if err != nil {
		return nil, err
	}
	docs, err := h.engine.Find(ctx, ns, q)
	return bson.D{{Key: "values", Value: query.Distinct(docs, key)}}, err
}

func (h *Handler) explain(_ context.Context, r *request) (bson.D, error) {
	explained, ok := r.args[0].Value.(bson.D)
	if !ok || len(explained) == 0 {
		return nil, fault.New(fault.FailedToParse, "explain needs a command")
	}
	inner := &request{args: args(explained), db: r.db}
	ns, err := inner.namespace()
	if err != nil {
		return nil, err
	}
	key := "filter"
	if explained[0].Key != "find" {
		key = "query"
	}
	filter, err := inner.filter(key)
	if err != nil {
		return nil, err
	}
	return bson.D{{Key: "queryPlanner", Value: bson.D{
		{Key: "namespace", Value: ns.String()},
		{Key: "parsedQuery", Value: filter.Query()},
		{Key: "winningPlan", Value: bson.D{{Key: "stage", Value: h.engine.Explain(ns, filter)}}},
	}}}, nil
}
