package control

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/orkestro/orkestro/pkg/jsonrpc"
	"github.com/orkestro/orkestro/pkg/mediaapi"
)

const (
	// newReference begins what stands for the value of an earlier step.
	newReference = "newref:"
	// maxSteps bounds one transaction; chosen: far above what any client sends.
	maxSteps = 1000
	// maxValueBytes bounds the values of one transaction; chosen: half of what a connection queues.
	maxValueBytes = 4 << 20
)

// step is one operation of a transaction.
type step struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
}

// stepResponse is the response to one step.
type stepResponse struct {
	ID      int            `json:"id"`
	Version string         `json:"jsonrpc"`
	Result  map[string]any `json:"result,omitempty"`
	Error   *jsonrpc.Error `json:"error,omitempty"`
}

// transaction is one while it runs.
type transaction struct {
	methods   *methods
	session   string
	responses []stepResponse
	begun     []*subscription
	room      int // bytes of values that it may still answer or refer to
}

// transaction runs its operations in order up to the first that fails. It succeeds even then, and undoes nothing: the
// client reads from the responses how far it came.
func (m *methods) transaction(ctx context.Context, c call) (answer, error) {
	if err := checkSteps(c.Operations); err != nil {
		return answer{}, err
	}
	t := &transaction{methods: m, session: c.session, responses: []stepResponse{}, room: maxValueBytes}
	for i, step := range c.Operations {
		if !t.respond(ctx, i, step) {
			break
		}
	}
	made := value(t.responses)
	made.subscriptions = t.begun
	return made, nil
}

// respond runs one step and reports whether it succeeded.
func (t *transaction) respond(ctx context.Context, id int, step step) bool {
	response := stepResponse{ID: id, Version: "2.0"}
	done, err := t.run(ctx, step)
	if err == nil {
		err = t.encode(done)
	}
	if err != nil {
		response.Error = wireError(t.methods.log, methodTransaction, err)
	} else {
		response.Result = done.result(t.session)
	}
	t.begun = append(t.begun, done.subscriptions...)
	t.responses = append(t.responses, response)
	return err == nil
}

// encode gives a step's value the form in which it is answered and later steps get it.
func (t *transaction) encode(done answer) error {
	value, found := done.members["value"]
	if !found {
		return nil
	}
	raw, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode a value: %w", err)
	}
	done.members["value"] = json.RawMessage(raw)
	return t.take(len(raw))
}

// take refuses what there is no room for: a step costs a client few bytes, and its value may be a long list.
func (t *transaction) take(size int) error {
	if t.room -= size; t.room < 0 {
		return errorf(mediaapi.CodeNotEnoughResources, "the values of a transaction have at most %d bytes", maxValueBytes)
	}
	return nil
}

func checkSteps(steps []step) error {
	if len(steps) > maxSteps {
		return errorf(codeMalformedTransaction, "a transaction has at most %d operations", maxSteps)
	}
	for i, step := range steps {
		if string(step.ID) != strconv.Itoa(i) {
			return errorf(codeMalformedTransaction, "operation %d must have the id %d", i, i)
		}
	}
	return nil
}

func (t *transaction) run(ctx context.Context, step step) (answer, error) {
	run, found := t.methods.steps[step.Method]
	if !found {
		return answer{}, errorf(codeMalformedTransaction, "there is no operation '%s'", step.Method)
	}
	resolved, err := t.resolve(step.Params)
	if err != nil {
		return answer{}, err
	}
	wanted, err := decodeRequest(resolved)
	if err != nil {
		return answer{}, err
	}
	session := t.session
	if wanted.SessionID != "" {
		session = wanted.SessionID
	}
	return run(ctx, call{session: session, request: wanted})
}

// resolve puts the values of earlier steps where params refer to them, at any depth.
func (t *transaction) resolve(params json.RawMessage) (json.RawMessage, error) {
	if !bytes.Contains(params, []byte(newReference)) {
		return params, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(params))
	decoder.UseNumber() // numbers pass unchanged
	var tree any
	if err := decoder.Decode(&tree); err != nil {
		return nil, coded(jsonrpc.CodeInvalidParams, "the parameters of the operation: "+err.Error())
	}
	tree, err := t.replace(tree)
	if err != nil {
		return nil, err
	}
	return json.Marshal(tree)
}

func (t *transaction) replace(node any) (any, error) {
	var err error
	switch node := node.(type) {
	case string:
		return t.referred(node)
	case []any:
		for i := range node {
			if node[i], err = t.replace(node[i]); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for key := range node {
			if node[key], err = t.replace(node[key]); err != nil {
				return nil, err
			}
		}
	}
	return node, nil
}

// referred is text, or the value of the step that it refers to.
func (t *transaction) referred(text string) (any, error) {
	number, found := strings.CutPrefix(text, newReference)
	if !found {
		return text, nil
	}
	step, err := strconv.Atoi(number)
	if err != nil || step < 0 || step >= len(t.responses) {
		return nil, errorf(codeMalformedTransaction, "'%s' refers to no earlier operation", text)
	}
	value, found := t.responses[step].Result["value"].(json.RawMessage)
	if !found {
		return nil, nil
	}
	return value, t.take(len(value))
}
