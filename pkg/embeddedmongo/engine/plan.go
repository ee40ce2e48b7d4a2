package engine

import (
	"slices"

	"github.com/256dpi/lungo/bsonkit"
	"go.mongodb.org/mongo-driver/bson"

	"github.com/orkestro/orkestro/pkg/embeddedmongo/query"
)

// condition is what a query demands of one field in a form that an index can serve.
type condition struct {
	equal     []any // one of these; nil: not known
	low, high any   // bounds, both inclusive here: the filter decides in the end. nil: none
}

// plan is a way to the documents that may match. Exactly one of the fields is used, in this order.
type plan struct {
	name    string
	records []*record // found by _id
	scans   []scan    // of an index
	natural bool      // all of them
}

// scan is a range of an index: entries that begin with prefix, and next within the bounds.
type scan struct {
	index     *index
	prefix    []any
	low, high any
}

// plan chooses the way: by _id, else the index with the longest equality and range, else everything.
func (c *collection) plan(filter *query.Filter) plan {
	conditions := map[string]condition{}
	collect(filter.Query(), conditions)
	if ids := conditions["_id"].equal; ids != nil {
		if records, ok := c.lookup(ids); ok {
			return plan{name: "IDHACK", records: records}
		}
	}
	best, bestScore := plan{name: "COLLSCAN", natural: true}, 0
	for _, x := range c.indexes {
		if x.partial != nil {
			continue // might leave out what matches; a sparse one leaves out only what no condition on its field matches
		}
		if scans, score := x.serve(conditions); score > bestScore {
			best, bestScore = plan{name: "IXSCAN " + x.spec.Name, scans: scans}, score
		}
	}
	return best
}

func (c *collection) lookup(ids []any) ([]*record, bool) {
	records := make([]*record, 0, len(ids))
	for _, id := range ids {
		key, err := idKey(id)
		if err != nil {
			return nil, false
		}
		if r := c.byID[key]; r != nil && !slices.Contains(records, r) {
			records = append(records, r)
		}
	}
	return records, true
}

// serve is the scans of an index for the conditions, and how much of the index they use.
func (x *index) serve(conditions map[string]condition) (scans []scan, score int) {
	scans = []scan{{index: x}}
	for _, column := range x.columns {
		c, known := conditions[column.Path]
		if !known {
			break
		}
		if c.equal == nil {
			if column.Reverse {
				break
			}
			for i := range scans {
				scans[i].low, scans[i].high = c.low, c.high
				if x.multikey && c.low != nil {
					scans[i].high = nil // each bound may be met by another element of an array
				}
			}
			return scans, score + 1
		}
		if len(scans)*len(c.equal) > maxEntries {
			break
		}
		scans = multiply(scans, c.equal)
		score += 2
	}
	return scans, score
}

func multiply(scans []scan, values []any) []scan {
	product := make([]scan, 0, len(scans)*len(values))
	for _, s := range scans {
		for _, value := range values {
			s := scan{index: s.index, prefix: append(slices.Clone(s.prefix), value)}
			product = append(product, s)
		}
	}
	return product
}

// collect gathers the conditions that must all hold; of several on one field the first equality wins.
func collect(q bson.D, into map[string]condition) {
	for _, e := range q {
		switch {
		case e.Key == "$and":
			list, _ := e.Value.(bson.A)
			for _, item := range list {
				if sub, ok := item.(bson.D); ok {
					collect(sub, into)
				}
			}
		case len(e.Key) > 0 && e.Key[0] == '$':
		default:
			if c, ok := read(e.Value, into[e.Key]); ok {
				into[e.Key] = c
			}
		}
	}
}

func read(value any, c condition) (condition, bool) {
	operators, isDocument := value.(bson.D)
	if !isDocument || !query.IsOperators(operators) {
		if c.equal == nil && searchable(value) {
			c.equal = []any{value}
		}
		return c, c.equal != nil || c.low != nil || c.high != nil
	}
	for _, e := range operators {
		switch list, _ := e.Value.(bson.A); {
		case e.Key == "$eq" && searchable(e.Value) && c.equal == nil:
			c.equal = []any{e.Value}
		case e.Key == "$in" && c.equal == nil && !slices.ContainsFunc(list, unsearchable):
			c.equal = append([]any{}, distinct(list)...)
		case (e.Key == "$gt" || e.Key == "$gte") && searchable(e.Value) && c.low == nil:
			c.low = e.Value
		case (e.Key == "$lt" || e.Key == "$lte") && searchable(e.Value) && c.high == nil:
			c.high = e.Value
		}
	}
	return c, c.equal != nil || c.low != nil || c.high != nil
}

func distinct(list bson.A) []any {
	var values []any
	for _, v := range list {
		if !slices.ContainsFunc(values, func(known any) bool { return bsonkit.Compare(known, v) == 0 }) {
			values = append(values, v)
		}
	}
	return values
}

// searchable values have one place in an index. Null does not: a missing field matches it as well.
func searchable(value any) bool {
	switch class, _ := bsonkit.Inspect(value); class {
	case bsonkit.Null, bsonkit.Array, bsonkit.Regex:
		return false
	default:
		return true
	}
}

func unsearchable(value any) bool { return !searchable(value) }
