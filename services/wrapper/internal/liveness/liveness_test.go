package liveness_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/jsonrpc"
	"github.com/orkestro/orkestro/pkg/jsonrpc/ws"
	"github.com/orkestro/orkestro/pkg/mediaclient"
	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/pkg/testkit/mongo"
	"github.com/orkestro/orkestro/services/wrapper/internal/fleet"
	"github.com/orkestro/orkestro/services/wrapper/internal/liveness"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func openStore(t *testing.T) *store.Store {
	t.Helper()
	url, database := mongo.URL(t)
	st, err := store.Open(t.Context(), url, database)
	must(t, err)
	t.Cleanup(func() { must(t, st.Close(context.Background())) })
	return st
}

// mediaServer is registered, answers calls, and sends heartbeats, as long as each of that is wanted.
type mediaServer struct {
	instance control.InstanceID
	http     *httptest.Server
	cancel   context.CancelFunc
	silent   atomic.Bool
	done     sync.WaitGroup
}

// Accept implements jsonrpc.Handler.
func (m *mediaServer) Accept(jsonrpc.Request) jsonrpc.Task {
	return jsonrpc.Task{Run: func(context.Context) (any, error) { return map[string]any{"serverId": m.instance}, nil }}
}

func startMediaServer(t *testing.T, st *store.Store, instance control.InstanceID) *mediaServer {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	m := &mediaServer{instance: instance, cancel: cancel}
	m.http = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := ws.Accept(w, r, nil, ws.Config{})
		if err == nil {
			_ = jsonrpc.Serve(ctx, conn, m)
		}
	}))
	must(t, st.MediaServers.Register(t.Context(), control.MediaServer{
		ID: "m", Instance: instance, URL: strings.Replace(m.http.URL, "http", "ws", 1), HeartbeatAt: time.Now(),
	}))
	m.done.Go(func() {
		every(ctx, 100*time.Millisecond, func(now time.Time) {
			if !m.silent.Load() {
				_ = st.MediaServers.Heartbeat(ctx, "m", instance, control.Load{}, now)
			}
		})
	})
	t.Cleanup(m.die)
	return m
}

// every calls f so often until ctx ends.
func every(ctx context.Context, period time.Duration, f func(now time.Time)) {
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			f(now)
		}
	}
}

// die ends the process, as far as others see.
func (m *mediaServer) die() {
	m.cancel()
	m.http.Close()
	m.done.Wait()
}

// network is what is between a Wrapper and the server: whole (nil), or every attempt ends with this error.
type network struct {
	pool     *mediaclient.Pool
	url      atomic.Value
	broken   atomic.Pointer[error]
	slow     atomic.Int64 // how long an attempt takes, in ns
	attempts atomic.Int64
	reached  atomic.Int64
}

func (n *network) Connect(ctx context.Context, url string) (*mediaclient.Client, error) {
	n.url.Store(url)
	n.attempts.Add(1)
	time.Sleep(time.Duration(n.slow.Load()))
	if err := n.broken.Load(); err != nil {
		return nil, *err
	}
	client, err := n.pool.Connect(ctx, url)
	if err == nil {
		n.reached.Add(1)
	}
	return client, err
}

// breakWith cuts the connection that is there, and every attempt from now on.
func (n *network) breakWith(err error) {
	n.broken.Store(&err)
	if url, known := n.url.Load().(string); known {
		n.pool.Forget(url)
	}
}

// wrapper is as much of one as watches over media servers. Losses counts those that it has won.
type wrapper struct {
	network *network
	losses  atomic.Int64
}

func (w *wrapper) Lost(context.Context, control.MediaServerID, control.InstanceID) error {
	w.losses.Add(1)
	return nil
}

// startWrappers starts two of them, which know of each other from the beginning.
func startWrappers(t *testing.T, st *store.Store) (a, b *wrapper) {
	t.Helper()
	for _, id := range []string{"a", "b"} {
		must(t, st.Wrappers.Register(t.Context(), control.Replica{ID: id, HeartbeatAt: time.Now()}))
	}
	return startWrapper(t, st, "a"), startWrapper(t, st, "b")
}

func startWrapper(t *testing.T, st *store.Store, id string) *wrapper {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	pool := mediaclient.NewPool(mediaclient.PoolConfig{}, log)
	servers := fleet.New(pool)
	w := &wrapper{network: &network{pool: pool}}
	ctx, cancel := context.WithCancel(context.Background())
	var loops sync.WaitGroup
	loops.Go(func() {
		every(ctx, time.Second, func(now time.Time) { _ = st.Wrappers.Heartbeat(ctx, id, now) })
	})
	loops.Go(func() { _ = st.MediaServers.Watch(ctx, servers, log) })
	loops.Go(func() { liveness.New(id, servers, w.network, st, w, log).Run(ctx) })
	t.Cleanup(func() {
		cancel()
		loops.Wait()
		pool.Close()
	})
	testkit.Eventually(t, func() error {
		if w.network.reached.Load() == 0 {
			return errors.New("the server is not reached yet")
		}
		return nil
	})
	return w
}

var (
	errRefused = fmt.Errorf("dial: %w", syscall.ECONNREFUSED) // the port is closed
	errTimeout = errors.New("dial: timeout")                  // nobody answers
)

func serverNow(t *testing.T, st *store.Store) control.MediaServer {
	t.Helper()
	server, err := st.MediaServers.Get(t.Context(), "m")
	must(t, err)
	return server
}

