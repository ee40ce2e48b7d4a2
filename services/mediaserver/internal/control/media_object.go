package control

import (
	"context"
	"maps"

	"github.com/orkestro/orkestro/pkg/mediaapi"
	"github.com/orkestro/orkestro/services/mediaserver/internal/media"
)

// Bounds of what clients can have kept with one object: chosen; they use a handful of short tags.
const (
	maxTags      = 1000
	maxTextBytes = 16 << 10 // of a tag, and of a property as it is sent
)

// tag is the protocol's register type Tag.
type tag struct {
	Module string `json:"__module__"`
	Type   string `json:"__type__"`
	Key    string `json:"key"`
	Value  string `json:"value"`
}

func tagsOf(o media.Object) []tag {
	tags := []tag{}
	for _, t := range o.Meta().Tags() {
		tags = append(tags, tag{Module: "kurento", Type: "Tag", Key: t.Key, Value: t.Value})
	}
	return tags
}

// mediaObject is the type MediaObject, that every other inherits.
func mediaObject() trait {
	operations := map[string]operation{
		"getCreationTime":  onObject(func(o media.Object) any { return o.Meta().CreationTime().Unix() }),
		"getParent":        onObject(func(o media.Object) any { return idOf(o.Parent()) }),
		"getMediaPipeline": onObject(func(o media.Object) any { return rootOf(o.ID()) }),
		"getChildren":      onObject(func(o media.Object) any { return idsOf(o.Children()) }),
		"getTags":          onObject(func(o media.Object) any { return tagsOf(o) }),
		"addTag":           addTag,
		"removeTag":        removeTag,
		"getTag":           getTag,
	}
	maps.Copy(operations, property("name",
		func(o media.Object) (any, error) { return o.Meta().Name(), nil },
		func(o media.Object, name string) error { o.Meta().SetName(name); return nil }))
	maps.Copy(operations, property("sendTagsInEvents",
		func(o media.Object) (any, error) { return o.Meta().SendTagsInEvents(), nil },
		func(o media.Object, send bool) error { o.Meta().SetSendTagsInEvents(send); return nil }))
	return trait{operations: operations, events: []string{media.EventError}}
}

// onObject is an operation without parameters that cannot fail.
func onObject(get func(media.Object) any) operation {
	return func(_ context.Context, o media.Object, _ params) (any, error) { return get(o), nil }
}

func addTag(_ context.Context, o media.Object, p params) (any, error) {
	key, err := required[string](p, "key")
	if err != nil {
		return nil, err
	}
	value, err := required[string](p, "value")
	if err != nil {
		return nil, err
	}
	if len(key)+len(value) > maxTextBytes {
		return nil, errorf(codeIllegalParam, "a tag has at most %d bytes", maxTextBytes)
	}
	if _, known := o.Meta().Tag(key); !known && len(o.Meta().Tags()) >= maxTags {
		return nil, errorf(mediaapi.CodeNotEnoughResources, "Object '%s' has %d tags already", o.ID(), maxTags)
	}
	o.Meta().SetTag(key, value)
	return nil, nil
}

func removeTag(_ context.Context, o media.Object, p params) (any, error) {
	key, err := required[string](p, "key")
	if err != nil {
		return nil, err
	}
	if !o.Meta().RemoveTag(key) {
		return nil, errorf(codeTagKeyNotFound, "Object '%s' has no tag '%s'", o.ID(), key)
	}
	return nil, nil
}

func getTag(_ context.Context, o media.Object, p params) (any, error) {
	key, err := required[string](p, "key")
	if err != nil {
		return nil, err
	}
	value, found := o.Meta().Tag(key)
	if !found {
		return nil, errorf(codeTagKeyNotFound, "Object '%s' has no tag '%s'", o.ID(), key)
	}
	return value, nil
}

// idOf is an object's id, nil (null in JSON) for none.
func idOf(o media.Object) *string {
	if o == nil {
		return nil
	}
	id := o.ID()
	return &id
}

func idsOf(objects []media.Object) []string {
	ids := make([]string, 0, len(objects))
	for _, o := range objects {
		ids = append(ids, o.ID())
	}
	return ids
}
