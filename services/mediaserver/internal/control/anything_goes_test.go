package control_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/orkestro/orkestro/pkg/jsonrpc"
	"github.com/orkestro/orkestro/services/mediaserver/internal/control"
)

// wire is one connection of a client that sends what it likes and checks that it is answered: every request once.
type wire struct {
	conn    jsonrpc.Conn
	done    chan struct{}
	pending sync.WaitGroup // requests that are not answered

	mu     sync.Mutex
	asked  map[string]bool // by id: answered
	faults []string
	values []string // strings that were answered: ids of objects, sessions, descriptions
}

func (b *bench) wire(tb testing.TB) *wire {
	tb.Helper()
	w := &wire{conn: b.open(tb), done: make(chan struct{}), asked: map[string]bool{}}
	go w.read()
	return w
}

func (w *wire) read() {
	defer close(w.done)
	for {
		frame, err := w.conn.Read()
		if err != nil {
			return
		}
		w.mu.Lock()
		w.take(frame)
		w.mu.Unlock()
	}
}

func (w *wire) take(frame []byte) {
	var m struct {
		ID      json.RawMessage
		Method  string
		Version string `json:"jsonrpc"`
		Result  map[string]any
		Error   *struct {
			Code int
			Data struct{ Type string }
		}
	}
	if err := json.Unmarshal(frame, &m); err != nil || m.Version != "2.0" {
		w.faults = append(w.faults, fmt.Sprintf("frame %s: %v", frame, err))
		return
	}
	if m.Method != "" {
		if m.ID != nil {
			w.faults = append(w.faults, fmt.Sprintf("a notification with an id: %s", frame))
		}
		return
	}
	answered, known := w.asked[string(m.ID)]
	switch {
	case !known || answered:
		w.faults = append(w.faults, fmt.Sprintf("answered without being asked, or twice: %s", frame))
	case (m.Result == nil) == (m.Error == nil):
		w.faults = append(w.faults, fmt.Sprintf("not one of result and error: %s", frame))
	case m.Error != nil && (m.Error.Code == -32603 || m.Error.Data.Type == ""):
		w.faults = append(w.faults, fmt.Sprintf("an error that was not foreseen: %s", frame))
	}
	if known && !answered {
		w.asked[string(m.ID)] = true
		w.pending.Done()
	}
	if value, ok := m.Result["value"].(string); ok {
		w.values = append(w.values, value)
	}
}

func (w *wire) send(tb interface{ Fatal(...any) }, id int, request object) {
	raw := fmt.Sprint(id)
	request["jsonrpc"], request["id"] = "2.0", id
	frame, err := json.Marshal(request)
	if err != nil {
		tb.Fatal(err)
	}
	w.mu.Lock()
	w.asked[raw] = false
	w.mu.Unlock()
	w.pending.Add(1)
	if err := w.conn.Write(frame); err != nil {
		tb.Fatal(err)
	}
}

func (w *wire) known() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.values)
}

// request makes up a request that is nearly right: methods, types and parameters that there are, of objects that there
// are or were.
func request(r *rapid.T, known []string) object {
	values := append([]string{manager, "gone", ""}, known[max(0, len(known)-12):]...)
	anyID := func() any {
		id := rapid.SampledFrom(values).Draw(r, "id")
		if rapid.IntRange(0, 7).Draw(r, "copy") == 0 {
			return object{"id": id, "_events": object{}}
		}
		return id
	}
	params := object{}
	for _, name := range []string{"sink", "source", "hub", "mediaPipeline", "mediaType", "media", "offer", "answer", "candidate", "key", "value", "name", "channelId"} {
		switch rapid.IntRange(0, 6).Draw(r, name) {
		case 0, 1, 2:
			params[name] = anyID()
		case 3:
			params[name] = rapid.SampledFrom([]any{"AUDIO", "VIDEO", "DATA", 7, nil, true, object{}}).Draw(r, "odd")
		}
	}
	types := []string{
		"MediaPipeline", "WebRtcEndpoint", "RtpEndpoint", "PassThrough", "HubPort", "Dispatcher", "DispatcherOneToMany",
		"Mixer", "kurento.Composite", "RecorderEndpoint", "PlayerEndpoint", "MediaElement", "Teapot",
	}
	operations := []string{
		"connect", "disconnect", "getSinkConnections", "getSourceConnections", "generateOffer", "processOffer",
		"processAnswer", "gatherCandidates", "addIceCandidate", "setSource", "removeSource", "getStats", "getChildren",
		"getParent", "isMediaFlowingIn", "isMediaFlowingOut", "addTag", "getTag", "setName", "createDataChannel",
		"closeDataChannel", "getPipelines", "getInfo", "setMaxVideoSendBandwidth", "release", "fly",
	}
	switch method := rapid.SampledFrom([]string{
		"create", "create", "create", "invoke", "invoke", "invoke", "invoke", "invoke", "subscribe", "unsubscribe", "describe",
		"release", "ping", "connect", "transaction", "ref", "unref", "keepAlive", "fly",
	}).Draw(r, "method"); method {
	case "create":
		return object{"method": method, "params": object{
			"type": rapid.SampledFrom(types).Draw(r, "type"), "constructorParams": params, "properties": object{},
		}}
	case "transaction":
		return object{"method": method, "params": object{"operations": []object{
			{"id": 0, "method": "create", "params": object{"type": "MediaPipeline"}},
			{"id": 1, "method": "create", "params": object{
				"type": rapid.SampledFrom(types).Draw(r, "type"), "constructorParams": object{"mediaPipeline": "newref:0"},
			}},
			{"id": 2, "method": "release", "params": object{"object": anyID()}},
		}}}
	default:
		return object{"method": method, "params": object{
			"object": anyID(), "operation": rapid.SampledFrom(operations).Draw(r, "operation"), "operationParams": params,
			"type": rapid.SampledFrom([]string{"Error", "ElementConnected", "ObjectCreated", "Sunrise"}).Draw(r, "event"),
		}}
	}
}

// Several clients that do whatever comes to their minds, at the same time and with each other's objects: every request
// is answered once, with a result or an error that was foreseen, and when the pipelines are gone so is everything.
func TestServe_AnythingGoes(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		b := newBench(t, control.Config{})
		wires := []*wire{b.wire(t), b.wire(t), b.wire(t)}
		var known []string
		for i := range rapid.IntRange(1, 60).Draw(r, "requests") {
			w := wires[rapid.IntRange(0, len(wires)-1).Draw(r, "client")]
			if i%4 == 0 {
				await(r, wires)
				known = known[:0]
				for _, w := range wires {
					known = append(known, w.known()...)
				}
			}
			w.send(r, i, request(r, known))
		}
		await(r, wires)
		for _, w := range wires {
			if len(w.faults) > 0 {
				r.Fatal(strings.Join(w.faults, "\n"))
			}
		}
		for _, p := range b.media.Pipelines() {
			b.media.Release(p.ID())
		}
		if stats := b.media.Stats(); stats.Pipelines+stats.Endpoints != 0 {
			r.Fatalf("left over: %+v", stats)
		}
		for _, w := range wires {
			_ = w.conn.Close()
			<-w.done
		}
		_ = b.media.Close()
	})
}

// await waits until everything is answered.
func await(r *rapid.T, wires []*wire) {
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		for _, w := range wires {
			w.pending.Wait()
		}
	}()
	select {
	case <-answered:
	case <-time.After(20 * time.Second):
		r.Fatal("some requests are not answered")
	}
}
