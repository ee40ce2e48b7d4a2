package query

import (
	"strings"

	"github.com/256dpi/lungo/bsonkit"
	"github.com/256dpi/lungo/mongokit"
	"go.mongodb.org/mongo-driver/bson"
)

// Position is the index that the positional operator $ stands for: of the first element of the array at path that
// fulfils the conditions which the query puts on that array, or -1. Where no element fulfils all of them at once, the
// last condition decides; MongoDB leaves this case open and advises $elemMatch.
func (f *Filter) Position(doc bson.D, path string) int {
	array, _ := bsonkit.Get(&doc, path).(bson.A)
	conditions := arrayConditions(f.query, path)
	if len(conditions) == 0 {
		return -1
	}
	for i, item := range array {
		if f.fulfils(item, conditions) {
			return i
		}
	}
	for i, item := range array {
		if f.fulfils(item, conditions[len(conditions)-1:]) {
			return i
		}
	}
	return -1
}

// elementCondition is what a query asks of one element: of the field below it, or of itself when field is "".
type elementCondition struct {
	field string
	value any
}

func arrayConditions(query bson.D, path string) []elementCondition {
	var found []elementCondition
	for _, e := range query {
		switch {
		case e.Key == "$and":
			list, _ := e.Value.(bson.A)
			for _, item := range list {
				if sub, ok := item.(bson.D); ok {
					found = append(found, arrayConditions(sub, path)...)
				}
			}
		case isNegative(e.Value):
		case e.Key == path:
			found = append(found, elementCondition{value: e.Value})
		case strings.HasPrefix(e.Key, path+"."):
			found = append(found, elementCondition{field: e.Key[len(path)+1:], value: e.Value})
		}
	}
	return found
}

// isNegative: conditions such as $ne hold for the whole array and point to no element.
func isNegative(value any) bool {
	operators, ok := value.(bson.D)
	if !ok {
		return false
	}
	for _, e := range operators {
		if e.Key == "$ne" || e.Key == "$nin" || e.Key == "$not" || e.Key == "$exists" || e.Key == "$size" {
			return true
		}
	}
	return false
}

func (f *Filter) fulfils(item any, conditions []elementCondition) bool {
	for _, c := range conditions {
		path := "item"
		if c.field != "" {
			path += "." + c.field
		}
		query := bson.D{{Key: path, Value: c.value}}
		if operators, ok := c.value.(bson.D); ok && len(operators) == 1 && operators[0].Key == "$elemMatch" && c.field == "" {
			condition, _ := operators[0].Value.(bson.D)
			if matchOne(f.context, item, condition) != nil {
				return false
			}
			continue
		}
		err := mongokit.Process(f.context, &bson.D{{Key: "item", Value: item}}, query, "", true)
		if err != nil {
			return false
		}
	}
	return true
}
