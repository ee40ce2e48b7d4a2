package command

import (
	"context"
	"fmt"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"

	"github.com/orkestro/orkestro/pkg/embeddedmongo/engine"
	"github.com/orkestro/orkestro/pkg/embeddedmongo/fault"
	"github.com/orkestro/orkestro/pkg/embeddedmongo/query"
)

// watch opens a change stream: aggregate with a first stage $changeStream.
func (h *Handler) watch(ctx context.Context, r *request, pipeline []bson.D, size int) (bson.D, error) {
	options, _ := pipeline[0][0].Value.(bson.D)
	s, err := h.newStream(r, args(options), pipeline[1:])
	if err != nil {
		return nil, err
	}
	ns := s.ns
	if ns.Collection == "" {
		ns = engine.Namespace{DB: r.db, Collection: "$cmd.aggregate"}
	}
	return h.firstBatch(ctx, ns, s, size, false)
}

// stream is the source of a change-stream cursor.
type stream struct {
	engine *engine.Engine
	ns     engine.Namespace // Collection "": all of the database; DB "" as well: all there is
	lookup bool             // fullDocument: updateLookup
	image  bool             // fullDocument: whenAvailable or required
	stages []stage
	at     engine.Time // everything up to here has been looked at
	closed bool        // an invalidate event was sent
}

func (h *Handler) newStream(r *request, options args, pipeline []bson.D) (*stream, error) {
	s := &stream{engine: h.engine, ns: engine.Namespace{DB: r.db}}
	s.ns.Collection, _ = r.args[0].Value.(string)
	if options.truth("allChangesForCluster") {
		s.ns = engine.Namespace{}
	}
	switch mode, err := options.text("fullDocument"); {
	case err != nil:
		return nil, err
	case mode == "updateLookup":
		s.lookup = true
	case mode == "whenAvailable" || mode == "required":
		s.image = true
	}
	if before, _ := options.text("fullDocumentBeforeChange"); before == "required" {
		return nil, fault.New(fault.NotImplemented, "the embedded store keeps no documents from before a change")
	}
	for _, spec := range pipeline {
		if len(spec) == 1 && !slices.Contains([]string{"$match", "$project"}, spec[0].Key) {
			return nil, fault.New(fault.CommandNotSupported, "%s is not permitted in a $changeStream pipeline", spec[0].Key)
		}
	}
	var err error
	if s.stages, err = compile(pipeline); err != nil {
		return nil, err
	}
	return s, s.start(options)
}

// start sets where the stream begins: now, after a token, or at a time.
func (s *stream) start(options args) error {
	changes := s.engine.Changes()
	s.at = changes.Visible()
	for _, key := range []string{"resumeAfter", "startAfter"} {
		doc, err := options.document(key)
		if err != nil {
			return err
		}
		if doc == nil {
			continue
		}
		token, err := parseToken(doc)
		if err != nil {
			return err
		}
		if token.invalidate && key == "resumeAfter" {
			return fault.New(fault.InvalidResumeToken,
				"Attempted to resume with a token from an invalidate event; use startAfter")
		}
		if token.log != changes.ID() {
			token.at = 0 // of another log: as good as forgotten
		}
		s.at = token.at
	}
	if ts, ok := options.value("startAtOperationTime").(primitive.Timestamp); ok {
		at, err := changes.Before(engine.TimeOf(ts))
		if err != nil {
			return err
		}
		s.at = at
	}
	_, _, err := changes.Read(s.at, 1)
	return err
}

func (s *stream) token() bson.D {
	return resumeToken{log: s.engine.Changes().ID(), at: s.at, invalidate: s.closed}.document()
}

// next waits for the first event, and takes with it what else is there.
func (s *stream) next(ctx context.Context, limit int, wait time.Duration) ([]bson.Raw, bool, error) {
	limit = min(limit, maxStreamBatch)
	timeout := time.NewTimer(wait)
	defer timeout.Stop()
	for {
		changes, wake, err := s.engine.Changes().Read(s.at, maxStreamBatch)
		if err != nil {
			return nil, false, err
		}
		events, err := s.take(ctx, changes, limit)
		if err != nil || len(events) > 0 || s.closed || limit == 0 {
			return events, s.closed, err
		}
		if len(changes) > 0 {
			continue
		}
		select {
		case <-wake:
		case <-timeout.C:
			return nil, false, nil
		case <-ctx.Done():
			return nil, false, fault.New(fault.CursorNotFound, "the cursor was killed")
		}
	}
}

