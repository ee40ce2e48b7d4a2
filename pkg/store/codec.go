package store

import (
	"fmt"
	"reflect"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/bsoncodec"
	"go.mongodb.org/mongo-driver/bson/bsonrw"

	"github.com/orkestro/orkestro/pkg/control"
)

// newRegistry is the driver's registry plus our codecs: an endpoint handle is stored as its id, a duration as text.
// The other half of reading a handle back, giving it its pipeline, is [attach].
func newRegistry() *bsoncodec.Registry {
	registry := bson.NewRegistry()
	endpoint := reflect.TypeFor[control.EndpointRef]()
	registry.RegisterTypeEncoder(endpoint, bsoncodec.ValueEncoderFunc(encodeEndpoint))
	registry.RegisterTypeDecoder(endpoint, bsoncodec.ValueDecoderFunc(decodeEndpoint))
	duration := reflect.TypeFor[time.Duration]()
	registry.RegisterTypeEncoder(duration, bsoncodec.ValueEncoderFunc(encodeDuration))
	registry.RegisterTypeDecoder(duration, bsoncodec.ValueDecoderFunc(decodeDuration))
	return registry
}

func encodeEndpoint(_ bsoncodec.EncodeContext, w bsonrw.ValueWriter, v reflect.Value) error {
	ref, ok := v.Interface().(control.EndpointRef)
	if !ok {
		return fmt.Errorf("store: %s is no endpoint handle", v.Type())
	}
	return w.WriteString(ref.ID)
}

func decodeEndpoint(_ bsoncodec.DecodeContext, r bsonrw.ValueReader, v reflect.Value) error {
	id, err := readString(r)
	if err != nil {
		return err
	}
	v.Set(reflect.ValueOf(control.EndpointRef{ID: id}))
	return nil
}

func encodeDuration(_ bsoncodec.EncodeContext, w bsonrw.ValueWriter, v reflect.Value) error {
	return w.WriteString(time.Duration(v.Int()).String())
}

func decodeDuration(_ bsoncodec.DecodeContext, r bsonrw.ValueReader, v reflect.Value) error {
	text, err := readString(r)
	if err != nil {
		return err
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	v.SetInt(int64(d))
	return nil
}

func readString(r bsonrw.ValueReader) (string, error) {
	if r.Type() != bson.TypeString {
		return "", fmt.Errorf("store: a string was expected, not %s", r.Type())
	}
	return r.ReadString()
}

// attach completes a session that was read: endpoints get the live pipeline they are in, so that they can be used, and
// users that are being taken out are set apart.
func attach(s *control.Session) {
	users := s.Users
	s.Users = make([]control.User, 0, len(users))
	for _, u := range users {
		if u.Leaving != "" {
			s.Leaving = append(s.Leaving, u)
		} else {
			s.Users = append(s.Users, u)
		}
	}
	for i := range s.Connections {
		if pipeline := s.PipelineIn(s.Connections[i].Epoch); pipeline != nil {
			s.Connections[i].Endpoint.Pipeline = *pipeline
		}
	}
}
