package control_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/orkestro/orkestro/pkg/jsonrpc"
	"github.com/orkestro/orkestro/services/mediaserver/internal/control"
	"github.com/orkestro/orkestro/services/mediaserver/internal/media"
	"github.com/orkestro/orkestro/services/mediaserver/internal/rtc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const manager = "manager_ServerManager"

// bench is a control layer over real media.
type bench struct {
	server  *control.Server
	media   *media.Server
	metrics *prometheus.Registry
}

func newBench(tb testing.TB, config control.Config) *bench {
	tb.Helper()
	return newBenchOf(tb, config, media.Config{})
}

func newBenchOf(tb testing.TB, config control.Config, resources media.Config) *bench {
	tb.Helper()
	log := slog.New(slog.DiscardHandler)
	resources.Network = rtc.NetworkConfig{UDPAddress: "127.0.0.1:0", Loopback: true}
	m, err := media.NewServer(resources, log)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = m.Close() })
	config.Instance, config.Version = "life-1", "test"
	metrics := prometheus.NewRegistry()
	s := control.New(config, m, metrics, log)
	m.OnEvent(s.OnEvent)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { s.Run(ctx) })
	tb.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return &bench{server: s, media: m, metrics: metrics}
}

// open is a new connection's client side, served until the test ends or it is closed.
func (b *bench) open(tb testing.TB) jsonrpc.Conn {
	tb.Helper()
	here, there := jsonrpc.Pipe()
	var serving sync.WaitGroup
	serving.Go(func() { b.server.Serve(context.Background(), there) })
	tb.Cleanup(func() {
		_ = here.Close()
		serving.Wait()
	})
	return here
}

type object = map[string]any

type event struct {
	Object string
	Type   string
	Data   object
}

// peer is a client that notes events.
type peer struct {
	*jsonrpc.Client
	tb testing.TB

	mu     sync.Mutex
	events []event
}

func (b *bench) dial(tb testing.TB) *peer {
	tb.Helper()
	p := &peer{tb: tb}
	p.Client = jsonrpc.NewClient(b.open(tb), func(_ string, params json.RawMessage) {
		var notice struct{ Value event }
		_ = json.Unmarshal(params, &notice)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.events = append(p.events, notice.Value)
	})
	tb.Cleanup(func() { _ = p.Close() })
	return p
}

func (p *peer) call(method string, params any) (object, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var result object
	return result, p.Call(ctx, method, params, &result)
}

// must calls and fails the test on an error.
func (p *peer) must(method string, params any) object {
	p.tb.Helper()
	result, err := p.call(method, params)
	if err != nil {
		p.tb.Fatalf("%s %v: %v", method, params, err)
	}
	return result
}

func (p *peer) create(objectType string, params object) string {
	p.tb.Helper()
	id, ok := p.must("create", object{"type": objectType, "constructorParams": params, "properties": object{}})["value"].(string)
	if !ok {
		p.tb.Fatalf("create %s gave no id", objectType)
	}
	return id
}

func (p *peer) invoke(id, operation string, params object) any {
	p.tb.Helper()
	return p.must("invoke", object{"object": id, "operation": operation, "operationParams": params})["value"]
}

// refused checks that a call fails with a code.
func (p *peer) refused(code int, method string, params any) {
	p.tb.Helper()
	result, err := p.call(method, params)
	var coded *jsonrpc.Error
	if !errors.As(err, &coded) || coded.Code != code {
		p.tb.Errorf("%s %v: %v, %v, want code %d", method, params, result, err, code)
	}
}

// saw reports how often an event of an object came.
func (p *peer) saw(id, eventType string) error {
	if p.count(id, eventType) == 0 {
		return fmt.Errorf("%s of %s did not come", eventType, id)
	}
	return nil
}

func (p *peer) count(id, eventType string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, e := range p.events {
		if e.Object == id && e.Type == eventType {
			n++
		}
	}
	return n
}

func (p *peer) first(id, eventType string) object {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.IndexFunc(p.events, func(e event) bool { return e.Object == id && e.Type == eventType })
	return p.events[i].Data
}
