// Package update changes documents as MongoDB's update operators say, and tells what changed. It works on copies: a
// document that it is given is never altered. The operators are lungo's mongokit; positional paths, array filters and
// the operators in which mongokit differs from MongoDB ($inc, $mul, $pull) are resolved here first. The commands call
// it; it knows no collections.
package update

import (
	"strings"

	"github.com/256dpi/lungo/bsonkit"
	"github.com/256dpi/lungo/mongokit"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"

	"github.com/orkestro/orkestro/pkg/embeddedmongo/fault"
	"github.com/orkestro/orkestro/pkg/embeddedmongo/query"
)

// Update is a checked update: operators, or a whole replacement. Safe for concurrent use.
type Update struct {
	filter      *query.Filter
	operators   bson.D
	replacement bson.D
	filters     map[string]*query.Filter // array filters by their identifier
}

// New checks an update (value of u, or of update in findAndModify) and its array filters.
func New(filter *query.Filter, value any, arrayFilters bson.A) (*Update, error) {
	spec, ok := value.(bson.D)
	if !ok {
		return nil, fault.New(fault.NotImplemented, "the embedded store has no updates by aggregation pipeline")
	}
	if !query.IsOperators(spec) {
		if len(arrayFilters) > 0 {
			return nil, fault.New(fault.FailedToParse, "Cannot specify arrayFilters and replacement")
		}
		return &Update{filter: filter, replacement: spec}, nil
	}
	u := &Update{filter: filter, operators: spec, filters: map[string]*query.Filter{}}
	for _, e := range spec {
		if _, known := mongokit.FieldUpdateOperators[e.Key]; !known {
			return nil, fault.New(fault.FailedToParse, "Unknown modifier: %s", e.Key)
		}
		if _, ok := e.Value.(bson.D); !ok {
			return nil, fault.New(fault.FailedToParse, "Modifiers operate on fields but we found a %T for %s", e.Value, e.Key)
		}
	}
	return u, u.addArrayFilters(arrayFilters)
}

// IsReplacement tells if the whole document is given, not operators; such an update cannot be multi.
func (u *Update) IsReplacement() bool { return u.operators == nil }

// Apply is the document after the update.
func (u *Update) Apply(doc bson.D) (bson.D, error) {
	if u.IsReplacement() {
		return withID(u.replacement, bsonkit.Get(&doc, "_id"))
	}
	return u.operate(doc, false)
}

// Upsert is the document that is inserted when nothing matched: what the query says by equality, then the update.
func (u *Update) Upsert() (bson.D, error) {
	q := u.filter.Query()
	seed, err := mongokit.Extract(&q)
	if err != nil {
		return nil, fault.From(err, fault.BadValue)
	}
	id := bsonkit.Get(seed, "_id")
	if u.IsReplacement() {
		return withID(u.replacement, id)
	}
	doc, err := u.operate(*seed, true)
	if err != nil {
		return nil, err
	}
	if bsonkit.Get(&doc, "_id") == bsonkit.Missing {
		id = primitive.NewObjectID()
	} else {
		id = bsonkit.Get(&doc, "_id")
	}
	return withID(doc, id)
}

func (u *Update) operate(doc bson.D, upsert bool) (bson.D, error) {
	changed := bsonkit.Clone(&doc)
	resolved, err := u.resolve(*changed)
	if err != nil {
		return nil, err
	}
	if len(resolved) == 0 {
		return *changed, nil
	}
	q := u.filter.Query()
	if _, err := mongokit.Apply(changed, &q, &resolved, upsert, nil); err != nil {
		return nil, applyFault(err)
	}
	if !upsert && !identical(bsonkit.Get(&doc, "_id"), bsonkit.Get(changed, "_id")) {
		return nil, immutableID()
	}
	return *changed, nil
}

func applyFault(err error) error {
	if strings.Contains(err.Error(), "cannot put value") { // mongokit has no error values to test for
		return fault.New(fault.PathNotViable, "Cannot create field: %s", err)
	}
	return fault.From(err, fault.BadValue)
}

// withID is doc with its _id first. An _id of its own must be the given one, unless that is missing.
func withID(doc bson.D, id any) (bson.D, error) {
	own := bsonkit.Get(&doc, "_id")
	switch {
	case id == bsonkit.Missing && own == bsonkit.Missing:
		own = primitive.NewObjectID()
	case own == bsonkit.Missing:
		own = id
	case id != bsonkit.Missing && bsonkit.Compare(id, own) != 0:
		return nil, immutableID()
	}
	result := make(bson.D, 0, len(doc)+1)
	result = append(result, bson.E{Key: "_id", Value: own})
	for _, e := range doc {
		if e.Key != "_id" {
			result = append(result, e)
		}
	}
	return result, nil
}

func immutableID() error {
	return fault.New(fault.ImmutableField,
		"Performing an update on the path '_id' would modify the immutable field '_id'")
}
