package update

import (
	"strconv"

	"github.com/256dpi/lungo/bsonkit"
	"go.mongodb.org/mongo-driver/bson"
)

// Difference is what an update changed, as a change stream's updateDescription has it.
type Difference struct {
	Updated   bson.D // path to new value
	Removed   bson.A // paths
	Truncated bson.A // {field, newSize} of arrays that became shorter
}

// Compare is the difference between two states of a document.
func Compare(before, after bson.D) Difference {
	var d Difference
	d.documents("", before, after)
	return d
}

// Empty tells if both states were the same.
func (d *Difference) Empty() bool { return len(d.Updated)+len(d.Removed)+len(d.Truncated) == 0 }

func (d *Difference) documents(prefix string, before, after bson.D) {
	for _, e := range before {
		if field(after, e.Key) == bsonkit.Missing {
			d.Removed = append(d.Removed, prefix+e.Key)
		}
	}
	for _, e := range after {
		d.values(prefix+e.Key, field(before, e.Key), e.Value)
	}
}

func field(doc bson.D, key string) any {
	for _, e := range doc {
		if e.Key == key {
			return e.Value
		}
	}
	return bsonkit.Missing
}

func (d *Difference) values(path string, before, after any) {
	oldDoc, wasDoc := before.(bson.D)
	newDoc, isDoc := after.(bson.D)
	oldArray, wasArray := before.(bson.A)
	newArray, isArray := after.(bson.A)
	switch {
	case identical(before, after):
	case wasDoc && isDoc && len(newDoc) > 0:
		d.documents(path+".", oldDoc, newDoc)
	case wasArray && isArray && len(newArray) > 0:
		d.arrays(path, oldArray, newArray)
	default:
		d.Updated = append(d.Updated, bson.E{Key: path, Value: after})
	}
}

func (d *Difference) arrays(path string, before, after bson.A) {
	if len(after) < len(before) {
		d.Truncated = append(d.Truncated, bson.D{{Key: "field", Value: path}, {Key: "newSize", Value: int32(len(after))}})
	}
	for i, item := range after {
		var old any = bsonkit.Missing
		if i < len(before) {
			old = before[i]
		}
		d.values(path+"."+strconv.Itoa(i), old, item)
	}
}

// identical is equality of type, value and order of fields: 1 and 1.0 differ.
func identical(a, b any) bool {
	switch x := a.(type) {
	case bson.D:
		y, ok := b.(bson.D)
		if !ok || len(x) != len(y) {
			return false
		}
		for i := range x {
			if x[i].Key != y[i].Key || !identical(x[i].Value, y[i].Value) {
				return false
			}
		}
		return true
	case bson.A:
		y, ok := b.(bson.A)
		if !ok || len(x) != len(y) {
			return false
		}
		for i := range x {
			if !identical(x[i], y[i]) {
				return false
			}
		}
		return true
	default:
		_, aType := bsonkit.Inspect(a)
		_, bType := bsonkit.Inspect(b)
		missing := (a == bsonkit.Missing) != (b == bsonkit.Missing)
		return !missing && aType == bType && bsonkit.Compare(a, b) == 0
	}
}
