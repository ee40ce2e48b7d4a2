package control_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/services/mediaserver/internal/control"
)

func TestObject_DescribeAndRelease(t *testing.T) {
	b := newBench(t, control.Config{})
	p, other := b.dial(t), b.dial(t)
	pipeline := p.create("MediaPipeline", nil)
	endpoint := p.create("kurento.WebRtcEndpoint", object{"mediaPipeline": pipeline})
	if !strings.HasSuffix(pipeline, "_kurento.MediaPipeline") || !strings.HasPrefix(endpoint, pipeline+"/") ||
		!strings.HasSuffix(endpoint, "_kurento.WebRtcEndpoint") {
		t.Errorf("ids %s, %s", pipeline, endpoint)
	}
	described := other.must("describe", object{"object": endpoint})
	if described["type"] != "WebRtcEndpoint" || described["qualifiedType"] != "kurento.WebRtcEndpoint" ||
		fmt.Sprint(described["hierarchy"]) != "[kurento.BaseRtpEndpoint kurento.SdpEndpoint kurento.SessionEndpoint "+
			"kurento.Endpoint kurento.MediaElement kurento.MediaObject]" {
		t.Errorf("described as %v", described)
	}
	subscription := p.must("subscribe", object{"object": endpoint, "type": "IceCandidateFound"})["value"]
	other.must("release", object{"object": pipeline})
	for _, id := range []string{pipeline, endpoint} {
		p.refused(40101, "describe", object{"object": id})
		p.must("release", object{"object": id})
	}
	// Clients unsubscribe after a release, and a refusal ends a Node process.
	p.must("unsubscribe", object{"object": endpoint, "subscription": subscription})
}

func TestObject_Properties(t *testing.T) {
	p := newBench(t, control.Config{}).dial(t)
	pipeline := p.create("MediaPipeline", nil)
	endpoint := p.create("WebRtcEndpoint", object{"mediaPipeline": object{"_events": object{}, "id": pipeline}})
	if got := p.invoke(endpoint, "getName", nil); got != endpoint {
		t.Errorf("first name %v", got)
	}
	for name, value := range map[string]any{
		"name": "camera", "sendTagsInEvents": true, "maxVideoRecvBandwidth": 500.0, "stunServerAddress": "192.0.2.1",
		"iceTcp": false, "encoderBitrate": 1.0, "rembParams": object{"packetsRecvIntervalTop": 5.0},
	} {
		capital := strings.ToUpper(name[:1]) + name[1:]
		p.invoke(endpoint, "set"+capital, object{name: value})
		if got := p.invoke(endpoint, "get"+capital, nil); fmt.Sprint(got) != fmt.Sprint(value) {
			t.Errorf("%s is %v, want %v", name, got, value)
		}
	}
	if got, ok := p.invoke(endpoint, "getStats", nil).(object); !ok || len(got) != 1 || got[endpoint].(object)["type"] != "endpoint" {
		t.Errorf("statistics before any media: %v", got)
	}
	p.invoke(endpoint, "addTag", object{"key": "k", "value": "v"})
	if got := p.invoke(endpoint, "getTag", object{"key": "k"}); got != "v" {
		t.Errorf("tag %v", got)
	}
	if got := fmt.Sprint(p.invoke(endpoint, "getTags", nil)); !strings.Contains(got, "__type__:Tag") {
		t.Errorf("tags %v", got)
	}
	for operation, want := range map[string]any{
		"getParent": pipeline, "getMediaPipeline": pipeline, "isMediaTranscoding": false, "getMediaState": "DISCONNECTED",
		"getConnectionState": "DISCONNECTED", "getICECandidatePairs": []any{},
	} {
		if got := p.invoke(endpoint, operation, nil); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s is %v, want %v", operation, got, want)
		}
	}
	if got := fmt.Sprint(p.invoke(pipeline, "getChildren", nil)); got != "["+endpoint+"]" {
		t.Errorf("children %v", got)
	}
	if got := p.invoke(pipeline, "getParent", nil); got != nil {
		t.Errorf("parent of a pipeline %v", got)
	}
}

