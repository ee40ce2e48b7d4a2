package command

import (
	"context"
	"slices"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"

	"github.com/orkestro/orkestro/pkg/embeddedmongo/engine"
	"github.com/orkestro/orkestro/pkg/embeddedmongo/fault"
)

func (h *Handler) catalogCommands() map[string]command {
	return map[string]command{
		"listDatabases": h.listDatabases, "listCollections": h.listCollections, "create": h.create, "drop": h.drop,
		"dropDatabase": h.dropDatabase, "listIndexes": h.listIndexes, "createIndexes": h.createIndexes,
		"dropIndexes": h.dropIndexes, "deleteIndexes": h.dropIndexes,
	}
}

func (h *Handler) listDatabases(_ context.Context, r *request) (bson.D, error) {
	filter, err := r.filter("filter")
	if err != nil {
		return nil, err
	}
	databases := bson.A{}
	last := ""
	for _, info := range h.engine.Collections("") {
		if info.Namespace.DB == last {
			continue
		}
		last = info.Namespace.DB
		doc := bson.D{{Key: "name", Value: last}}
		if !r.truth("nameOnly") {
			doc = append(doc, bson.E{Key: "sizeOnDisk", Value: int64(0)}, bson.E{Key: "empty", Value: false})
		}
		if ok, err := filter.Match(doc); err != nil {
			return nil, err
		} else if ok {
			databases = append(databases, doc)
		}
	}
	return bson.D{{Key: "databases", Value: databases}, {Key: "totalSize", Value: int64(0)}}, nil
}

func (h *Handler) listCollections(ctx context.Context, r *request) (bson.D, error) {
	filter, err := r.filter("filter")
	if err != nil {
		return nil, err
	}
	var docs []bson.D
	for _, info := range h.engine.Collections(r.db) {
		doc := bson.D{{Key: "name", Value: info.Namespace.Collection}, {Key: "type", Value: "collection"}}
		if !r.truth("nameOnly") {
			id := primitive.Binary{Subtype: bson.TypeBinaryUUID, Data: info.UUID[:]}
			doc = append(doc, bson.E{Key: "options", Value: bson.D{}},
				bson.E{Key: "info", Value: bson.D{{Key: "readOnly", Value: false}, {Key: "uuid", Value: id}}},
				bson.E{Key: "idIndex", Value: info.Indexes[0].Document()})
		}
		if ok, err := filter.Match(doc); err != nil {
			return nil, err
		} else if ok {
			docs = append(docs, doc)
		}
	}
	ns := engine.Namespace{DB: r.db, Collection: "$cmd.listCollections"}
	return h.firstBatch(ctx, ns, &list{docs}, maxWriteBatch, false)
}

// ddl runs a command that changes the catalog.
func (h *Handler) ddl(
	ctx context.Context, r *request, run func(*engine.Tx, engine.Namespace) (bson.D, error),
) (bson.D, error) {
	ns, err := r.namespace()
	if err != nil {
		return nil, err
	}
	return h.engine.Write(ctx, nil, func(tx *engine.Tx) (bson.D, error) { return run(tx, ns) })
}

func (h *Handler) create(ctx context.Context, r *request) (bson.D, error) {
	for _, option := range []string{"capped", "timeseries", "viewOn", "validator"} {
		if value := r.value(option); value != nil && value != any(false) {
			return nil, fault.New(fault.NotImplemented, "the embedded store has no collections with %s", option)
		}
	}
	return h.ddl(ctx, r, func(tx *engine.Tx, ns engine.Namespace) (bson.D, error) { return nil, tx.Create(ns) })
}

func (h *Handler) drop(ctx context.Context, r *request) (bson.D, error) {
	return h.ddl(ctx, r, func(tx *engine.Tx, ns engine.Namespace) (bson.D, error) {
		return bson.D{{Key: "ns", Value: ns.String()}}, tx.Drop(ns)
	})
}

func (h *Handler) dropDatabase(ctx context.Context, r *request) (bson.D, error) {
	return h.engine.Write(ctx, nil, func(tx *engine.Tx) (bson.D, error) {
		return bson.D{{Key: "dropped", Value: r.db}}, tx.DropDatabase(r.db)
	})
}

