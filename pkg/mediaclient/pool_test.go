package mediaclient_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/jsonrpc"
	"github.com/orkestro/orkestro/pkg/jsonrpc/ws"
	"github.com/orkestro/orkestro/pkg/mediaapi"
	"github.com/orkestro/orkestro/pkg/mediaclient"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a media server that answers what a test wants.
type fake struct {
	url   string
	dials atomic.Int32
	stop  context.CancelFunc // ends its connections
}

type handlerFunc func(r jsonrpc.Request) jsonrpc.Task

func (f handlerFunc) Accept(r jsonrpc.Request) jsonrpc.Task { return f(r) }

func newFake(t *testing.T, run func(ctx context.Context, r jsonrpc.Request) (any, error)) *fake {
	t.Helper()
	f := &fake{}
	ctx, cancel := context.WithCancel(context.Background())
	f.stop = cancel
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.dials.Add(1)
		conn, err := ws.Accept(w, r, nil, ws.Config{})
		if err != nil {
			return
		}
		_ = jsonrpc.Serve(ctx, conn, handlerFunc(func(r jsonrpc.Request) jsonrpc.Task {
			return jsonrpc.Task{Unordered: true, Run: func(ctx context.Context) (any, error) {
				if r.Method == "connect" { //nolint:usestdlibvars // a method of the protocol, not of HTTP
					return map[string]string{"serverId": "life-1", "sessionId": "s"}, nil
				}
				return run(ctx, r)
			}}
		}))
	}))
	t.Cleanup(func() {
		cancel()
		server.Close()
	})
	f.url = "ws" + strings.TrimPrefix(server.URL, "http") + "/kurento"
	return f
}

func newPool(t *testing.T, config mediaclient.PoolConfig) *mediaclient.Pool {
	t.Helper()
	pool := mediaclient.NewPool(config, slog.New(slog.DiscardHandler))
	t.Cleanup(pool.Close)
	return pool
}

func TestPool_SharesOneConnection(t *testing.T) {
	f := newFake(t, nil)
	pool := newPool(t, mediaclient.PoolConfig{})
	clients := make(chan *mediaclient.Client, 20)
	var asking sync.WaitGroup
	for range cap(clients) {
		asking.Go(func() {
			client, err := pool.Connect(t.Context(), f.url)
			if err != nil {
				t.Error(err)
			}
			clients <- client
		})
	}
	asking.Wait()
	first := <-clients
	for range cap(clients) - 1 {
		if other := <-clients; other != first {
			t.Error("two clients of one server")
		}
	}
	if n := f.dials.Load(); n != 1 || first.Instance() != "life-1" || first.Err() != nil {
		t.Errorf("%d dials, instance %s, %v", n, first.Instance(), first.Err())
	}
}

func TestPool_DialsAgainAfterALoss(t *testing.T) {
	f := newFake(t, nil)
	pool := newPool(t, mediaclient.PoolConfig{})
	first, err := pool.Connect(t.Context(), f.url)
	if err != nil {
		t.Fatal(err)
	}
	pool.Forget(f.url)
	<-first.Closed()
	second, err := pool.Connect(t.Context(), f.url)
	if err != nil || second == first {
		t.Errorf("second connection %p, first %p, %v", second, first, err)
	}
	f.stop()
	<-second.Closed()
	if second.Err() == nil {
		t.Error("no reason for the loss")
	}
}

func TestClient_Refusal(t *testing.T) {
	f := newFake(t, func(context.Context, jsonrpc.Request) (any, error) {
		return nil, &jsonrpc.Error{Code: int(mediaapi.CodeSDPParse), Message: "no SDP"}
	})
	client, err := newPool(t, mediaclient.PoolConfig{}).Connect(t.Context(), f.url)
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.ProcessOffer(t.Context(), "e", mediaapi.ProcessOffer{})
	var refusal *mediaclient.Error
	if !errors.As(err, &refusal) || refusal.Code != mediaapi.CodeSDPParse || mediaclient.IsNotFound(err) {
		t.Errorf("error %v", err)
	}
}

func TestClient_CallsHaveADeadline(t *testing.T) {
	f := newFake(t, func(ctx context.Context, _ jsonrpc.Request) (any, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	})
	client, err := newPool(t, mediaclient.PoolConfig{CallTimeout: 20 * time.Millisecond}).Connect(t.Context(), f.url)
	if err != nil {
		t.Fatal(err)
	}
	err = client.ReleaseObject(t.Context(), "p")
	if control.CodeOf(err) != control.CodeUnavailable || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
}

func TestClient_SendsWhatTheProtocolWants(t *testing.T) {
	got := make(chan jsonrpc.Request, 1)
	f := newFake(t, func(_ context.Context, r jsonrpc.Request) (any, error) {
		got <- r
		return map[string]string{"value": "id"}, nil
	})
	client, err := newPool(t, mediaclient.PoolConfig{}).Connect(t.Context(), f.url)
	if err != nil {
		t.Fatal(err)
	}
	id, err := client.CreatePublishEndpoint(t.Context(), mediaapi.EndpointParams{MediaPipeline: "p", User: "u", Join: "j"})
	if err != nil || id != "id" {
		t.Errorf("created %q, %v", id, err)
	}
	want := `{"type":"orkestro.PublishEndpoint","constructorParams":{"mediaPipeline":"p","user":"u","join":"j"}}`
	if r := <-got; r.Method != "create" || string(r.Params) != want {
		t.Errorf("%s %s", r.Method, r.Params)
	}
	if err := client.AddICECandidates(t.Context(), "e", mediaapi.AddICECandidates{End: true}); err != nil {
		t.Error(err)
	}
	var invoke struct{ Object, Operation string }
	if r := <-got; json.Unmarshal(r.Params, &invoke) != nil || invoke.Object != "e" || invoke.Operation != "addIceCandidates" {
		t.Errorf("%s %s", r.Method, r.Params)
	}
}
