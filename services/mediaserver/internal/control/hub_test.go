package control_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/orkestro/orkestro/pkg/jsonrpc"
	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/services/mediaserver/internal/control"
)

// The ids of hubs and ports nest, clients tell by them what goes when a pipeline is released, and so do the cascades.
func TestHub_PortsGoWithIt(t *testing.T) {
	b := newBench(t, control.Config{})
	watcher, p := b.dial(t), b.dial(t)
	watcher.must("subscribe", object{"object": manager, "type": "ObjectDestroyed"})
	pipeline := p.create("MediaPipeline", nil)
	hub := p.create("Dispatcher", object{"mediaPipeline": pipeline})
	port := p.create("HubPort", object{"hub": hub})
	other := p.create("HubPort", object{"hub": object{"_events": object{}, "id": hub}})
	if !strings.HasPrefix(hub, pipeline+"/") || !strings.HasPrefix(port, hub+"/") || !strings.HasSuffix(port, "_kurento.HubPort") {
		t.Errorf("ids %s, %s", hub, port)
	}
	if got := p.invoke(port, "getParent", nil); got != hub {
		t.Errorf("parent of the port %v", got)
	}
	if got := p.invoke(port, "getMediaPipeline", nil); got != pipeline {
		t.Errorf("pipeline of the port %v", got)
	}
	if got := fmt.Sprint(p.invoke(hub, "getChildren", nil)); got != fmt.Sprint([]string{port, other}) {
		t.Errorf("children of the hub %v", got)
	}
	p.must("release", object{"object": other})
	p.must("release", object{"object": hub})
	for _, id := range []string{hub, port, other} {
		p.refused(40101, "describe", object{"object": id})
	}
	last := p.create("HubPort", object{"hub": p.create("Mixer", object{"mediaPipeline": pipeline})})
	p.must("release", object{"object": pipeline})
	p.refused(40101, "describe", object{"object": last})
	testkit.Eventually(t, func() error {
		if n := watcher.count(manager, "ObjectDestroyed"); n != 6 {
			return fmt.Errorf("%d objects destroyed", n)
		}
		return nil
	})
}

func TestHub_Operations(t *testing.T) {
	p := newBench(t, control.Config{}).dial(t)
	pipeline := p.create("MediaPipeline", nil)
	invoke := func(id, operation string, params object) object {
		return object{"object": id, "operation": operation, "operationParams": params}
	}
	ports := func(hub string) (string, string) {
		return p.create("HubPort", object{"hub": hub}), p.create("HubPort", object{"hub": hub})
	}
	dispatcher := p.create("Dispatcher", object{"mediaPipeline": pipeline})
	a, b := ports(dispatcher)
	p.invoke(dispatcher, "connect", object{"source": a, "sink": object{"id": b}})

	oneToMany := p.create("DispatcherOneToMany", object{"mediaPipeline": pipeline})
	c, d := ports(oneToMany)
	// The JavaScript client sends such a copy of an object that went through await.
	p.invoke(oneToMany, "setSource", object{"source": object{"_events": object{}, "_eventsCount": 3, "id": c}})
	p.invoke(oneToMany, "removeSource", nil)

	mixer := p.create("Mixer", object{"mediaPipeline": pipeline})
	e, f := ports(mixer)
	p.invoke(mixer, "connect", object{"media": "VIDEO", "source": e, "sink": f})
	p.invoke(mixer, "disconnect", object{"media": "VIDEO", "source": e, "sink": f})
	p.refused(40111, "invoke", invoke(mixer, "connect", object{"media": "AUDIO", "source": e, "sink": f}))
	p.refused(40004, "invoke", invoke(dispatcher, "connect", object{"source": a, "sink": c}))
	p.refused(40004, "invoke", invoke(oneToMany, "setSource", object{"source": a}))
	p.refused(40001, "invoke", invoke(oneToMany, "setSource", object{"source": pipeline}))
	p.refused(40001, "invoke", invoke(oneToMany, "setSource", nil))
	p.refused(40001, "create", object{"type": "HubPort", "constructorParams": object{"hub": pipeline}})
	p.refused(40107, "invoke", invoke(d, "isMediaFlowingIn", object{"mediaType": "DATA"}))
	if got := p.invoke(d, "isMediaFlowingIn", object{"mediaType": "AUDIO"}); got != false {
		t.Errorf("an idle port flows: %v", got)
	}
}

// What getInfo lists can be created, and what can be created is listed.
func TestManager_FactoriesAreReal(t *testing.T) {
	p := newBench(t, control.Config{}).dial(t)
	info, _ := p.invoke(manager, "getInfo", nil).(object)
	byModule := map[string][]string{}
	for _, m := range info["modules"].([]any) {
		module := m.(object)
		for _, name := range module["factories"].([]any) {
			byModule[module["name"].(string)] = append(byModule[module["name"].(string)], name.(string))
			// Anything but "no such type": a constructor says what it misses.
			qualified := "kurento." + name.(string)
			if module["name"] == "orkestro" {
				qualified = "orkestro." + name.(string)
			}
			if _, err := p.call("create", object{"type": qualified}); err != nil && !strings.Contains(err.Error(), "is required") {
				t.Errorf("create %s: %v", qualified, err)
			}
		}
	}
	for module, want := range map[string][]string{
		"core":     {"HubPort", "MediaPipeline", "PassThrough"},
		"elements": {"Dispatcher", "DispatcherOneToMany", "Mixer", "WebRtcEndpoint"},
		"orkestro": {"PublishEndpoint", "SubscribeEndpoint"},
		"filters":  nil,
	} {
		for _, name := range want {
			if !slices.Contains(byModule[module], name) {
				t.Errorf("module %s has the factories %v, want %s too", module, byModule[module], name)
			}
		}
		if want == nil && len(byModule[module]) > 0 {
			t.Errorf("module %s has the factories %v", module, byModule[module])
		}
	}
}

// Requests about a hub and its ports are served in the order in which they come, as those about their pipeline.
func TestHub_PortsAreMadeInOrder(t *testing.T) {
	b := newBench(t, control.Config{})
	p, conn := b.dial(t), b.open(t)
	pipeline := p.create("MediaPipeline", nil)
	for range 50 {
		hub := p.create("Dispatcher", object{"mediaPipeline": pipeline})
		for i, request := range []string{
			`"method":"release","params":{"object":"` + hub + `"}`,
			`"method":"create","params":{"type":"HubPort","constructorParams":{"hub":"` + hub + `"}}`,
		} {
			if err := conn.Write(fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%d,%s}`, i, request)); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			frame, err := conn.Read()
			if err != nil {
				t.Fatal(err)
			}
			m, err := jsonrpc.Decode(frame)
			if err != nil {
				t.Fatal(err)
			}
			if made := string(m.ID) == "1"; made != (m.Error != nil) {
				t.Fatalf("the hub was released first, then a port made: %s", frame)
			}
		}
	}
}
