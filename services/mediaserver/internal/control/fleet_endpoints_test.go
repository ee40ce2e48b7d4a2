package control_test

import (
	"fmt"
	"testing"

	"github.com/orkestro/orkestro/services/mediaserver/internal/control"
)

func TestManager_ListsTheEndpointsOfUsers(t *testing.T) {
	p := newBench(t, control.Config{}).dial(t)
	pipeline := p.create("MediaPipeline", object{"session": "s", "epoch": 2})
	p.create("WebRtcEndpoint", object{"mediaPipeline": pipeline}) // of nobody in the fleet
	endpoint := p.create("orkestro.PublishEndpoint", object{"mediaPipeline": pipeline, "user": "a", "join": "j"})
	want := fmt.Sprintf("[map[id:%s join:j pipeline:%s user:a]]", endpoint, pipeline)
	if got := fmt.Sprint(p.invoke(manager, "getFleetEndpoints", nil)); got != want {
		t.Errorf("got %v, want %s", got, want)
	}
}
