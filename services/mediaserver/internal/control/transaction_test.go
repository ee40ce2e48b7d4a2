package control_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/orkestro/orkestro/services/mediaserver/internal/control"
)

func step(id int, method string, params object) object {
	return object{"jsonrpc": "2.0", "id": id, "method": method, "params": params}
}

func TestTransaction_RefersToEarlierSteps(t *testing.T) {
	p := newBench(t, control.Config{}).dial(t)
	value, _ := p.must("transaction", object{"operations": []object{
		step(0, "create", object{"type": "MediaPipeline"}),
		step(1, "create", object{"type": "WebRtcEndpoint", "constructorParams": object{"mediaPipeline": "newref:0"}}),
		step(2, "invoke", object{"object": "newref:1", "operation": "connect", "operationParams": object{"sink": "newref:1"}}),
		step(3, "invoke", object{"object": "newref:1", "operation": "getMediaPipeline"}),
	}})["value"].([]any)
	if len(value) != 4 {
		t.Fatalf("responses %v", value)
	}
	result := func(i int) object { return value[i].(object)["result"].(object) }
	if result(0)["value"] != result(3)["value"] || result(0)["sessionId"] == nil {
		t.Errorf("responses %v", value)
	}
	if got := p.invoke(fmt.Sprint(result(1)["value"]), "getSinkConnections", nil).([]any); len(got) != 3 {
		t.Errorf("connections %v", got)
	}
}

func TestTransaction_StopsAtTheFirstFailure(t *testing.T) {
	p := newBench(t, control.Config{}).dial(t)
	value, _ := p.must("transaction", object{"operations": []object{
		step(0, "create", object{"type": "MediaPipeline"}),
		step(1, "create", object{"type": "Composite"}),
		step(2, "create", object{"type": "MediaPipeline"}),
	}})["value"].([]any)
	if len(value) != 2 {
		t.Fatalf("responses %v", value)
	}
	failure, _ := value[1].(object)["error"].(object)
	if failure["code"] != 40108.0 || value[1].(object)["result"] != nil {
		t.Errorf("failure %v", value[1])
	}
}

func TestTransaction_Malformed(t *testing.T) {
	p := newBench(t, control.Config{}).dial(t)
	p.refused(40008, "transaction", object{"operations": []object{step(1, "ping", nil)}})
	for _, bad := range []object{step(0, "transaction", nil), step(0, "describe", object{"object": "newref:0"})} {
		value, _ := p.must("transaction", object{"operations": []object{bad}})["value"].([]any)
		if failure, _ := value[0].(object)["error"].(object); failure["code"] != 40008.0 {
			t.Errorf("%v: %v", bad, value)
		}
	}
}

// A frame is bounded, and so is what a transaction makes of it: a value that is referred to again and again, or asked
// for again and again.
func TestTransaction_ValuesAreBounded(t *testing.T) {
	p := newBench(t, control.Config{}).dial(t)
	pipeline := p.create("MediaPipeline", nil)
	p.invoke(pipeline, "addTag", object{"key": "long", "value": strings.Repeat("x", 10_000)})
	asked := func(id int, references int) object {
		var list []string
		for range references {
			list = append(list, "newref:0")
		}
		return step(id, "invoke", object{
			"object": pipeline, "operation": "getTag", "operationParams": object{"key": "long", "extra": list},
		})
	}
	run := func(steps ...object) (answered int, code any) {
		value, _ := p.must("transaction", object{"operations": steps})["value"].([]any)
		failure, _ := value[len(value)-1].(object)["error"].(object)
		return len(value), failure["code"]
	}
	if n, code := run(asked(0, 0), asked(1, 100)); n != 2 || code != nil {
		t.Errorf("a megabyte: %d answers, %v", n, code)
	}
	if n, code := run(asked(0, 0), asked(1, 1000)); n != 2 || code != 40009.0 {
		t.Errorf("references: %d answers, %v", n, code)
	}
	var many []object
	for i := range 1000 {
		many = append(many, asked(i, 0))
	}
	if n, code := run(many...); n > 500 || code != 40009.0 {
		t.Errorf("answers: %d, %v", n, code)
	}
}
