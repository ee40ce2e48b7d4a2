package control_test

import (
	"fmt"
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
}
