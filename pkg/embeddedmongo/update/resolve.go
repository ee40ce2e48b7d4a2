package update

import (
	"slices"
	"strconv"
	"strings"

	"github.com/256dpi/lungo/bsonkit"
	"go.mongodb.org/mongo-driver/bson"

	"github.com/orkestro/orkestro/pkg/embeddedmongo/fault"
	"github.com/orkestro/orkestro/pkg/embeddedmongo/query"
)

// addArrayFilters compiles the filters. Each must have one identifier, used in some path, and no other filter the same.
func (u *Update) addArrayFilters(list bson.A) error {
	for _, item := range list {
		filter, ok := item.(bson.D)
		if !ok {
			return fault.New(fault.TypeMismatch, "arrayFilters holds what is not an object")
		}
		name, err := identifier(filter)
		if err != nil {
			return err
		}
		if _, twice := u.filters[name]; twice {
			return fault.New(fault.FailedToParse, "Found multiple array filters with the same top-level field name %s", name)
		}
		if !u.uses("$[" + name + "]") {
			return fault.New(fault.FailedToParse,
				"The array filter for identifier '%s' was not used in the update %s", name, "document")
		}
		if u.filters[name], err = query.Compile(filter); err != nil {
			return err
		}
	}
	return nil
}

// identifier is the first segment that every path of an array filter begins with.
func identifier(filter bson.D) (string, error) {
	name := ""
	for _, e := range filter {
		found, _, _ := strings.Cut(e.Key, ".")
		if strings.HasPrefix(e.Key, "$") {
			list, _ := e.Value.(bson.A)
			for _, item := range list {
				sub, _ := item.(bson.D)
				var err error
				if found, err = identifier(sub); err != nil {
					return "", err
				}
			}
		}
		if name != "" && found != name {
			return "", fault.New(fault.FailedToParse,
				"Error parsing array filter :: caused by :: Expected a single top-level field name, found '%s' and '%s'",
				name, found)
		}
		name = found
	}
	if name == "" {
		return "", fault.New(fault.FailedToParse, "Cannot use an expression without a top-level field name in arrayFilters")
	}
	return name, nil
}

func (u *Update) uses(segment string) bool {
	for _, operator := range u.operators {
		fields, _ := operator.Value.(bson.D)
		for _, field := range fields {
			if strings.Contains("."+field.Key+".", "."+segment+".") {
				return true
			}
		}
	}
	return false
}

// resolve is the update for one document: positional paths stand for the elements they mean, and the operators that
// mongokit sees differently have become $set.
func (u *Update) resolve(doc bson.D) (bson.D, error) {
	resolved := make(bson.D, 0, len(u.operators))
	var touched []string
	for _, operator := range u.operators {
		fields, _ := operator.Value.(bson.D)
		concrete := make(bson.D, 0, len(fields))
		for _, field := range fields {
			paths, err := u.paths(doc, field.Key)
			if err != nil {
				return nil, err
			}
			touched = append(touched, paths...)
			for _, path := range paths {
				concrete = append(concrete, bson.E{Key: path, Value: field.Value})
			}
		}
		rewritten, err := rewrite(doc, operator.Key, concrete)
		if err != nil {
			return nil, err
		}
		if fields, _ := rewritten.Value.(bson.D); len(fields) > 0 {
			resolved = append(resolved, rewritten)
		}
	}
	return resolved, conflict(touched)
}

// conflict is an error if one of the paths is, or lies below, another.
func conflict(paths []string) error {
	slices.Sort(paths)
	seen := map[string]bool{}
	for _, path := range paths {
		for i, r := range path + "." {
			if r == '.' && seen[path[:i]] {
				return fault.New(fault.ConflictingUpdateOperators,
					"Updating the path '%s' would create a conflict at '%s'", path, path[:i])
			}
		}
		seen[path] = true
	}
	return nil
}

// paths is what a path with $, $[] or $[identifier] means in this document.
func (u *Update) paths(doc bson.D, path string) ([]string, error) {
	head, segment, tail := splitPositional(path)
	if segment == "" {
		return []string{path}, nil
	}
	array, isArray := bsonkit.Get(&doc, head).(bson.A)
	if !isArray {
		return nil, fault.New(fault.BadValue,
			"The path '%s' must exist in the document in order to apply array updates.", head)
	}
	indexes, err := u.indexes(doc, head, segment, array)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, i := range indexes {
		concrete := head + "." + strconv.Itoa(i)
		if tail != "" {
			concrete += "." + tail
		}
		below, err := u.paths(doc, concrete)
		if err != nil {
			return nil, err
		}
		all = append(all, below...)
	}
	return all, nil
}

func splitPositional(path string) (head, segment, tail string) {
	segments := strings.Split(path, ".")
	for i, s := range segments {
		if strings.HasPrefix(s, "$") {
			return strings.Join(segments[:i], "."), s, strings.Join(segments[i+1:], ".")
		}
	}
	return path, "", ""
}

func (u *Update) indexes(doc bson.D, head, segment string, array bson.A) ([]int, error) {
	if segment == "$" {
		i := u.filter.Position(doc, head)
		if i < 0 {
			return nil, fault.New(fault.BadValue,
				"The positional operator did not find the match needed from the query.")
		}
		return []int{i}, nil
	}
	name, ok := strings.CutPrefix(segment, "$[")
	name, closed := strings.CutSuffix(name, "]")
	if !ok || !closed {
		return nil, fault.New(fault.BadValue, "unknown positional operator %s", segment)
	}
	filter := u.filters[name]
	if name != "" && filter == nil {
		return nil, fault.New(fault.BadValue, "No array filter found for identifier '%s' in path '%s'", name, head)
	}
	var indexes []int
	for i, item := range array {
		matched := name == ""
		if !matched {
			var err error
			if matched, err = filter.Match(bson.D{{Key: name, Value: item}}); err != nil {
				return nil, err
			}
		}
		if matched {
			indexes = append(indexes, i)
		}
	}
	return indexes, nil
}
