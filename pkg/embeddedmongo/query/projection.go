package query

import (
	"strings"

	"github.com/256dpi/lungo/mongokit"
	"go.mongodb.org/mongo-driver/bson"

	"github.com/orkestro/orkestro/pkg/embeddedmongo/fault"
)

// Projection says which fields of a document are shown, as in find or in the $project stage.
type Projection struct {
	paths    projectionTree
	include  bool
	id       bool   // whether _id is shown
	computed bson.D // fields with an expression, $project only
	special  bson.D // fields with $slice or $elemMatch, find only
}

// projectionTree has a node for each named field; a leaf is nil.
type projectionTree map[string]projectionTree

// NewProjection reads a projection document. An empty one shows everything.
func NewProjection(spec bson.D) (*Projection, error) {
	p := &Projection{paths: projectionTree{}, id: true}
	included, excluded := false, false
	for _, e := range spec {
		show, isFlag := flag(e.Value)
		switch {
		case e.Key == "_id" && isFlag:
			p.id = show
			included = included || (show && len(spec) == 1)
		case isFlag:
			if err := p.paths.add(e.Key); err != nil {
				return nil, err
			}
			included, excluded = included || show, excluded || !show
		case isSpecial(e.Value):
			p.special = append(p.special, e)
			included = included || hasKey(e.Value, "$elemMatch")
		default:
			p.computed = append(p.computed, e)
			included = true
		}
	}
	if included && excluded {
		return nil, fault.New(fault.ProjectionMixesInclusion, "Cannot do exclusion in inclusion projection")
	}
	p.include = included
	return p, nil
}

// Apply is a new document with what the projection shows of doc.
func (p *Projection) Apply(doc bson.D) (bson.D, error) {
	var shown bson.D
	if p.include {
		shown = p.paths.pick(doc, p.id)
	} else {
		shown = p.paths.drop(doc, p.id)
	}
	for _, e := range p.special {
		full, err := mongokit.Project(&doc, &bson.D{e})
		if err != nil {
			return nil, fault.From(err, fault.BadValue)
		}
		shown = replace(shown, e.Key, *full)
	}
	for _, e := range p.computed {
		value, err := Evaluate(doc, e.Value)
		if err != nil {
			return nil, err
		}
		if value != missing {
			shown = setField(shown, e.Key, value)
		}
	}
	return shown, nil
}

func (t projectionTree) add(path string) error {
	head, tail, nested := strings.Cut(path, ".")
	child, known := t[head]
	if known && (child == nil || !nested) {
		return fault.New(31249, "Path collision at %s", path)
	}
	if !nested {
		t[head] = nil
		return nil
	}
	if child == nil {
		child = projectionTree{}
		t[head] = child
	}
	return child.add(tail)
}

func (t projectionTree) pick(doc bson.D, id bool) bson.D {
	shown := bson.D{}
	for _, e := range doc {
		child, named := t[e.Key]
		switch {
		case e.Key == "_id" && id, named && child == nil:
			shown = append(shown, e)
		case named:
			if value, ok := child.pickValue(e.Value); ok {
				shown = append(shown, bson.E{Key: e.Key, Value: value})
			}
		}
	}
	return shown
}

// pickValue descends into documents and through arrays of them; a plain value has no such field.
func (t projectionTree) pickValue(value any) (any, bool) {
	switch v := value.(type) {
	case bson.D:
		return t.pick(v, false), true
	case bson.A:
		shown := bson.A{}
		for _, item := range v {
			if picked, ok := t.pickValue(item); ok {
				shown = append(shown, picked)
			}
		}
		return shown, true
	default:
		return nil, false
	}
}

func (t projectionTree) drop(doc bson.D, id bool) bson.D {
	shown := make(bson.D, 0, len(doc))
	for _, e := range doc {
		child, named := t[e.Key]
		switch {
		case e.Key == "_id" && !id, named && child == nil:
		case named:
			shown = append(shown, bson.E{Key: e.Key, Value: child.dropValue(e.Value)})
		default:
			shown = append(shown, e)
		}
	}
	return shown
}

func (t projectionTree) dropValue(value any) any {
	switch v := value.(type) {
	case bson.D:
		return t.drop(v, true)
	case bson.A:
		shown := make(bson.A, len(v))
		for i, item := range v {
			shown[i] = t.dropValue(item)
		}
		return shown
	default:
		return value
	}
}

// replace takes the top-level field of path from source.
func replace(shown bson.D, path string, source bson.D) bson.D {
	head, _, _ := strings.Cut(path, ".")
	for _, e := range source {
		if e.Key == head {
			return setField(shown, head, e.Value)
		}
	}
	return shown
}

func setField(doc bson.D, key string, value any) bson.D {
	for i := range doc {
		if doc[i].Key == key {
			doc[i].Value = value
			return doc
		}
	}
	return append(doc, bson.E{Key: key, Value: value})
}

func flag(value any) (show, isFlag bool) {
	switch v := value.(type) {
	case bool:
		return v, true
	case int32:
		return v != 0, true
	case int64:
		return v != 0, true
	case float64:
		return v != 0, true
	default:
		return false, false
	}
}

func isSpecial(value any) bool { return hasKey(value, "$slice") || hasKey(value, "$elemMatch") }

func hasKey(value any, key string) bool {
	d, ok := value.(bson.D)
	return ok && len(d) == 1 && d[0].Key == key
}
