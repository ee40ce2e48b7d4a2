package control

import (
	"context"
	"encoding/json"
	"strings"
	"sync"

	"github.com/orkestro/orkestro/services/mediaserver/internal/media"
)

// properties keeps what clients set on objects and this server only gives back, because it governs an encoder, or a
// packet layer, that does not exist here. Safe for concurrent use.
type properties struct {
	mu       sync.Mutex
	byObject map[string]map[string]json.RawMessage // then by name
}

func newProperties() *properties {
	return &properties{byObject: map[string]map[string]json.RawMessage{}}
}

func (s *properties) get(object, name string) (json.RawMessage, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	value, found := s.byObject[object][name]
	return value, found
}

func (s *properties) set(object, name string, value json.RawMessage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byObject[object] == nil {
		s.byObject[object] = map[string]json.RawMessage{}
	}
	s.byObject[object][name] = value
}

// forget drops what was kept for an object.
func (s *properties) forget(object string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byObject, object)
}

// stored are getter and setter of a property that is only kept.
func stored[T any](s *properties, name string, initial T) map[string]operation {
	return property(name,
		func(o media.Object) (any, error) {
			if value, found := s.get(o.ID(), name); found {
				return value, nil
			}
			return initial, nil
		},
		func(o media.Object, value T) error {
			raw, err := json.Marshal(value)
			if err == nil {
				s.set(o.ID(), name, raw)
			}
			return err
		})
}

// property are getter and setter as the protocol names them: getName, setName {name}.
func property[O media.Object, T any](name string, get func(O) (any, error), set func(O, T) error) map[string]operation {
	capital := strings.ToUpper(name[:1]) + name[1:]
	return map[string]operation{
		"get" + capital: on(func(_ context.Context, o O, _ params) (any, error) { return get(o) }),
		"set" + capital: on(func(_ context.Context, o O, p params) (any, error) {
			value, err := required[T](p, name)
			if err != nil {
				return nil, err
			}
			if len(p[name]) > maxTextBytes {
				return nil, errorf(codeIllegalParam, "parameter '%s' has at most %d bytes", name, maxTextBytes)
			}
			return nil, set(o, value)
		}),
	}
}
