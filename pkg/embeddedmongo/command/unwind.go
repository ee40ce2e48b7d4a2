package command

import (
	"strings"

	"github.com/256dpi/lungo/bsonkit"
	"go.mongodb.org/mongo-driver/bson"

	"github.com/orkestro/orkestro/pkg/embeddedmongo/fault"
)

// unwindStage is $unwind: "$path", or {path, preserveNullAndEmptyArrays}.
func unwindStage(value any) (stage, error) {
	path, _ := value.(string)
	keepEmpty := false
	if options, ok := value.(bson.D); ok {
		var err error
		if path, err = args(options).text("path"); err != nil {
			return nil, err
		}
		if args(options).has("includeArrayIndex") {
			return nil, fault.New(fault.NotImplemented, "the embedded store has no includeArrayIndex")
		}
		keepEmpty = args(options).truth("preserveNullAndEmptyArrays")
	}
	path, ok := strings.CutPrefix(path, "$")
	if !ok {
		return nil, fault.New(28818, "path option to $unwind stage should be prefixed with a '$'")
	}
	return func(docs []bson.D) ([]bson.D, error) {
		var all []bson.D
		for _, doc := range docs {
			unwound, err := unwind(doc, path, keepEmpty)
			if err != nil {
				return nil, err
			}
			all = append(all, unwound...)
		}
		return all, nil
	}, nil
}

func unwind(doc bson.D, path string, keepEmpty bool) ([]bson.D, error) {
	value := bsonkit.Get(&doc, path)
	array, isArray := value.(bson.A)
	switch {
	case !isArray && value != nil && value != any(bsonkit.Missing):
		return []bson.D{doc}, nil
	case len(array) == 0 && keepEmpty:
		return []bson.D{doc}, nil
	}
	var all []bson.D
	for _, item := range array {
		one := bsonkit.Clone(&doc)
		if _, err := bsonkit.Put(one, path, item, false); err != nil {
			return nil, fault.From(err, fault.BadValue)
		}
		all = append(all, *one)
	}
	return all, nil
}