// The honest answers: what is not there or cannot be done says so, under the protocol's own code.
func TestObject_Refusals(t *testing.T) {
	p := newBench(t, control.Config{}).dial(t)
	pipeline := p.create("MediaPipeline", nil)
	endpoint := p.create("WebRtcEndpoint", object{"mediaPipeline": pipeline})
	invoke := func(id, operation string, params object) object {
		return object{"object": id, "operation": operation, "operationParams": params}
	}
	for _, c := range []struct {
		code   int
		method string
		params any
	}{
		{-32601, "fly", nil},
		{-32602, "create", []int{1}},
		{40001, "create", object{"type": "WebRtcEndpoint"}},
		{40001, "create", object{"type": "WebRtcEndpoint", "constructorParams": object{"mediaPipeline": endpoint}}},
		{40001, "invoke", invoke(endpoint, "processOffer", nil)},
		{40001, "invoke", invoke(endpoint, "connect", object{"sink": endpoint, "mediaType": "SMELL"})},
		{40101, "create", object{"type": "WebRtcEndpoint", "constructorParams": object{"mediaPipeline": "none"}}},
		{40101, "invoke", invoke("none", "getName", nil)},
		{40101, "subscribe", object{"object": "none", "type": "Error"}},
		{40108, "create", object{"type": "Composite", "constructorParams": object{"mediaPipeline": pipeline}}},
		{40108, "create", object{"type": "kurento.HttpPostEndpoint"}},
		{40100, "create", object{"type": "Teapot"}},
		{40104, "create", object{"type": "MediaElement"}},
		{40104, "create", object{"type": "ServerManager"}},
		{40105, "invoke", invoke(endpoint, "fly", nil)},
		{40106, "subscribe", object{"object": endpoint, "type": "Sunrise"}},
		{40107, "invoke", invoke(manager, "getUsedCpu", object{"interval": 0})},
		{40107, "invoke", invoke(endpoint, "isMediaFlowingIn", object{"mediaType": "DATA"})},
		{40109, "describe", object{"object": "newref:0"}},
		{40110, "invoke", invoke(endpoint, "getTag", object{"key": "none"})},
		{40111, "invoke", invoke(pipeline, "getGstreamerDot", nil)},
		{40111, "invoke", invoke(endpoint, "createDataChannel", nil)},
		{40111, "release", object{"object": manager}},
		{40201, "invoke", invoke(endpoint, "processOffer", object{"offer": "garbage"})},
		{40202, "invoke", invoke(endpoint, "getLocalSessionDescriptor", nil)},
		{40209, "invoke", invoke(endpoint, "processAnswer", object{"answer": "v=0"})},
		{40500, "invoke", invoke(manager, "getKmd", object{"moduleName": "none"})},
	} {
		p.refused(c.code, c.method, c.params)
	}
	_, err := p.call("describe", object{"object": "none"})
	if err == nil || !strings.Contains(err.Error(), "Object 'none' not found") {
		t.Errorf("message %v", err)
	}
}

func TestObject_ConnectElements(t *testing.T) {
	p := newBench(t, control.Config{}).dial(t)
	pipeline := p.create("MediaPipeline", nil)
	source := p.create("WebRtcEndpoint", object{"mediaPipeline": pipeline})
	sink := p.create("WebRtcEndpoint", object{"mediaPipeline": pipeline})
	p.must("subscribe", object{"object": source, "type": "ElementConnected"})
	p.invoke(source, "connect", object{"sink": sink, "mediaType": "VIDEO"})
	if got := fmt.Sprint(p.invoke(sink, "getSourceConnections", nil)); !strings.Contains(got, source) || !strings.Contains(got, "VIDEO") {
		t.Errorf("sources %v", got)
	}
	testkit.Eventually(t, func() error { return p.saw(source, "ElementConnected") })
	p.invoke(source, "disconnect", object{"sink": sink})
	if got := fmt.Sprint(p.invoke(source, "getSinkConnections", object{"mediaType": "VIDEO"})); got != "[]" {
		t.Errorf("sinks after disconnect %v", got)
	}
	elsewhere := p.create("WebRtcEndpoint", object{"mediaPipeline": p.create("MediaPipeline", nil)})
	p.refused(40004, "invoke", object{"object": source, "operation": "connect", "operationParams": object{"sink": elsewhere}})
}

func TestManager_CountsAndLists(t *testing.T) {
	b := newBench(t, control.Config{})
	p := b.dial(t)
	pipeline := p.create("MediaPipeline", nil)
	fleet := p.create("MediaPipeline", object{"session": "s", "epoch": 2})
	if again := p.create("MediaPipeline", object{"session": "s", "epoch": 2}); again != fleet {
		t.Errorf("the same epoch got another pipeline: %s, %s", fleet, again)
	}
	if got := fmt.Sprint(p.invoke(manager, "getPipelines", nil)); !strings.Contains(got, pipeline) || !strings.Contains(got, fleet) {
		t.Errorf("pipelines %v", got)
	}
	if got := fmt.Sprint(p.invoke(manager, "getFleetPipelines", nil)); got != fmt.Sprintf("[map[epoch:2 id:%s session:s]]", fleet) {
		t.Errorf("pipelines of the fleet %v", got)
	}
	if got, _ := p.invoke(manager, "getSessions", nil).([]any); len(got) != 1 {
		t.Errorf("sessions %v", got)
	}
	if got, _ := p.invoke(manager, "getUsedMemory", nil).(float64); got < 1000 {
		t.Errorf("%v KiB used", got)
	}
	if got, ok := p.invoke(manager, "getUsedCpu", object{"interval": 5}).(float64); !ok || got < 0 || got > 100 {
		t.Errorf("%v %% used", got)
	}
}

// A slow call must not hold up the others of its connection.
func TestManager_UsedCPUHoldsNothingUp(t *testing.T) {
	b := newBench(t, control.Config{})
	p := b.dial(t)
	ctx, cancel := context.WithCancel(t.Context())
	slow := make(chan error)
	go func() {
		slow <- p.Call(ctx, "invoke", object{"object": manager, "operation": "getUsedCpu", "operationParams": object{"interval": 60_000}}, nil)
	}()
	p.create("MediaPipeline", nil)
	p.invoke(manager, "getPipelines", nil)
	cancel()
	<-slow
}
