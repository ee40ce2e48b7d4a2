package query

import (
	"github.com/256dpi/lungo/bsonkit"
	"github.com/256dpi/lungo/mongokit"
	"go.mongodb.org/mongo-driver/bson"
)

// Distinct is the different values at path, in order; the elements of arrays count each.
func Distinct(docs []bson.D, path string) bson.A {
	list := make(bsonkit.List, len(docs))
	for i := range docs {
		list[i] = &docs[i]
	}
	return mongokit.Distinct(list, path)
}
