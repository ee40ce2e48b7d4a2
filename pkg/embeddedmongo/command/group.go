package command

import (
	"strings"

	"github.com/256dpi/lungo/bsonkit"
	"go.mongodb.org/mongo-driver/bson"

	"github.com/orkestro/orkestro/pkg/embeddedmongo/fault"
	"github.com/orkestro/orkestro/pkg/embeddedmongo/query"
)

// accumulator is one computed field of $group.
type accumulator struct {
	field, operator string
	expression      any
}

func groupStage(a args) (stage, error) {
	spec, err := a.document("$group")
	if err != nil {
		return nil, err
	}
	if !args(spec).has("_id") {
		return nil, fault.New(15955, "a group specification must include an _id")
	}
	var accumulators []accumulator
	for _, e := range spec {
		if e.Key == "_id" {
			continue
		}
		operator, ok := e.Value.(bson.D)
		if !ok || len(operator) != 1 {
			return nil, fault.New(40234, "The field '%s' must be an accumulator object", e.Key)
		}
		if !strings.Contains(" $sum $avg $first $last $min $max $push $count ", " "+operator[0].Key+" ") {
			return nil, fault.New(15952, "unknown group operator '%s'", operator[0].Key)
		}
		accumulators = append(accumulators, accumulator{e.Key, operator[0].Key, operator[0].Value})
	}
	id := args(spec).value("_id")
	return func(docs []bson.D) ([]bson.D, error) { return group(docs, id, accumulators) }, nil
}

func group(docs []bson.D, id any, accumulators []accumulator) ([]bson.D, error) {
	var ids []any
	members := map[string][]bson.D{}
	keys := []string{}
	for _, doc := range docs {
		value, err := query.Evaluate(doc, id)
		if err != nil {
			return nil, err
		}
		if query.IsMissing(value) {
			value = nil
		}
		raw, err := bson.Marshal(bson.D{{Key: "", Value: value}})
		if err != nil {
			return nil, fault.From(err, fault.BadValue)
		}
		key := string(raw)
		if members[key] == nil {
			ids, keys = append(ids, value), append(keys, key)
		}
		members[key] = append(members[key], doc)
	}
	result := make([]bson.D, len(ids))
	for i, key := range keys {
		result[i] = bson.D{{Key: "_id", Value: ids[i]}}
		for _, a := range accumulators {
			value, err := a.accumulate(members[key])
			if err != nil {
				return nil, err
			}
			result[i] = append(result[i], bson.E{Key: a.field, Value: value})
		}
	}
	return result, nil
}

func (a accumulator) accumulate(docs []bson.D) (any, error) {
	values := make(bson.A, 0, len(docs))
	for _, doc := range docs {
		value, err := query.Evaluate(doc, a.expression)
		if err != nil {
			return nil, err
		}
		values = append(values, value)
	}
	switch a.operator {
	case "$count":
		return int32(len(docs)), nil
	case "$sum":
		return sum(values), nil
	case "$avg":
		return average(values), nil
	case "$first":
		return orNull(values[0]), nil
	case "$last":
		return orNull(values[len(values)-1]), nil
	case "$push":
		return present(values), nil
	case "$min":
		return extreme(values, -1), nil
	default:
		return extreme(values, 1), nil
	}
}

func isNumber(value any) bool {
	class, _ := bsonkit.Inspect(value)
	return class == bsonkit.Number
}

// sum adds what is a number, in 64 bits, and is as narrow as the result allows when all were.
func sum(values bson.A) any {
	var total any = int64(0)
	wide := false
	for _, value := range values {
		if isNumber(value) {
			_, narrow := value.(int32)
			wide = wide || !narrow
			total = bsonkit.Add(total, value)
		}
	}
	if n, ok := total.(int64); ok && !wide && n == int64(int32(n)) {
		return int32(n)
	}
	return total
}

func average(values bson.A) any {
	var total any = float64(0)
	n := 0
	for _, value := range values {
		if isNumber(value) {
			total = bsonkit.Add(total, value)
			n++
		}
	}
	if n == 0 {
		return nil
	}
	return bsonkit.Mul(total, 1/float64(n))
}

func present(values bson.A) bson.A {
	kept := bson.A{}
	for _, value := range values {
		if !query.IsMissing(value) {
			kept = append(kept, value)
		}
	}
	return kept
}

// extreme is the least or greatest of the values that are neither missing nor null.
func extreme(values bson.A, sign int) any {
	var best any
	for _, value := range present(values) {
		if value != nil && (best == nil || bsonkit.Compare(value, best)*sign > 0) {
			best = value
		}
	}
	return best
}

func orNull(value any) any {
	if query.IsMissing(value) {
		return nil
	}
	return value
}
