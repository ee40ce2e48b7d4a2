package command

import (
	"context"

	"go.mongodb.org/mongo-driver/bson"

	"github.com/orkestro/orkestro/pkg/embeddedmongo/engine"
	"github.com/orkestro/orkestro/pkg/embeddedmongo/fault"
)

func (h *Handler) findAndModify(ctx context.Context, r *request) (bson.D, error) {
	ns, err := r.namespace()
	if err != nil {
		return nil, err
	}
	if r.truth("remove") == r.has("update") {
		return nil, fault.New(fault.FailedToParse, "Either an update or remove=true must be specified")
	}
	return h.engine.Write(ctx, r.retry(), func(tx *engine.Tx) (bson.D, error) {
		value, result, err := modify(tx, ns, r)
		if err != nil {
			return nil, err
		}
		shown, err := r.document("fields")
		if err != nil {
			return nil, err
		}
		if value != nil && len(shown) > 0 {
			docs, err := project([]bson.D{value}, shown)
			if err != nil {
				return nil, err
			}
			value = docs[0]
		}
		reply := bson.D{{Key: "lastErrorObject", Value: result}, {Key: "value", Value: nil}}
		if value != nil {
			reply[1].Value = value
		}
		return reply, nil
	})
}

// modify is the document to return, nil for none, and what lastErrorObject says.
func modify(tx *engine.Tx, ns engine.Namespace, r *request) (bson.D, bson.D, error) {
	filter, err := r.filter("query")
	if err != nil {
		return nil, nil, err
	}
	order, err := r.document("sort")
	if err != nil {
		return nil, nil, err
	}
	found, err := tx.Find(ns, engine.Query{Filter: filter, Sort: order, Limit: 1})
	if err != nil {
		return nil, nil, err
	}
	if r.truth("remove") {
		return removeFound(tx, ns, found)
	}
	_, change, err := r.change("query", "update")
	if err != nil {
		return nil, nil, err
	}
	if len(found) == 0 {
		if !r.truth("upsert") {
			return nil, outcome(0, false), nil
		}
		id, doc, err := upsert(tx, ns, change)
		if !r.truth("new") {
			doc = nil
		}
		return doc, append(outcome(1, false), bson.E{Key: "upserted", Value: id}), err
	}
	doc, _, err := apply(tx, ns, found[0], change)
	if !r.truth("new") {
		doc = found[0].Document()
	}
	return doc, outcome(1, true), err
}

func removeFound(tx *engine.Tx, ns engine.Namespace, found []engine.Found) (bson.D, bson.D, error) {
	if len(found) == 0 {
		return nil, bson.D{{Key: "n", Value: int32(0)}}, nil
	}
	return found[0].Document(), bson.D{{Key: "n", Value: int32(1)}}, tx.Delete(ns, found[0])
}

func outcome(n int, existing bool) bson.D {
	return bson.D{{Key: "n", Value: int32(n)}, {Key: "updatedExisting", Value: existing}}
}
