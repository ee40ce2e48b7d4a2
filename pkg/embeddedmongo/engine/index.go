package engine

import (
	"fmt"

	"github.com/256dpi/lungo/bsonkit"
	"github.com/tidwall/btree"
	"go.mongodb.org/mongo-driver/bson"

	"github.com/orkestro/orkestro/pkg/embeddedmongo/fault"
	"github.com/orkestro/orkestro/pkg/embeddedmongo/query"
)

// maxEntries bounds the index entries of one document, which multiply where several fields are arrays.
const maxEntries = 1000

// IndexSpec describes an index.
type IndexSpec struct {
	Name          string
	Key           bson.D
	Unique        bool
	Sparse        bool
	Partial       bson.D // documents that do not match are not in the index; nil: all are
	ExpireSeconds *int64 // documents go so long after the date in the field; nil: never
}

// index is a sorted tree of the values that documents have at its fields. A document with an array there has an entry
// for each element. Owned by its collection.
type index struct {
	spec     IndexSpec
	columns  []bsonkit.Column
	partial  *query.Filter
	tree     *btree.BTreeG[entry]
	multikey bool // some document has, or had, several entries
}

type entry struct {
	keys   []any
	record *record // nil in a bound of a scan: before all records
}

func newIndex(spec IndexSpec) (*index, error) {
	columns, err := query.Columns(spec.Key)
	if err != nil || len(columns) == 0 {
		return nil, fault.New(fault.CannotCreateIndex, "the embedded store has no index of the kind %v", spec.Key)
	}
	x := &index{spec: spec, columns: columns}
	if spec.Partial != nil {
		if x.partial, err = query.Compile(spec.Partial); err != nil {
			return nil, err
		}
	}
	x.tree = btree.NewBTreeG(x.less)
	return x, nil
}

func (x *index) less(a, b entry) bool {
	for i := range min(len(a.keys), len(b.keys)) {
		c := compareKeys(a.keys[i], b.keys[i])
		if x.columns[i].Reverse {
			c = -c
		}
		if c != 0 {
			return c < 0
		}
	}
	if len(a.keys) != len(b.keys) {
		return len(a.keys) < len(b.keys)
	}
	return a.record.order() < b.record.order()
}

// classFloor is a bound of a scan: before all values of that class.
type classFloor bsonkit.Class

func compareKeys(a, b any) int {
	if floor, ok := a.(classFloor); ok {
		if class, _ := bsonkit.Inspect(b); bsonkit.Class(floor) > class {
			return 1
		}
		return -1
	}
	if _, ok := b.(classFloor); ok {
		return -compareKeys(b, a)
	}
	return bsonkit.Compare(a, b)
}

// keys is the entries of a document, none where the index leaves it out.
func (x *index) keys(doc bson.D) ([][]any, error) {
	if x.partial != nil {
		if in, err := x.partial.Match(doc); err != nil || !in {
			return nil, err
		}
	}
	tuples := [][]any{nil}
	present := false
	for _, column := range x.columns {
		values := columnValues(doc, column.Path)
		present = present || len(values) > 1 || values[0] != any(bsonkit.Missing)
		if len(tuples)*len(values) > maxEntries {
			return nil, fault.New(fault.BadValue, "index %s would need more than %d entries for a document",
				x.spec.Name, maxEntries)
		}
		tuples = extend(tuples, values)
	}
	if x.spec.Sparse && !present {
		return nil, nil
	}
	return tuples, nil
}

func columnValues(doc bson.D, path string) bson.A {
	value, _ := bsonkit.All(&doc, path, true, true)
	array, isArray := value.(bson.A)
	if !isArray || len(array) == 0 {
		return bson.A{value}
	}
	return array
}

func extend(tuples [][]any, values bson.A) [][]any {
	extended := make([][]any, 0, len(tuples)*len(values))
	for _, tuple := range tuples {
		for _, value := range values {
			extended = append(extended, append(tuple[:len(tuple):len(tuple)], value))
		}
	}
	return extended
}

// conflict is a DuplicateKey error if another record than self has one of the keys.
func (x *index) conflict(ns Namespace, keys [][]any, self *record) error {
	if !x.spec.Unique {
		return nil
	}
	for _, tuple := range keys {
		taken := false
		x.tree.Ascend(entry{keys: tuple}, func(e entry) bool {
			if !equalKeys(e.keys, tuple) {
				return false
			}
			taken = taken || self == nil || e.record.seq != self.seq
			return !taken
		})
		if taken {
			return duplicate(ns, x.spec, tuple)
		}
	}
	return nil
}

func duplicate(ns Namespace, spec IndexSpec, tuple []any) error {
	value := make(bson.D, len(spec.Key))
	text := ""
	for i, e := range spec.Key {
		key := tuple[i]
		if key == any(bsonkit.Missing) {
			key = nil
		}
		value[i] = bson.E{Key: e.Key, Value: key}
		text += fmt.Sprintf(" %s: %#v", e.Key, key)
	}
	err := fault.New(fault.DuplicateKey, "E11000 duplicate key error collection: %s index: %s dup key: {%s }",
		ns, spec.Name, text)
	err.Details = bson.D{{Key: "keyPattern", Value: spec.Key}, {Key: "keyValue", Value: value}}
	return err
}

func equalKeys(a, b []any) bool {
	for i := range b {
		if bsonkit.Compare(a[i], b[i]) != 0 {
			return false
		}
	}
	return true
}

func (x *index) add(keys [][]any, r *record) {
	x.multikey = x.multikey || len(keys) > 1
	for _, tuple := range keys {
		x.tree.Set(entry{keys: tuple, record: r})
	}
}

func (x *index) remove(keys [][]any, r *record) {
	for _, tuple := range keys {
		x.tree.Delete(entry{keys: tuple, record: r})
	}
}
