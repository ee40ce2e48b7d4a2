// Package query evaluates what a find or an aggregation asks of documents: filters, sort orders, projections and
// expressions. It adds to lungo's mongokit what that lacks (regular expressions, $or inside $elemMatch, projections
// through arrays) and refuses clearly what neither has. The engine and the commands call it; it knows no collections
// and never changes a document that it is given.
package query

import (
	"errors"
	"maps"
	"regexp"
	"strings"

	"github.com/256dpi/lungo/bsonkit"
	"github.com/256dpi/lungo/mongokit"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"

	"github.com/orkestro/orkestro/pkg/embeddedmongo/fault"
)

// Filter is a compiled query document. Safe for concurrent use.
type Filter struct {
	query   bson.D
	context mongokit.Context
	regexes map[primitive.Regex]*regexp.Regexp
}

// Compile checks a query document and prepares it for matching.
func Compile(query bson.D) (*Filter, error) {
	f := &Filter{regexes: map[primitive.Regex]*regexp.Regexp{}}
	normal, err := f.normalize(query)
	if err != nil {
		return nil, err
	}
	f.query = normal
	expressions := maps.Clone(mongokit.ExpressionQueryOperators)
	expressions["$regex"] = f.matchRegex
	expressions["$elemMatch"] = matchElement
	expressions["$in"] = f.matchIn
	expressions["$nin"] = f.matchNotIn
	f.context = mongokit.Context{TopLevel: mongokit.TopLevelQueryOperators, Expression: expressions}
	return f, f.check()
}

// Query is the normal form of what was compiled.
func (f *Filter) Query() bson.D { return f.query }

// Match tells if the document fulfils the query.
func (f *Filter) Match(doc bson.D) (bool, error) {
	err := mongokit.Process(f.context, &doc, f.query, "", true)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, mongokit.ErrNotMatched):
		return false, nil
	default:
		return false, fault.From(err, fault.BadValue)
	}
}

// check runs every condition once, so that a wrong one is an error even where no document comes to it.
func (f *Filter) check() error {
	for _, condition := range f.query {
		err := mongokit.Process(f.context, &bson.D{}, bson.D{condition}, "", true)
		if err != nil && !errors.Is(err, mongokit.ErrNotMatched) {
			return fault.From(err, fault.BadValue)
		}
	}
	return nil
}

// normalize rewrites what mongokit does not know: regular expressions in all their spellings become $regex with a
// value that is in f.regexes, comments go.
func (f *Filter) normalize(query bson.D) (bson.D, error) {
	normal := make(bson.D, 0, len(query))
	for _, e := range query {
		var err error
		switch {
		case e.Key == "$comment":
			continue
		case e.Key == "$and" || e.Key == "$or" || e.Key == "$nor":
			e.Value, err = f.normalizeList(e.Value)
		case e.Key == "$expr" || e.Key == "$where" || e.Key == "$text":
			err = fault.New(fault.NotImplemented, "the embedded store has no %s", e.Key)
		case !strings.HasPrefix(e.Key, "$"):
			e.Value, err = f.normalizeCondition(e.Value)
		}
		if err != nil {
			return nil, err
		}
		normal = append(normal, e)
	}
	return normal, nil
}

func (f *Filter) normalizeList(value any) (any, error) {
	list, ok := value.(bson.A)
	if !ok {
		return value, nil // for mongokit to refuse
	}
	normal := make(bson.A, len(list))
	for i, item := range list {
		query, ok := item.(bson.D)
		if !ok {
			return value, nil
		}
		var err error
		if normal[i], err = f.normalize(query); err != nil {
			return nil, err
		}
	}
	return normal, nil
}

func (f *Filter) normalizeCondition(value any) (any, error) {
	switch v := value.(type) {
	case primitive.Regex:
		return bson.D{{Key: "$regex", Value: v}}, f.addRegex(v)
	case bson.D:
		if IsOperators(v) {
			return f.normalizeOperators(v)
		}
	}
	return value, nil
}

func (f *Filter) normalizeOperators(operators bson.D) (bson.D, error) {
	normal := make(bson.D, 0, len(operators))
	for _, e := range operators {
		var err error
		switch e.Key {
		case "$options":
			continue // part of $regex
		case "$regex":
			e.Value, err = f.normalizeRegex(e.Value, operators)
		case "$not":
			e.Value, err = f.normalizeCondition(e.Value)
		case "$elemMatch":
			if sub, ok := e.Value.(bson.D); ok {
				e.Value, err = f.normalizeElement(sub)
			}
		case "$in", "$nin":
			err = f.addRegexes(e.Value)
		}
		if err != nil {
			return nil, err
		}
		normal = append(normal, e)
	}
	return normal, nil
}

func (f *Filter) normalizeElement(sub bson.D) (bson.D, error) {
	if IsOperators(sub) && !isLogical(sub[0].Key) {
		return f.normalizeOperators(sub)
	}
	return f.normalize(sub)
}

// IsOperators tells if a value that stands beside a field holds operators ({$gt: 1}) rather than being a value itself.
func IsOperators(d bson.D) bool { return len(d) > 0 && strings.HasPrefix(d[0].Key, "$") }

func isLogical(key string) bool { return key == "$and" || key == "$or" || key == "$nor" }

// matchElement is $elemMatch: some element of the array fulfils the whole condition.
func matchElement(ctx mongokit.Context, doc bsonkit.Doc, _, path string, value any) error {
	condition, ok := value.(bson.D)
	if !ok {
		return fault.New(fault.BadValue, "$elemMatch needs an object")
	}
	found, _ := bsonkit.All(doc, path, true, true)
	array, _ := found.(bson.A)
	for _, item := range array {
		err := matchOne(ctx, item, condition)
		if !errors.Is(err, mongokit.ErrNotMatched) {
			return err
		}
	}
	return mongokit.ErrNotMatched
}

// matchOne tells if one array element fulfils a condition, which is operators for a value or a query for a document.
func matchOne(ctx mongokit.Context, item any, condition bson.D) error {
	if IsOperators(condition) && !isLogical(condition[0].Key) {
		return mongokit.Process(ctx, &bson.D{{Key: "item", Value: item}}, condition, "item", false)
	}
	sub, ok := item.(bson.D)
	if !ok {
		return mongokit.ErrNotMatched
	}
	return mongokit.Process(ctx, &sub, condition, "", true)
}
