package command

import (
	"context"

	"go.mongodb.org/mongo-driver/bson"

	"github.com/orkestro/orkestro/pkg/embeddedmongo/engine"
	"github.com/orkestro/orkestro/pkg/embeddedmongo/fault"
	"github.com/orkestro/orkestro/pkg/embeddedmongo/query"
	"github.com/orkestro/orkestro/pkg/embeddedmongo/update"
)

func (h *Handler) writeCommands() map[string]command {
	return map[string]command{
		"insert": h.insert, "update": h.update, "delete": h.remove,
		"findAndModify": h.findAndModify, "findandmodify": h.findAndModify,
	}
}

// statements executes the statements of a write command in order. One that fails is reported in the reply; the rest
// follows only if the command is not ordered.
func (h *Handler) statements(
	ctx context.Context, r *request, key string,
	run func(tx *engine.Tx, ns engine.Namespace, i int, s bson.D, t *tally) error,
) (bson.D, error) {
	ns, err := r.namespace()
	if err != nil {
		return nil, err
	}
	list, err := r.documents(key)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, fault.New(fault.InvalidOptions, "Write batch sizes must be between 1 and 100000. Got 0 operations.")
	}
	ordered := !r.has("ordered") || r.truth("ordered")
	return h.engine.Write(ctx, r.retry(), func(tx *engine.Tx) (bson.D, error) {
		var t tally
		for i, statement := range list {
			if err := run(tx, ns, i, statement, &t); err != nil {
				t.failed(i, fault.From(err, fault.BadValue))
				if ordered {
					break
				}
			}
		}
		return t.reply(key == "updates"), nil
	})
}

// tally is the result of a write command so far.
type tally struct {
	n, modified int
	upserted    bson.A
	errors      bson.A
}

func (t *tally) failed(i int, err *fault.Error) {
	entry := bson.D{
		{Key: "index", Value: int32(i)}, {Key: "code", Value: int32(err.Code)}, {Key: "errmsg", Value: err.Message},
	}
	t.errors = append(t.errors, append(entry, err.Details...))
}

func (t *tally) reply(isUpdate bool) bson.D {
	reply := bson.D{{Key: "n", Value: int32(t.n)}}
	if isUpdate {
		reply = append(reply, bson.E{Key: "nModified", Value: int32(t.modified)})
	}
	if len(t.upserted) > 0 {
		reply = append(reply, bson.E{Key: "upserted", Value: t.upserted})
	}
	if len(t.errors) > 0 {
		reply = append(reply, bson.E{Key: "writeErrors", Value: t.errors})
	}
	return reply
}

func (h *Handler) insert(ctx context.Context, r *request) (bson.D, error) {
	return h.statements(ctx, r, "documents",
		func(tx *engine.Tx, ns engine.Namespace, _ int, doc bson.D, t *tally) error {
			_, err := tx.Insert(ns, doc)
			if err == nil {
				t.n++
			}
			return err
		})
}

func (h *Handler) update(ctx context.Context, r *request) (bson.D, error) {
	return h.statements(ctx, r, "updates",
		func(tx *engine.Tx, ns engine.Namespace, i int, statement bson.D, t *tally) error {
			return updateStatement(tx, ns, i, args(statement), t)
		})
}

func updateStatement(tx *engine.Tx, ns engine.Namespace, i int, statement args, t *tally) error {
	filter, change, err := statement.change("q", "u")
	if err != nil {
		return err
	}
	limit := 1
	if statement.truth("multi") {
		limit = 0
		if change.IsReplacement() {
			return fault.New(fault.FailedToParse, "multi update is not supported for replacement-style update")
		}
	}
	found, err := tx.Find(ns, engine.Query{Filter: filter, Limit: limit})
	if err != nil {
		return err
	}
	if len(found) == 0 && statement.truth("upsert") {
		id, _, err := upsert(tx, ns, change)
		if err != nil {
			return err
		}
		t.n++
		t.upserted = append(t.upserted, bson.D{{Key: "index", Value: int32(i)}, {Key: "_id", Value: id}})
		return nil
	}
	for _, f := range found {
		_, changed, err := apply(tx, ns, f, change)
		if err != nil {
			return err
		}
		t.n++
		if changed {
			t.modified++
		}
	}
	return nil
}

// change reads a filter and the update for what it matches.
func (a args) change(filterKey, updateKey string) (*query.Filter, *update.Update, error) {
	filter, err := a.filter(filterKey)
	if err != nil {
		return nil, nil, err
	}
	arrayFilters, err := a.list("arrayFilters")
	if err != nil {
		return nil, nil, err
	}
	change, err := update.New(filter, a.value(updateKey), arrayFilters)
	return filter, change, err
}

func apply(tx *engine.Tx, ns engine.Namespace, f engine.Found, u *update.Update) (bson.D, bool, error) {
	after, err := u.Apply(f.Document())
	if err != nil {
		return nil, false, err
	}
	kind := engine.KindUpdate
	if u.IsReplacement() {
		kind = engine.KindReplace
	}
	changed, err := tx.Replace(ns, f, after, kind)
	return after, changed, err
}

func upsert(tx *engine.Tx, ns engine.Namespace, u *update.Update) (id any, doc bson.D, err error) {
	if doc, err = u.Upsert(); err != nil {
		return nil, nil, err
	}
	id, err = tx.Insert(ns, doc)
	return id, doc, err
}

func (h *Handler) remove(ctx context.Context, r *request) (bson.D, error) {
	return h.statements(ctx, r, "deletes",
		func(tx *engine.Tx, ns engine.Namespace, _ int, statement bson.D, t *tally) error {
			filter, err := args(statement).filter("q")
			if err != nil {
				return err
			}
			limit, err := args(statement).integer("limit", 0)
			if err != nil {
				return err
			}
			found, err := tx.Find(ns, engine.Query{Filter: filter, Limit: limit})
			if err != nil {
				return err
			}
			for _, f := range found {
				if err := tx.Delete(ns, f); err != nil {
					return err
				}
				t.n++
			}
			return nil
		})
}
