package control

import (
	"encoding/json"

	"github.com/orkestro/orkestro/pkg/jsonrpc"
)

// reference names an object: its id, or the copy of a client's object with the id in it, as the JavaScript client sends
// one that went through await.
type reference string

// UnmarshalJSON accepts both.
func (r *reference) UnmarshalJSON(data []byte) error {
	var id string
	if err := json.Unmarshal(data, &id); err == nil {
		*r = reference(id)
		return nil
	}
	var object struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(data, &object); err != nil {
		return err
	}
	*r = reference(object.ID)
	return nil
}

// request holds the parameters of every method; each uses those that are its own.
type request struct {
	SessionID         string    `json:"sessionId"`
	Object            reference `json:"object"`
	Type              string    `json:"type"`
	Operation         string    `json:"operation"`
	OperationParams   params    `json:"operationParams"`
	ConstructorParams params    `json:"constructorParams"`
	Subscription      string    `json:"subscription"`
	Operations        []step    `json:"operations"`
	Release           bool      `json:"release"`
}

func decodeRequest(raw json.RawMessage) (request, error) {
	var r request
	if len(raw) == 0 {
		return r, nil
	}
	if err := json.Unmarshal(raw, &r); err != nil {
		return r, coded(jsonrpc.CodeInvalidParams, "the parameters of the request: "+err.Error())
	}
	return r, nil
}

// params are the named parameters of an operation or constructor. What is null counts as missing.
type params map[string]json.RawMessage

// get decodes the parameter name into target and reports whether it is there.
func (p params) get(name string, target any) (bool, error) {
	raw, found := p[name]
	if !found || string(raw) == "null" {
		return false, nil
	}
	if err := json.Unmarshal(raw, target); err != nil {
		return false, errorf(codeMarshall, "parameter '%s': %v", name, err)
	}
	return true, nil
}

// required is the parameter name, an error if it is missing.
func required[T any](p params, name string) (T, error) {
	var value T
	found, err := p.get(name, &value)
	if err == nil && !found {
		err = errorf(codeMarshall, "parameter '%s' is required", name)
	}
	return value, err
}

// optional is the parameter name, or otherwise when it is missing.
func optional[T any](p params, name string, otherwise T) (T, error) {
	value := otherwise
	if _, err := p.get(name, &value); err != nil {
		return otherwise, err
	}
	return value, nil
}

// decode reads all parameters into a struct of package mediaapi.
func decode[T any](p params) (T, error) {
	var value T
	raw, err := json.Marshal(p)
	if err == nil {
		err = json.Unmarshal(raw, &value)
	}
	if err != nil {
		return value, errorf(codeMarshall, "parameters: %v", err)
	}
	return value, nil
}
