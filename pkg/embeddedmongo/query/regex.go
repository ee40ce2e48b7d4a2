package query

import (
	"regexp"
	"strings"

	"github.com/256dpi/lungo/bsonkit"
	"github.com/256dpi/lungo/mongokit"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"

	"github.com/orkestro/orkestro/pkg/embeddedmongo/fault"
)

// normalizeRegex joins $regex and the $options beside it.
func (f *Filter) normalizeRegex(value any, beside bson.D) (primitive.Regex, error) {
	var regex primitive.Regex
	switch v := value.(type) {
	case string:
		regex.Pattern = v
	case primitive.Regex:
		regex = v
	default:
		return regex, fault.New(fault.BadValue, "$regex has to be a string")
	}
	for _, e := range beside {
		if options, ok := e.Value.(string); ok && e.Key == "$options" {
			regex.Options = options
		}
	}
	return regex, f.addRegex(regex)
}

func (f *Filter) addRegexes(list any) error {
	items, _ := list.(bson.A)
	for _, item := range items {
		if regex, ok := item.(primitive.Regex); ok {
			if err := f.addRegex(regex); err != nil {
				return err
			}
		}
	}
	return nil
}

// addRegex compiles a pattern. Go's syntax is a subset of PCRE: no look-around, no back references.
func (f *Filter) addRegex(regex primitive.Regex) error {
	if strings.Trim(regex.Options, "ims") != "" {
		return fault.New(fault.BadValue, "invalid flag in regex options: %s", regex.Options)
	}
	pattern := regex.Pattern
	if regex.Options != "" {
		pattern = "(?" + regex.Options + ")" + pattern
	}
	compiled, err := regexp.Compile(pattern)
	if err != nil {
		return fault.New(fault.BadValue, "Regular expression is invalid: %s", err)
	}
	f.regexes[regex] = compiled
	return nil
}

func (f *Filter) matchRegex(_ mongokit.Context, doc bsonkit.Doc, _, path string, value any) error {
	regex, ok := value.(primitive.Regex)
	if ok && f.anyText(doc, path, regex) {
		return nil
	}
	return mongokit.ErrNotMatched
}

// anyText tells if the string at path, or one in the array there, matches.
func (f *Filter) anyText(doc bsonkit.Doc, path string, regex primitive.Regex) bool {
	found, _ := bsonkit.All(doc, path, true, true)
	values, isArray := found.(bson.A)
	if !isArray {
		values = bson.A{found}
	}
	for _, value := range values {
		if text, ok := value.(string); ok && f.regexes[regex].MatchString(text) {
			return true
		}
	}
	return false
}

// matchIn is mongokit's $in, whose list may also hold regular expressions.
func (f *Filter) matchIn(ctx mongokit.Context, doc bsonkit.Doc, name, path string, value any) error {
	list, _ := value.(bson.A)
	for _, item := range list {
		if regex, ok := item.(primitive.Regex); ok && f.anyText(doc, path, regex) {
			return nil
		}
	}
	return mongokit.ExpressionQueryOperators["$in"](ctx, doc, name, path, value)
}

func (f *Filter) matchNotIn(ctx mongokit.Context, doc bsonkit.Doc, name, path string, value any) error {
	switch err := f.matchIn(ctx, doc, name, path, value); err {
	case nil:
		return mongokit.ErrNotMatched
	case mongokit.ErrNotMatched: //nolint:errorlint // mongokit returns and compares it bare
		return nil
	default:
		return err
	}
}
