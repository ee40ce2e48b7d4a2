package query

import (
	"strings"

	"github.com/256dpi/lungo/bsonkit"
	"go.mongodb.org/mongo-driver/bson"

	"github.com/orkestro/orkestro/pkg/embeddedmongo/fault"
)

// missing is the value of a field that is not there.
var missing any = bsonkit.Missing //nolint:gochecknoglobals // a constant, which Go has only of basic types

// Evaluate is the value of an aggregation expression: "$path", "$$ROOT", {$literal: x}, {$size: array},
// {$ifNull: [...]}, a document or list of expressions, or a plain value. A path to nothing gives a missing value, which
// projections leave out; see [IsMissing]. Other operators are refused.
func Evaluate(doc bson.D, expression any) (any, error) {
	switch e := expression.(type) {
	case string:
		return evaluatePath(doc, e)
	case bson.D:
		if IsOperators(e) {
			return evaluateOperator(doc, e)
		}
		return evaluateDocument(doc, e)
	case bson.A:
		values := make(bson.A, len(e))
		for i, item := range e {
			value, err := Evaluate(doc, item)
			if err != nil {
				return nil, err
			}
			if value != missing {
				values[i] = value
			}
		}
		return values, nil
	default:
		return expression, nil
	}
}

// IsMissing tells if Evaluate found no value.
func IsMissing(value any) bool { return value == missing }

func evaluatePath(doc bson.D, text string) (any, error) {
	switch {
	case text == "$$ROOT" || text == "$$CURRENT":
		return doc, nil
	case strings.HasPrefix(text, "$$"):
		return nil, fault.New(fault.NotImplemented, "the embedded store has no variable %s", text)
	case strings.HasPrefix(text, "$"):
		value, _ := bsonkit.All(&doc, text[1:], true, false)
		return value, nil
	default:
		return text, nil
	}
}

func evaluateDocument(doc, fields bson.D) (any, error) {
	values := make(bson.D, 0, len(fields))
	for _, field := range fields {
		value, err := Evaluate(doc, field.Value)
		if err != nil {
			return nil, err
		}
		if value != missing {
			values = append(values, bson.E{Key: field.Key, Value: value})
		}
	}
	return values, nil
}

func evaluateOperator(doc, operator bson.D) (any, error) {
	name, argument := operator[0].Key, operator[0].Value
	switch name {
	case "$literal":
		return argument, nil
	case "$size":
		value, err := Evaluate(doc, argument)
		array, ok := value.(bson.A)
		if err == nil && !ok {
			err = fault.New(17124, "The argument to $size must be an array")
		}
		return int32(len(array)), err
	case "$ifNull":
		alternatives, _ := argument.(bson.A)
		for _, alternative := range alternatives {
			value, err := Evaluate(doc, alternative)
			if err != nil || (value != nil && value != missing) {
				return value, err
			}
		}
		return nil, nil
	default:
		return nil, fault.New(168, "the embedded store has no expression %s", name)
	}
}