func (h *Handler) listIndexes(ctx context.Context, r *request) (bson.D, error) {
	ns, err := r.namespace()
	if err != nil {
		return nil, err
	}
	info := h.engine.Collection(ns)
	if info == nil {
		return nil, fault.New(fault.NamespaceNotFound, "ns does not exist: %s", ns)
	}
	docs := make([]bson.D, len(info.Indexes))
	for i, spec := range info.Indexes {
		docs[i] = spec.Document()
	}
	return h.firstBatch(ctx, ns, &list{docs}, maxWriteBatch, false)
}

func (h *Handler) createIndexes(ctx context.Context, r *request) (bson.D, error) {
	docs, err := r.documents("indexes")
	if err != nil {
		return nil, err
	}
	specs := make([]engine.IndexSpec, len(docs))
	for i, doc := range docs {
		if specs[i], err = indexSpec(args(doc)); err != nil {
			return nil, err
		}
	}
	return h.ddl(ctx, r, func(tx *engine.Tx, ns engine.Namespace) (bson.D, error) {
		made := 0
		before, _ := tx.DropIndex(ns, func(engine.IndexSpec) bool { return false })
		for _, spec := range specs {
			created, err := tx.CreateIndex(ns, spec)
			if err != nil {
				return nil, err
			}
			if created {
				made++
			}
		}
		return bson.D{
			{Key: "numIndexesBefore", Value: int32(max(before, 1))},
			{Key: "numIndexesAfter", Value: int32(max(before, 1) + made)},
			{Key: "createdCollectionAutomatically", Value: before == 0},
		}, nil
	})
}

func indexSpec(a args) (spec engine.IndexSpec, err error) {
	if spec.Key, err = a.document("key"); err != nil {
		return spec, err
	}
	if spec.Name, err = a.text("name"); err != nil {
		return spec, err
	}
	if spec.Partial, err = a.document("partialFilterExpression"); err != nil {
		return spec, err
	}
	if spec.Name == "" || len(spec.Key) == 0 {
		return spec, fault.New(fault.FailedToParse, "an index needs a key and a name")
	}
	spec.Unique, spec.Sparse = a.truth("unique"), a.truth("sparse")
	if a.has("expireAfterSeconds") {
		seconds, err := a.integer("expireAfterSeconds", 0)
		if err != nil {
			return spec, err
		}
		wide := int64(seconds)
		spec.ExpireSeconds = &wide
	}
	return spec, nil
}

func (h *Handler) dropIndexes(ctx context.Context, r *request) (bson.D, error) {
	info := h.engine.Collection(engine.Namespace{DB: r.db, Collection: nameOf(r)})
	which, err := indexChoice(r.value("index"))
	if err != nil {
		return nil, err
	}
	if r.value("index") != "*" && info != nil && !slices.ContainsFunc(info.Indexes[1:], which) {
		return nil, fault.New(fault.IndexNotFound, "index not found with name [%v]", r.value("index"))
	}
	return h.ddl(ctx, r, func(tx *engine.Tx, ns engine.Namespace) (bson.D, error) {
		before, err := tx.DropIndex(ns, which)
		return bson.D{{Key: "nIndexesWas", Value: int32(before)}}, err
	})
}

func nameOf(r *request) string {
	name, _ := r.args[0].Value.(string)
	return name
}

// indexChoice is which indexes "*", a name, a list of names or a key stands for.
func indexChoice(value any) (func(engine.IndexSpec) bool, error) {
	switch v := value.(type) {
	case string:
		if v == "_id_" {
			return nil, fault.New(fault.InvalidOptions, "cannot drop _id index")
		}
		return func(s engine.IndexSpec) bool { return v == "*" || s.Name == v }, nil
	case bson.A:
		return func(s engine.IndexSpec) bool { return slices.Contains(v, any(s.Name)) }, nil
	case bson.D:
		return func(s engine.IndexSpec) bool { return slices.Equal(v, s.Key) }, nil
	default:
		return nil, fault.New(fault.TypeMismatch, "BSON field 'dropIndexes.index' is the wrong type '%T'", value)
	}
}
