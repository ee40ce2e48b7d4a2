package jsonrpc

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// version is what every message says in its member "jsonrpc".
const version = "2.0"

// Message is one message of any kind: a request has Method and ID, a notification Method only, a response ID and one
// of Result and Error.
type Message struct {
	ID     json.RawMessage // nil when there is none; "null" is an id
	Method string
	Params json.RawMessage
	Result json.RawMessage
	Error  *Error
	// TraceParent is the W3C trace context of a request, "" for none. It is no part of JSON-RPC.
	TraceParent string
}

type wireMessage struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id,omitempty"`
	Method  *string         `json:"method,omitempty"`
	Params  json.RawMessage `json:"params,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   *Error          `json:"error,omitempty"`
	Trace   any             `json:"traceparent,omitempty"` // whatever a stranger means by it
}

// Decode reads one frame. What is no message gives an [Error] with [CodeParseError] or [CodeInvalidRequest], and with
// the latter the id, where one could be made out, so that the sender can be told.
func Decode(frame []byte) (Message, error) {
	if !json.Valid(frame) {
		return Message{}, &Error{Code: CodeParseError, Message: "the frame is not valid JSON"}
	}
	var wire wireMessage
	if err := json.Unmarshal(frame, &wire); err != nil {
		return Message{ID: validID(wire.ID)}, invalid("not a message: %v", err)
	}
	m := Message{ID: wire.ID, Params: wire.Params, Result: wire.Result, Error: wire.Error}
	if parent, ok := wire.Trace.(string); ok && len(parent) <= maxTraceParent {
		m.TraceParent = parent
	}
	switch {
	case m.ID != nil && validID(m.ID) == nil:
		return Message{}, invalid("an id is a string, a number or null")
	case wire.Version != version:
		return m, invalid(`the member "jsonrpc" must be "2.0"`)
	case wire.Method != nil && *wire.Method == "":
		return m, invalid("the method has no name")
	case wire.Method == nil && m.ID == nil:
		return m, invalid("neither request nor response")
	case wire.Method == nil && (m.Result == nil) == (m.Error == nil):
		return m, invalid("a response has one of result and error")
	}
	if wire.Method != nil {
		m.Method = *wire.Method
	}
	return m, nil
}

func invalid(format string, args ...any) *Error {
	return &Error{Code: CodeInvalidRequest, Message: fmt.Sprintf(format, args...)}
}

// validID is id if it is of a kind that an id may be, else nil.
func validID(id json.RawMessage) json.RawMessage {
	id = bytes.TrimSpace(id)
	if len(id) == 0 || id[0] == '{' || id[0] == '[' || id[0] == 't' || id[0] == 'f' {
		return nil
	}
	return id
}

// encode writes m; the id of a response to something unreadable is null.
func encode(m Message) ([]byte, error) {
	wire := wireMessage{Version: version, ID: m.ID, Params: m.Params, Result: m.Result, Error: m.Error}
	if m.Method != "" {
		wire.Method = &m.Method
	}
	if m.TraceParent != "" {
		wire.Trace = m.TraceParent
	}
	return json.Marshal(wire)
}

// EncodeNotification writes a notification: a message without id, that is not answered.
func EncodeNotification(method string, params any) ([]byte, error) {
	raw, err := json.Marshal(params)
	if err != nil {
		return nil, fmt.Errorf("jsonrpc: encode the parameters of %s: %w", method, err)
	}
	return encode(Message{Method: method, Params: raw})
}
