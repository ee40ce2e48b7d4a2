package engine

import (
	"fmt"
	"math"
	"strconv"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"

	"github.com/orkestro/orkestro/pkg/embeddedmongo/fault"
)

// idKey is the same text for ids that MongoDB takes for equal: 1 and 1.0 are, "1" is another.
func idKey(id any) (string, error) {
	switch v := id.(type) {
	case string:
		return "s" + v, nil
	case int32:
		return "n" + strconv.FormatInt(int64(v), 10), nil
	case int64:
		return "n" + strconv.FormatInt(v, 10), nil
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1<<63 {
			return "n" + strconv.FormatInt(int64(v), 10), nil
		}
		return "f" + strconv.FormatFloat(v, 'g', -1, 64), nil
	case primitive.ObjectID:
		return "o" + string(v[:]), nil
	case bson.A, primitive.Regex:
		return "", fault.New(fault.InvalidIDField, "The '_id' value cannot be of type %T", id)
	default:
		kind, data, err := bson.MarshalValue(id)
		if err != nil {
			return "", fmt.Errorf("encode an _id: %w", err)
		}
		return string([]byte{'b', byte(kind)}) + string(data), nil
	}
}

// checkTypes refuses values of the types that mongokit cannot compare: deprecated ones, JavaScript, minKey and maxKey.
func checkTypes(value any) error {
	switch v := value.(type) {
	case bson.D:
		for _, e := range v {
			if err := checkTypes(e.Value); err != nil {
				return err
			}
		}
	case bson.A:
		for _, item := range v {
			if err := checkTypes(item); err != nil {
				return err
			}
		}
	case nil, primitive.Null, int32, int64, float64, primitive.Decimal128, string, primitive.Binary,
		primitive.ObjectID, bool, primitive.DateTime, primitive.Timestamp, primitive.Regex:
	default:
		return fault.New(fault.BadValue, "the embedded store has no values of type %T", value)
	}
	return nil
}
