package query

import (
	"slices"

	"github.com/256dpi/lungo/bsonkit"
	"github.com/256dpi/lungo/mongokit"
	"go.mongodb.org/mongo-driver/bson"

	"github.com/orkestro/orkestro/pkg/embeddedmongo/fault"
)

// Columns reads a sort document or an index key.
func Columns(order bson.D) ([]bsonkit.Column, error) {
	columns, err := mongokit.Columns(&order)
	if err != nil {
		return nil, fault.From(err, fault.BadValue)
	}
	return columns, nil
}

// Sort is the documents in the given order, as a new slice; equal ones keep theirs. An array counts as its least
// element, or its greatest where the order descends.
func Sort[T any](items []T, document func(T) bson.D, order bson.D) ([]T, error) {
	columns, err := Columns(order)
	if err != nil {
		return nil, err
	}
	type keyed struct {
		keys []any
		item T
	}
	list := make([]keyed, len(items))
	for i, item := range items {
		doc := document(item)
		keys := make([]any, len(columns))
		for j, column := range columns {
			keys[j] = sortKey(&doc, column)
		}
		list[i] = keyed{keys: keys, item: item}
	}
	slices.SortStableFunc(list, func(a, b keyed) int {
		for j, column := range columns {
			if c := bsonkit.Compare(a.keys[j], b.keys[j]); c != 0 {
				if column.Reverse {
					return -c
				}
				return c
			}
		}
		return 0
	})
	sorted := make([]T, len(list))
	for i := range list {
		sorted[i] = list[i].item
	}
	return sorted, nil
}

func sortKey(doc bsonkit.Doc, column bsonkit.Column) any {
	value, _ := bsonkit.All(doc, column.Path, true, true)
	array, ok := value.(bson.A)
	if !ok || len(array) == 0 {
		return value
	}
	best := array[0]
	for _, item := range array[1:] {
		if c := bsonkit.Compare(item, best); (c < 0) != column.Reverse && c != 0 {
			best = item
		}
	}
	return best
}
