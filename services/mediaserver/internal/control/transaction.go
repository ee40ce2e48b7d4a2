package control

import (
	"bytes"
	"context"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/orkestro/orkestro/pkg/jsonrpc"
)

const (
	// newReference begins what stands for the value of an earlier step.
	newReference = "newref:"
	// maxSteps bounds one transaction; chosen: far above what any client sends.
	maxSteps = 1000
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

// transaction runs its operations in order up to the first that fails. It succeeds even then, and undoes nothing: the
// client reads from the responses how far it came.
func (m *methods) transaction(ctx context.Context, c call) (answer, error) {
	if err := checkSteps(c.Operations); err != nil {
		return answer{}, err
	}
	responses, begun := m.runSteps(ctx, c)
	made := value(responses)
	made.subscriptions = begun
	return made, nil
}

// runSteps gives the responses up to the first failure, and the subscriptions that were made.
func (m *methods) runSteps(ctx context.Context, c call) (responses []stepResponse, begun []*subscription) {
	responses = []stepResponse{}
	for i, step := range c.Operations {
		response, made := m.respondStep(ctx, c.session, i, step, responses)
		responses, begun = append(responses, response), append(begun, made...)
		if response.Error != nil {
			break
		}
	}
	return responses, begun
}

// respondStep runs one step.
func (m *methods) respondStep(
	ctx context.Context, session string, id int, step step, before []stepResponse,
) (response stepResponse, begun []*subscription) {
	response = stepResponse{ID: id, Version: "2.0"}
	done, err := m.runStep(ctx, session, step, before)
	if err != nil {
		response.Error = wireError(m.log, methodTransaction, err)
		return response, nil
	}
	response.Result = done.result(session)
	return response, done.subscriptions
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

func (m *methods) runStep(ctx context.Context, session string, step step, before []stepResponse) (answer, error) {
	run, found := m.steps[step.Method]
	if !found {
		return answer{}, errorf(codeMalformedTransaction, "there is no operation '%s'", step.Method)
	}
	resolved, err := resolve(step.Params, before)
	if err != nil {
		return answer{}, err
	}
	wanted, err := decodeRequest(resolved)
	if err != nil {
		return answer{}, err
	}
	if wanted.SessionID != "" {
		session = wanted.SessionID
	}
	return run(ctx, call{session: session, request: wanted})
}

// resolve puts the values of earlier steps where params refer to them, at any depth.
func resolve(params json.RawMessage, before []stepResponse) (json.RawMessage, error) {
	if !bytes.Contains(params, []byte(newReference)) {
		return params, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(params))
	decoder.UseNumber() // numbers pass unchanged
	var tree any
	if err := decoder.Decode(&tree); err != nil {
		return nil, coded(jsonrpc.CodeInvalidParams, "the parameters of the operation: "+err.Error())
	}
	tree, err := replace(tree, before)
	if err != nil {
		return nil, err
	}
	return json.Marshal(tree)
}

func replace(node any, before []stepResponse) (any, error) {
	var err error
	switch node := node.(type) {
	case string:
		return referred(node, before)
	case []any:
		for i := range node {
			if node[i], err = replace(node[i], before); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for key := range node {
			if node[key], err = replace(node[key], before); err != nil {
				return nil, err
			}
		}
	}
	return node, nil
}

// referred is text, or the value of the step that it refers to.
func referred(text string, before []stepResponse) (any, error) {
	number, found := strings.CutPrefix(text, newReference)
	if !found {
		return text, nil
	}
	step, err := strconv.Atoi(number)
	if err != nil || step < 0 || step >= len(before) {
		return nil, errorf(codeMalformedTransaction, "'%s' refers to no earlier operation", text)
	}
	return before[step].Result["value"], nil
}