// take turns changes into events until there are enough.
func (s *stream) take(ctx context.Context, changes []engine.Change, limit int) ([]bson.Raw, error) {
	var events []bson.Raw
	size := 0
	for i := range changes {
		if len(events) >= limit || s.closed || size > maxBatchBytes/2 {
			break
		}
		c := &changes[i]
		docs, err := s.events(ctx, c)
		if err != nil {
			return nil, err
		}
		s.at = c.At
		for _, run := range s.stages {
			if docs, err = run(docs); err != nil {
				return nil, err
			}
		}
		for _, doc := range docs {
			raw, err := bson.Marshal(doc)
			if err != nil {
				return nil, fmt.Errorf("encode a change event: %w", err)
			}
			events, size = append(events, raw), size+len(raw)
		}
	}
	return events, nil
}

// events is what the stream shows of a change: nothing, one event, or a drop and the invalidate that ends the stream.
func (s *stream) events(ctx context.Context, c *engine.Change) ([]bson.D, error) {
	if !s.concerns(c) {
		return nil, nil
	}
	event, err := s.event(ctx, c)
	if err != nil {
		return nil, err
	}
	ends := (c.Kind == engine.KindDrop && s.ns.Collection != "") ||
		(c.Kind == engine.KindDropDatabase && s.ns.DB != "")
	if !ends {
		return []bson.D{event}, nil
	}
	s.closed = true
	return []bson.D{event, {
		{Key: "_id", Value: resumeToken{log: s.engine.Changes().ID(), at: c.At, invalidate: true}.document()},
		{Key: "operationType", Value: "invalidate"},
		{Key: "clusterTime", Value: c.At.Timestamp()},
		{Key: "wallTime", Value: wallTime(c.At)},
	}}, nil
}

func (s *stream) concerns(c *engine.Change) bool {
	switch {
	case c.Kind == engine.KindCreate || c.Kind == engine.KindIndexes:
		return false // expanded events, which nobody asks for
	case s.ns.DB != "" && c.Namespace.DB != s.ns.DB:
		return false
	default:
		return s.ns.Collection == "" || c.Namespace.Collection == s.ns.Collection
	}
}

func (s *stream) event(ctx context.Context, c *engine.Change) (bson.D, error) {
	ns := bson.D{{Key: "db", Value: c.Namespace.DB}}
	if c.Namespace.Collection != "" {
		ns = append(ns, bson.E{Key: "coll", Value: c.Namespace.Collection})
	}
	event := bson.D{
		{Key: "_id", Value: resumeToken{log: s.engine.Changes().ID(), at: c.At}.document()},
		{Key: "operationType", Value: string(c.Kind)},
		{Key: "clusterTime", Value: c.At.Timestamp()},
		{Key: "wallTime", Value: wallTime(c.At)},
		{Key: "ns", Value: ns},
	}
	if c.ID == nil {
		return event, nil
	}
	event = append(event, bson.E{Key: "documentKey", Value: bson.D{{Key: "_id", Value: c.ID}}})
	if c.Kind == engine.KindUpdate {
		event = append(event, bson.E{Key: "updateDescription", Value: description(c)})
	}
	doc, shown, err := s.fullDocument(ctx, c)
	if shown {
		event = append(event, bson.E{Key: "fullDocument", Value: doc})
	}
	return event, err
}

// fullDocument is the document of an insert or a replace; of an update, if asked for, as it is now, null if it is gone.
func (s *stream) fullDocument(ctx context.Context, c *engine.Change) (doc any, shown bool, err error) {
	switch {
	case c.Kind == engine.KindInsert || c.Kind == engine.KindReplace || (c.Kind == engine.KindUpdate && s.image):
		return c.Document, true, nil
	case c.Kind != engine.KindUpdate || !s.lookup:
		return nil, false, nil
	}
	filter, err := query.Compile(bson.D{{Key: "_id", Value: bson.D{{Key: "$eq", Value: c.ID}}}})
	if err != nil {
		return nil, false, err
	}
	found, err := s.engine.Find(ctx, c.Namespace, engine.Query{Filter: filter, Limit: 1})
	if err != nil || len(found) == 0 {
		return nil, true, err
	}
	return found[0], true, nil
}

func description(c *engine.Change) bson.D {
	orEmpty := func(list bson.A) bson.A { return append(bson.A{}, list...) }
	return bson.D{
		{Key: "updatedFields", Value: append(bson.D{}, c.Difference.Updated...)},
		{Key: "removedFields", Value: orEmpty(c.Difference.Removed)},
		{Key: "truncatedArrays", Value: orEmpty(c.Difference.Truncated)},
	}
}

func wallTime(at engine.Time) primitive.DateTime { return primitive.DateTime(int64(at>>32) * 1000) }
