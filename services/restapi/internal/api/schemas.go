package api

import (
	"encoding/json"
	"reflect"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
)

// strictNames has a field whose name differs in case only refused like any other unknown one. The library keeps that
// for all of a process, in which several replicas may start at once.
var strictNames = sync.OnceFunc(func() { huma.ValidateStrictCasing = true }) //nolint:gochecknoglobals // see above

// object is a JSON object of the caller's, kept as it was written. Its nil value means that it was not given.
type object json.RawMessage

// UnmarshalJSON keeps the text.
func (o *object) UnmarshalJSON(data []byte) error { *o = append((*o)[:0], data...); return nil }

// Schema implements huma.SchemaProvider.
func (object) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}
}

// anything is any JSON value of the caller's, kept as it was written.
type anything json.RawMessage

// UnmarshalJSON keeps the text.
func (a *anything) UnmarshalJSON(data []byte) error { *a = append((*a)[:0], data...); return nil }

// Schema implements huma.SchemaProvider.
func (anything) Schema(huma.Registry) *huma.Schema { return &huma.Schema{} }

// passedOn is a user message as it came from its queue.
type passedOn json.RawMessage

// MarshalJSON gives the message itself.
func (p passedOn) MarshalJSON() ([]byte, error) { return p, nil }

// Schema implements huma.SchemaProvider.
func (passedOn) Schema(r huma.Registry) *huma.Schema {
	return r.Schema(reflect.TypeFor[message.UserMessage](), true, "Message")
}

// newSchemas describes the types whose JSON is not what their Go type suggests.
func newSchemas() huma.Registry {
	schemas := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	schemas.RegisterTypeAlias(reflect.TypeFor[control.Metadata](), reflect.TypeFor[object]())
	schemas.RegisterTypeAlias(reflect.TypeFor[message.Time](), reflect.TypeFor[time.Time]())
	schemas.RegisterTypeAlias(reflect.TypeFor[json.RawMessage](), reflect.TypeFor[anything]())
	return schemas
}
