package command

import (
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"

	"github.com/orkestro/orkestro/pkg/embeddedmongo/engine"
	"github.com/orkestro/orkestro/pkg/embeddedmongo/fault"
)

// args is a document of arguments. Its methods give zero values for what is not there or null.
type args bson.D

func (a args) value(key string) any {
	for _, e := range a {
		if e.Key == key {
			return e.Value
		}
	}
	return nil
}

func (a args) has(key string) bool {
	for _, e := range a {
		if e.Key == key {
			return true
		}
	}
	return false
}

func (a args) text(key string) (string, error) { return typed[string](a, key) }

func (a args) document(key string) (bson.D, error) { return typed[bson.D](a, key) }

func (a args) list(key string) (bson.A, error) { return typed[bson.A](a, key) }

func typed[T any](a args, key string) (T, error) {
	var zero T
	value := a.value(key)
	if value == nil {
		return zero, nil
	}
	if t, ok := value.(T); ok {
		return t, nil
	}
	return zero, fault.New(fault.TypeMismatch, "BSON field '%s' is the wrong type '%T'", key, value)
}

// truth is a flag, which may also be a number.
func (a args) truth(key string) bool {
	switch v := a.value(key).(type) {
	case bool:
		return v
	case int32:
		return v != 0
	case int64:
		return v != 0
	case float64:
		return v != 0
	default:
		return false
	}
}

func (a args) integer(key string, fallback int) (int, error) {
	switch v := a.value(key).(type) {
	case nil:
		return fallback, nil
	case int32:
		return int(v), nil
	case int64:
		return int(v), nil
	case float64:
		return int(v), nil
	default:
		return 0, fault.New(fault.TypeMismatch, "BSON field '%s' is the wrong type '%T', expected a number", key, v)
	}
}

// documents is a list that holds nothing but documents.
func (a args) documents(key string) ([]bson.D, error) {
	list, err := a.list(key)
	if err != nil {
		return nil, err
	}
	docs := make([]bson.D, len(list))
	for i, item := range list {
		doc, ok := item.(bson.D)
		if !ok {
			return nil, fault.New(fault.TypeMismatch, "BSON field '%s.%d' is the wrong type '%T', expected an object",
				key, i, item)
		}
		docs[i] = doc
	}
	return docs, nil
}

// retry names the command as a retryable write, or is nil when it is none.
func (a args) retry() *engine.Retry {
	number, ok := a.value("txnNumber").(int64)
	session := a.session()
	if !ok || session == "" {
		return nil
	}
	return &engine.Retry{Session: session, Number: number}
}

func (a args) session() string {
	lsid, _ := a.value("lsid").(bson.D)
	return sessionID(lsid)
}

func sessionID(lsid bson.D) string {
	id, _ := args(lsid).value("id").(primitive.Binary)
	return string(id.Data)
}
