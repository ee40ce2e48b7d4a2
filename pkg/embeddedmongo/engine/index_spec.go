package engine

import (
	"bytes"

	"go.mongodb.org/mongo-driver/bson"
)

// Document is the index as listIndexes shows it.
func (s IndexSpec) Document() bson.D {
	doc := bson.D{{Key: "v", Value: int32(2)}, {Key: "key", Value: s.Key}, {Key: "name", Value: s.Name}}
	if s.Unique {
		doc = append(doc, bson.E{Key: "unique", Value: true})
	}
	if s.Sparse {
		doc = append(doc, bson.E{Key: "sparse", Value: true})
	}
	if s.Partial != nil {
		doc = append(doc, bson.E{Key: "partialFilterExpression", Value: s.Partial})
	}
	if s.ExpireSeconds != nil {
		doc = append(doc, bson.E{Key: "expireAfterSeconds", Value: *s.ExpireSeconds})
	}
	return doc
}

func equalDocs(a, b bson.D) bool {
	x, errX := bson.Marshal(a)
	y, errY := bson.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}
