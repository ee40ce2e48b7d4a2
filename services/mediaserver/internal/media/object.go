package media

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// Class says what an object is, in the words of the Kurento Protocol's "describe".
type Class interface {
	Type() string          // "WebRtcEndpoint"
	QualifiedType() string // "kurento.WebRtcEndpoint"
	Hierarchy() []string   // qualified names of the ancestors, nearest first
}

// Object is anything that a client can name by its id. All methods are safe for concurrent use.
type Object interface {
	Class
	ID() string
	Parent() Object // nil for a pipeline
	Children() []Object
	Meta() *Meta
}

type class struct {
	module, name string
	hierarchy    []string
}

// Type implements Class.
func (c class) Type() string { return c.name }

// QualifiedType implements Class.
func (c class) QualifiedType() string { return c.module + "." + c.name }

// Hierarchy implements Class.
func (c class) Hierarchy() []string { return slices.Clone(c.hierarchy) }

// Tag is a key and value that a client attached to an object.
type Tag struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Meta holds what MediaObject of the Kurento Protocol keeps for its clients. Safe for concurrent use.
type Meta struct {
	created time.Time

	mu         sync.Mutex
	name       string
	tags       map[string]string
	sendInTags bool
	trace      string
	tracedAt   time.Time
}

// NewMeta is the Meta of an object that is created now; its name is its id.
func NewMeta(id string) *Meta {
	return &Meta{created: time.Now(), name: id, tags: map[string]string{}}
}

// CreationTime is when the object was made.
func (m *Meta) CreationTime() time.Time { return m.created }

// traceLife is how long what happens to an object counts as caused by the last request about it. Chosen: longer than a
// client takes to connect.
const traceLife = 30 * time.Second

// SetTrace notes the W3C traceparent of a request about the object; "" changes nothing.
func (m *Meta) SetTrace(parent string) {
	if parent == "" {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.trace, m.tracedAt = parent, time.Now()
}

// Trace is the traceparent of the last request about the object, "" if that was long ago or is not traced.
func (m *Meta) Trace() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.trace == "" || time.Since(m.tracedAt) > traceLife {
		return ""
	}
	return m.trace
}

// Name is the object's name; its id until it is set.
func (m *Meta) Name() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.name
}

// SetName names the object.
func (m *Meta) SetName(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.name = name
}

// SetTag adds a tag or replaces its value.
func (m *Meta) SetTag(key, value string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tags[key] = value
}

// RemoveTag removes a tag and reports whether it was there.
func (m *Meta) RemoveTag(key string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, found := m.tags[key]
	delete(m.tags, key)
	return found
}

// Tag is the value of a tag and whether it is there.
func (m *Meta) Tag(key string) (string, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	value, found := m.tags[key]
	return value, found
}

// Tags are all tags, sorted by key.
func (m *Meta) Tags() []Tag {
	m.mu.Lock()
	defer m.mu.Unlock()
	tags := make([]Tag, 0, len(m.tags))
	for _, key := range slices.Sorted(maps.Keys(m.tags)) {
		tags = append(tags, Tag{Key: key, Value: m.tags[key]})
	}
	return tags
}

// SendTagsInEvents says whether the object's events carry its tags.
func (m *Meta) SendTagsInEvents() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.sendInTags
}

// SetSendTagsInEvents sets [Meta.SendTagsInEvents].
func (m *Meta) SetSendTagsInEvents(send bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sendInTags = send
}
