package command

import (
	"context"

	"go.mongodb.org/mongo-driver/bson"

	"github.com/orkestro/orkestro/pkg/embeddedmongo/engine"
	"github.com/orkestro/orkestro/pkg/embeddedmongo/fault"
	"github.com/orkestro/orkestro/pkg/embeddedmongo/query"
)

// stage is one step of an aggregation, from documents to documents.
type stage func(docs []bson.D) ([]bson.D, error)

func (h *Handler) aggregate(ctx context.Context, r *request) (bson.D, error) {
	pipeline, err := r.documents("pipeline")
	if err != nil {
		return nil, err
	}
	options, err := r.document("cursor")
	if err != nil {
		return nil, err
	}
	size, err := args(options).integer("batchSize", firstBatchSize)
	if err != nil {
		return nil, err
	}
	if len(pipeline) > 0 && len(pipeline[0]) == 1 && pipeline[0][0].Key == "$changeStream" {
		return h.watch(ctx, r, pipeline, size)
	}
	ns, err := r.namespace()
	if err != nil {
		return nil, err
	}
	docs, err := h.runPipeline(ctx, ns, pipeline)
	if err != nil {
		return nil, err
	}
	return h.firstBatch(ctx, ns, &list{docs}, size, false)
}

func (h *Handler) runPipeline(ctx context.Context, ns engine.Namespace, pipeline []bson.D) ([]bson.D, error) {
	stages, err := compile(pipeline)
	if err != nil {
		return nil, err
	}
	var match bson.D
	if len(pipeline) > 0 && pipeline[0][0].Key == "$match" { // the engine may have an index for it
		match, _ = pipeline[0][0].Value.(bson.D)
		stages = stages[1:]
	}
	filter, err := query.Compile(match)
	if err != nil {
		return nil, err
	}
	docs, err := h.engine.Find(ctx, ns, engine.Query{Filter: filter})
	for _, run := range stages {
		if err != nil {
			return nil, err
		}
		docs, err = run(docs)
	}
	return docs, err
}

func compile(pipeline []bson.D) ([]stage, error) {
	stages := make([]stage, len(pipeline))
	for i, spec := range pipeline {
		if len(spec) != 1 {
			return nil, fault.New(40323, "A pipeline stage specification object must contain exactly one field.")
		}
		var err error
		if stages[i], err = newStage(spec[0].Key, spec[0].Value); err != nil {
			return nil, err
		}
	}
	return stages, nil
}

func newStage(name string, value any) (stage, error) {
	a := args{{Key: name, Value: value}}
	switch name {
	case "$match":
		return matchStage(a)
	case "$sort":
		order, err := a.document(name)
		return func(docs []bson.D) ([]bson.D, error) {
			return query.Sort(docs, func(doc bson.D) bson.D { return doc }, order)
		}, err
	case "$skip":
		n, err := a.integer(name, 0)
		return func(docs []bson.D) ([]bson.D, error) { return docs[min(max(n, 0), len(docs)):], nil }, err
	case "$limit":
		n, err := a.integer(name, 0)
		if err == nil && n <= 0 {
			err = fault.New(15958, "the limit must be positive")
		}
		return func(docs []bson.D) ([]bson.D, error) { return docs[:min(n, len(docs))], nil }, err
	case "$project":
		spec, err := a.document(name)
		if err != nil {
			return nil, err
		}
		return func(docs []bson.D) ([]bson.D, error) { return project(docs, spec) }, nil
	case "$count":
		field, err := a.text(name)
		return countStage(field), err
	case "$group":
		return groupStage(a)
	case "$unwind":
		return unwindStage(value)
	default:
		return nil, fault.New(fault.UnrecognizedStage, "Unrecognized pipeline stage name: '%s'", name)
	}
}

func matchStage(a args) (stage, error) {
	filter, err := a.filter("$match")
	if err != nil {
		return nil, err
	}
	return func(docs []bson.D) ([]bson.D, error) {
		var kept []bson.D
		for _, doc := range docs {
			ok, err := filter.Match(doc)
			if err != nil {
				return nil, err
			}
			if ok {
				kept = append(kept, doc)
			}
		}
		return kept, nil
	}, nil
}

func countStage(field string) stage {
	return func(docs []bson.D) ([]bson.D, error) {
		if len(docs) == 0 {
			return nil, nil
		}
		return []bson.D{{{Key: field, Value: int32(len(docs))}}}, nil
	}
}
