package control_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/orkestro/orkestro/services/mediaserver/internal/control"
	"github.com/orkestro/orkestro/services/mediaserver/internal/media"
)

// What clients can make the server keep has bounds, and a refusal leaves everything as it was.
func TestBounds(t *testing.T) {
	b := newBenchOf(t, control.Config{}, media.Config{MaxObjects: 3})
	p := b.dial(t)
	pipeline := p.create("MediaPipeline", nil)
	relay := p.create("PassThrough", object{"mediaPipeline": pipeline})
	hub := p.create("Dispatcher", object{"mediaPipeline": pipeline})
	for kind, params := range map[string]object{
		"MediaPipeline": nil, "WebRtcEndpoint": {"mediaPipeline": pipeline}, "HubPort": {"hub": hub},
	} {
		p.refused(40009, "create", object{"type": kind, "constructorParams": params})
	}
	if got := fmt.Sprint(p.invoke(hub, "getChildren", nil)); got != "[]" {
		t.Errorf("children %s", got)
	}
	p.must("release", object{"object": relay})
	p.create("HubPort", object{"hub": hub})
	for i := range 1000 {
		p.invoke(hub, "addTag", object{"key": fmt.Sprint(i), "value": ""})
	}
	p.refused(40009, "invoke", object{
		"object": hub, "operation": "addTag", "operationParams": object{"key": "more", "value": ""},
	})
	p.invoke(hub, "addTag", object{"key": "7", "value": "another"})
	long := strings.Repeat("x", 16<<10)
	for operation, params := range map[string]object{
		"addTag": {"key": "7", "value": long}, "setName": {"name": long},
	} {
		p.refused(40107, "invoke", object{"object": hub, "operation": operation, "operationParams": params})
	}
	if got := p.invoke(hub, "getTag", object{"key": "7"}); got != "another" {
		t.Errorf("tag %v", got)
	}
}

// What the sessions have no room for is not made: nobody would hold it, and so nobody would ever release it.
func TestBounds_NothingWithoutASession(t *testing.T) {
	p := newBench(t, control.Config{}).dial(t)
	made := step(0, "create", object{"type": "MediaPipeline", "sessionId": strings.Repeat("x", 200)})
	value, _ := p.must("transaction", object{"operations": []object{made}})["value"].([]any)
	if failure, _ := value[0].(object)["error"].(object); failure["code"] != 40007.0 {
		t.Errorf("created in a session without room: %v", value)
	}
	if got := fmt.Sprint(p.invoke(manager, "getPipelines", nil)); got != "[]" {
		t.Errorf("pipelines %s", got)
	}
}

// The metrics have a series for each method that there is, not for each name that somebody sends.
func TestBounds_Metrics(t *testing.T) {
	b := newBench(t, control.Config{})
	p := b.dial(t)
	for i := range 20 {
		for _, params := range []any{object{}, []int{1}, object{"operation": fmt.Sprint(i)}} {
			_, _ = p.call(fmt.Sprint("method", i), params)
			_, _ = p.call("invoke", params)
		}
	}
	families, err := b.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if n := len(family.GetMetric()); n > 2 {
			t.Errorf("%d series of %s", n, family.GetName())
		}
	}
}