// judged waits until a Wrapper has tried to reach the server often enough for the outcome to have had consequences.
func (w *wrapper) judged(t *testing.T) {
	t.Helper()
	before := w.network.attempts.Load()
	testkit.Eventually(t, func() error {
		if n := w.network.attempts.Load() - before; n < 12 { // more than two seconds
			return fmt.Errorf("%d attempts", n)
		}
		return nil
	})
}

func expectLoss(t *testing.T, st *store.Store, wrappers ...*wrapper) {
	t.Helper()
	testkit.Eventually(t, func() error {
		if server := serverNow(t, st); server.Status != control.StatusDown {
			return fmt.Errorf("the server is %s, suspected by %v", server.Status, server.SuspectedBy)
		}
		return nil
	})
	testkit.Eventually(t, func() error {
		var losses int64
		for _, w := range wrappers {
			losses += w.losses.Load()
		}
		if losses != 1 {
			return fmt.Errorf("%d Wrappers see to the loss, want 1", losses)
		}
		return nil
	})
}

func TestMonitor_AProcessThatDiesIsLostAtOnce(t *testing.T) {
	st := openStore(t)
	m := startMediaServer(t, st, "i")
	a, b := startWrappers(t, st)
	began := time.Now()
	m.die()
	expectLoss(t, st, a, b)
	if took := time.Since(began); took > time.Second { // its last heartbeat is not even old by then
		t.Errorf("noticed after %s", took)
	}
}

func TestMonitor_OneWrapperThatIsRefusedDoesNotDecideAlone(t *testing.T) {
	st := openStore(t)
	startMediaServer(t, st, "i")
	a, b := startWrappers(t, st)
	a.network.breakWith(errRefused)
	a.judged(t)
	if server := serverNow(t, st); server.Status != control.StatusUp || len(server.SuspectedBy) != 1 {
		t.Fatalf("the server is %s, suspected by %v", server.Status, server.SuspectedBy)
	}
	a.network.broken.Store(nil)
	testkit.Eventually(t, func() error {
		if by := serverNow(t, st).SuspectedBy; len(by) > 0 {
			return fmt.Errorf("still suspected by %v", by)
		}
		return nil
	})
	b.network.breakWith(errRefused)
	a.network.breakWith(errRefused)
	expectLoss(t, st, a, b)
}

func TestMonitor_SilenceNeedsBothPingAndHeartbeat(t *testing.T) {
	st := openStore(t)
	m := startMediaServer(t, st, "i")
	a, b := startWrappers(t, st)
	for _, w := range []*wrapper{a, b} {
		w.network.breakWith(errTimeout)
	}
	a.judged(t)
	if server := serverNow(t, st); server.Status != control.StatusUp {
		t.Fatal("lost although its heartbeats come")
	}
	for _, w := range []*wrapper{a, b} {
		w.network.broken.Store(nil)
	}
	m.silent.Store(true)
	reached := a.network.attempts.Load()
	testkit.Eventually(t, func() error {
		if silent := time.Since(serverNow(t, st).HeartbeatAt); silent < 4*time.Second {
			return fmt.Errorf("silent for %s", silent)
		}
		return nil
	})
	if server := serverNow(t, st); server.Status != control.StatusUp {
		t.Fatalf("lost although it answers (%d attempts)", a.network.attempts.Load()-reached)
	}
	began := time.Now()
	a.network.breakWith(errTimeout) // one Wrapper that is cut off as well is enough: both signs are there
	expectLoss(t, st, a, b)
	t.Logf("noticed %s after the second sign", time.Since(began).Round(time.Millisecond))
}

// A server whose heartbeats do not reach the store, and that was cut off from one Wrapper for a moment, is well.
func TestMonitor_AConnectionThatEndsIsNoSecondSign(t *testing.T) {
	st := openStore(t)
	m := startMediaServer(t, st, "i")
	a, b := startWrappers(t, st)
	m.silent.Store(true)
	testkit.Eventually(t, func() error {
		if silent := time.Since(serverNow(t, st).HeartbeatAt); silent < 6*time.Second { // also for who has just started
			return fmt.Errorf("silent for %s", silent)
		}
		return nil
	})
	for _, w := range []*wrapper{a, b} {
		w.network.slow.Store(int64(100 * time.Millisecond))
		reached := w.network.reached.Load()
		w.network.pool.Forget(w.network.url.Load().(string)) //nolint:forcetypeassert // it is one
		testkit.Eventually(t, func() error {
			if serverNow(t, st).Status != control.StatusUp {
				t.Fatal("lost although it answers")
			}
			if w.network.reached.Load() == reached {
				return errors.New("not reached again yet")
			}
			return nil
		})
	}
}

func TestMonitor_OneThatSaysGoodbyeIsSeenToAtOnce(t *testing.T) {
	st := openStore(t)
	startMediaServer(t, st, "i")
	a, b := startWrappers(t, st)
	must(t, st.MediaServers.SetStatus(t.Context(), "m", "i", control.StatusDown))
	expectLoss(t, st, a, b)
}

func TestMonitor_OneThatIsReplacedIsSeenToAtOnce(t *testing.T) {
	st := openStore(t)
	startMediaServer(t, st, "i")
	a, b := startWrappers(t, st)
	startMediaServer(t, st, "next")
	testkit.Eventually(t, func() error {
		if losses := a.losses.Load() + b.losses.Load(); losses != 1 || serverNow(t, st).Lost != "i" {
			return fmt.Errorf("%d Wrappers see to the loss, want 1", losses)
		}
		return nil
	})
}
