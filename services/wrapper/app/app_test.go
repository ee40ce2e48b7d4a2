package app_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"go.uber.org/goleak"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/broker/memory"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/jsonrpc"
	"github.com/orkestro/orkestro/pkg/jsonrpc/ws"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/pkg/testkit/mongo"
	"github.com/orkestro/orkestro/services/wrapper/app"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// mediaServer answers just enough of the protocol: it makes objects and releases them.
type mediaServer struct {
	http *httptest.Server
	kill context.CancelFunc
	done sync.WaitGroup

	mu    sync.Mutex
	id    control.MediaServerID
	count int
}

func startMediaServer(t *testing.T, st *store.Store, id control.MediaServerID) *mediaServer {
	t.Helper()
	ctx, kill := context.WithCancel(context.Background())
	m := &mediaServer{kill: kill, id: id}
	m.http = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := ws.Accept(w, r, nil, ws.Config{})
		if err == nil {
			_ = jsonrpc.Serve(ctx, conn, m)
		}
	}))
	must(t, st.MediaServers.Register(t.Context(), control.MediaServer{
		ID: id, Instance: control.InstanceID(id), URL: strings.Replace(m.http.URL, "http", "ws", 1),
		HeartbeatAt: time.Now(),
	}))
	m.done.Go(func() { m.heartbeat(ctx, st) })
	t.Cleanup(m.die)
	return m
}

// die ends the process, as far as others see.
func (m *mediaServer) die() {
	m.kill()
	m.http.Close()
	m.done.Wait()
}

func (m *mediaServer) heartbeat(ctx context.Context, st *store.Store) {
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			_ = st.MediaServers.Heartbeat(ctx, m.id, control.InstanceID(m.id), control.Load{}, time.Now())
		}
	}
}

// Accept implements jsonrpc.Handler.
func (m *mediaServer) Accept(r jsonrpc.Request) jsonrpc.Task {
	return jsonrpc.Task{Run: func(context.Context) (any, error) {
		m.mu.Lock()
		defer m.mu.Unlock()
		switch r.Method {
		case "connect": //nolint:usestdlibvars // a method of JSON-RPC, not of HTTP
			return map[string]any{"serverId": m.id}, nil
		case "create":
			m.count++
			return map[string]any{"value": fmt.Sprintf("%s/%d", m.id, m.count)}, nil
		case "invoke":
			return map[string]any{"value": []any{}}, nil
		default:
			return map[string]any{}, nil
		}
	}}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// startWrapper runs a Wrapper until the test ends.
func startWrapper(t *testing.T, id, url, database string, b broker.Broker) (address string) {
	t.Helper()
	var cfg app.Config
	must(t, kong.ApplyDefaults(&cfg))
	cfg.ID, cfg.Listen, cfg.MongoURL, cfg.MongoDatabase = id, "127.0.0.1:0", url, database
	cfg.ReconcilePeriod = time.Hour // what is under test must not need it
	ctx, stop := context.WithCancel(context.Background())
	listening, done := make(chan string, 1), make(chan error, 1)
	go func() {
		deps := app.Deps{Broker: b, Listening: func(address string) { listening <- address }}
		done <- app.Run(ctx, cfg, deps, slog.New(slog.DiscardHandler))
	}()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return <-listening
}

func ready(t *testing.T, address string) {
	t.Helper()
	testkit.Eventually(t, func() error {
		response, err := http.Get("http://" + address + "/readyz")
		if err != nil {
			return err
		}
		defer http.DefaultClient.CloseIdleConnections()
		defer func() { _ = response.Body.Close() }()
		if response.StatusCode != http.StatusOK {
			return errors.New(response.Status)
		}
		return nil
	})
}

func send(t *testing.T, b broker.Broker, queue, id, kind string, body any) {
	t.Helper()
	data, err := json.Marshal(body)
	must(t, err)
	must(t, b.Send(t.Context(), queue, broker.Message{ID: id, Type: kind, Session: "s", Body: data}))
}

// Two Wrappers take requests; a media server dies, and its session goes on elsewhere under the next epoch.
func TestRun_RebuildsTheSessionsOfAMediaServerThatDies(t *testing.T) {
	url, database := mongo.URL(t)
	st, err := store.Open(t.Context(), url, database)
	must(t, err)
	t.Cleanup(func() { must(t, st.Close(context.Background())) })
	b := memory.New(slog.New(slog.DiscardHandler))
	t.Cleanup(func() { _ = b.Close() })
	servers := map[control.MediaServerID]*mediaServer{}
	for _, id := range []control.MediaServerID{"m1", "m2"} {
		servers[id] = startMediaServer(t, st, id)
	}
	for _, id := range []string{"w1", "w2"} {
		ready(t, startWrapper(t, id, url, database, b))
	}

	send(t, b, message.WrapperQueue, "create", message.TypeCreateSession, message.CreateSession{ID: "s"})
	testkit.Eventually(t, func() error {
		_, err := st.Sessions.Get(t.Context(), "s")
		return err
	})
	must(t, b.DeclareQueue(t.Context(), message.UserQueue("s", "a")))
	send(t, b, message.SessionQueue("s").Name, "join", message.TypeJoin, message.Join{
		User: "a", Permissions: control.Permissions{Subscribe: true},
	})
	before := inEpoch(t, st, 1)
	began := time.Now()
	servers[before.Pipeline.Server].die()
	after := inEpoch(t, st, 2)
	t.Logf("rebuilt %s after the media server died", time.Since(began).Round(time.Millisecond))
	if after.Pipeline.Server == before.Pipeline.Server {
		t.Fatal("the session is still on the server that died")
	}
	lost, err := st.MediaServers.Get(t.Context(), before.Pipeline.Server)
	must(t, err)
	if lost.Status != control.StatusDown {
		t.Fatalf("the server that died is %s", lost.Status)
	}
	mailbox, err := b.OpenMailbox(t.Context(), message.UserQueue("s", "a").Name, 64)
	must(t, err)
	defer func() { _ = mailbox.Close() }()
	for _, want := range []string{"joined", "user-joined", "disconnected", "reconnect"} {
		if got := <-mailbox.Deliveries(); got.Type != want {
			t.Fatalf("got %s, want %s", got.Type, want)
		}
	}
}

// inEpoch waits until the session has a subscribe connection under an epoch.
func inEpoch(t *testing.T, st *store.Store, epoch int64) *control.Session {
	t.Helper()
	var sess *control.Session
	testkit.Eventually(t, func() error {
		var err error
		if sess, err = st.Sessions.Get(t.Context(), "s"); err != nil {
			return err
		}
		if sess.Epoch != epoch || len(sess.Connections) != 1 {
			return fmt.Errorf("epoch %d with %d connections, want %d", sess.Epoch, len(sess.Connections), epoch)
		}
		return nil
	})
	return sess
}
