package update

import (
	"math"

	"github.com/256dpi/lungo/bsonkit"
	"go.mongodb.org/mongo-driver/bson"

	"github.com/orkestro/orkestro/pkg/embeddedmongo/fault"
	"github.com/orkestro/orkestro/pkg/embeddedmongo/query"
)

// rewrite turns $inc, $mul and $pull into the $set that they come to: mongokit wraps 32-bit sums round instead of
// widening them, and knows no $or in the condition of $pull. Other operators stay as they are.
func rewrite(doc bson.D, operator string, fields bson.D) (bson.E, error) {
	var compute func(current, argument any) (any, error)
	switch operator {
	case "$inc":
		compute = func(current, by any) (any, error) { return arithmetic(operator, current, by) }
	case "$mul":
		compute = func(current, by any) (any, error) { return arithmetic(operator, current, by) }
	case "$pull":
		compute = pull
	default:
		return bson.E{Key: operator, Value: fields}, nil
	}
	set := make(bson.D, 0, len(fields))
	for _, field := range fields {
		value, err := compute(bsonkit.Get(&doc, field.Key), field.Value)
		if err != nil {
			return bson.E{}, err
		}
		if value != bsonkit.Missing {
			set = append(set, bson.E{Key: field.Key, Value: value})
		}
	}
	return bson.E{Key: "$set", Value: set}, nil
}

func arithmetic(operator string, current, by any) (any, error) {
	if current == bsonkit.Missing {
		current = int32(0)
	}
	if class(by) != bsonkit.Number {
		return nil, fault.New(fault.TypeMismatch, "Cannot apply %s with non-numeric argument", operator)
	}
	if class(current) != bsonkit.Number {
		return nil, fault.New(fault.TypeMismatch, "Cannot apply %s to a value of non-numeric type", operator)
	}
	a, aWhole := whole(current)
	b, bWhole := whole(by)
	if !aWhole || !bWhole {
		if operator == "$mul" {
			return bsonkit.Mul(current, by), nil
		}
		return bsonkit.Add(current, by), nil
	}
	result, fits := add64(a, b)
	if operator == "$mul" {
		result, fits = mul64(a, b)
	}
	if !fits {
		return nil, fault.New(fault.BadValue, "Failed to apply %s operations: integer overflow", operator)
	}
	_, aNarrow := current.(int32)
	_, bNarrow := by.(int32)
	if aNarrow && bNarrow && result >= math.MinInt32 && result <= math.MaxInt32 {
		return int32(result), nil
	}
	return result, nil
}

func class(value any) bsonkit.Class {
	c, _ := bsonkit.Inspect(value)
	return c
}

func whole(value any) (int64, bool) {
	switch v := value.(type) {
	case int32:
		return int64(v), true
	case int64:
		return v, true
	default:
		return 0, false
	}
}

func add64(a, b int64) (int64, bool) {
	sum := a + b
	return sum, (sum > a) == (b > 0)
}

func mul64(a, b int64) (int64, bool) {
	if a == 0 || b == 0 {
		return 0, true
	}
	product := a * b
	return product, product/b == a && (a != -1 || b != math.MinInt64) && (b != -1 || a != math.MinInt64)
}

// pull is the array without the elements that fulfil the condition.
func pull(current, condition any) (any, error) {
	if current == bsonkit.Missing {
		return current, nil
	}
	array, ok := current.(bson.A)
	if !ok {
		return nil, fault.New(fault.BadValue, "Cannot apply $pull to a non-array value")
	}
	matches, err := pullCondition(condition)
	if err != nil {
		return nil, err
	}
	kept := make(bson.A, 0, len(array))
	for _, item := range array {
		gone, err := matches(item)
		if err != nil {
			return nil, err
		}
		if !gone {
			kept = append(kept, item)
		}
	}
	return kept, nil
}

// pullCondition: operators test an element, other documents query it as a document, anything else equals it.
func pullCondition(condition any) (func(item any) (bool, error), error) {
	wrapped := bson.D{{Key: "$elemMatch", Value: condition}}
	if d, ok := condition.(bson.D); !ok || len(d) == 0 {
		return func(item any) (bool, error) { return bsonkit.Compare(item, condition) == 0, nil }, nil
	}
	filter, err := query.Compile(bson.D{{Key: "items", Value: wrapped}})
	if err != nil {
		return nil, err
	}
	return func(item any) (bool, error) {
		return filter.Match(bson.D{{Key: "items", Value: bson.A{item}}})
	}, nil
}
