package idempotency_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/pkg/testkit/mongo"
	"github.com/orkestro/orkestro/services/restapi/internal/idempotency"
)

// bench is a keeper over a real store, with a clock of its own.
type bench struct {
	tb     testing.TB
	keeper *idempotency.Keeper
	now    atomic.Int64 // offset
}

func newBench(tb testing.TB) *bench {
	tb.Helper()
	url, database := mongo.URL(tb)
	s, err := store.Open(tb.Context(), url, database)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Close(context.Background()) })
	b := &bench{tb: tb}
	clock := func() time.Time { return time.Now().Add(time.Duration(b.now.Load())) }
	b.keeper = idempotency.New(s.Idempotency, clock, slog.New(slog.DiscardHandler))
	return b
}

// serve answers a call with key k and this body by next.
func (b *bench) serve(body string, next func(http.ResponseWriter, string)) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, "/v1/things", nil)
	b.keeper.Serve(w, r, idempotency.Call{Caller: "key:a", Target: "/v1/things", Key: "k", Body: []byte(body)}, next)
	return w
}

func made(w http.ResponseWriter, id string) {
	w.Header().Set("Location", "/v1/things/"+id)
	w.WriteHeader(http.StatusCreated)
	_, _ = io.WriteString(w, id)
}

func TestKeeper_SameAnswerAgain(t *testing.T) {
	b := newBench(t)
	first := b.serve("{}", made)
	again := b.serve("{}", func(http.ResponseWriter, string) { t.Error("handled twice") })
	if again.Code != http.StatusCreated || again.Body.String() != first.Body.String() ||
		again.Header().Get("Location") != first.Header().Get("Location") {
		t.Fatalf("got %d %s, want %s", again.Code, again.Body, first.Body)
	}
	if other := b.serve("[]", made); other.Code != http.StatusUnprocessableEntity {
		t.Fatalf("another body: got %d", other.Code)
	}
	b.now.Store(int64(25 * time.Hour))
	if late := b.serve("[]", made); late.Code != http.StatusCreated {
		t.Fatalf("after its life: got %d %s", late.Code, late.Body)
	}
}

func TestKeeper_HandledOnceByManyAtOnce(t *testing.T) {
	b := newBench(t)
	var handled atomic.Int32
	release := make(chan struct{})
	var group sync.WaitGroup
	codes := make(chan int, 8)
	for range 8 {
		group.Go(func() {
			codes <- b.serve("{}", func(w http.ResponseWriter, id string) {
				handled.Add(1)
				<-release
				made(w, id)
			}).Code
		})
	}
	for range 7 {
		if code := <-codes; code != http.StatusConflict {
			t.Errorf("while it is handled: got %d", code)
		}
	}
	close(release)
	group.Wait()
	if code := <-codes; code != http.StatusCreated || handled.Load() != 1 {
		t.Fatalf("got %d, handled %d times", code, handled.Load())
	}
}

func TestKeeper_TriesAgainUnderTheSameRequest(t *testing.T) {
	for name, fail := range map[string]func(http.ResponseWriter, string){
		"after a failure": func(w http.ResponseWriter, _ string) { w.WriteHeader(http.StatusServiceUnavailable) },
		"after a panic":   func(http.ResponseWriter, string) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			var requests []string
			func() {
				defer func() { _ = recover() }()
				b.serve("{}", func(w http.ResponseWriter, id string) {
					requests = append(requests, id)
					fail(w, id)
				})
			}()
			last := b.serve("{}", func(w http.ResponseWriter, id string) {
				requests = append(requests, id)
				made(w, id)
			})
			if last.Code != http.StatusCreated || len(requests) != 2 || requests[0] != requests[1] {
				t.Fatalf("got %d, requests %v", last.Code, requests)
			}
		})
	}
}

func TestKeeper_TakesOverFromAReplicaThatDied(t *testing.T) {
	b := newBench(t)
	dead := make(chan struct{})
	var group sync.WaitGroup
	var first string
	started := make(chan struct{})
	group.Go(func() {
		b.serve("{}", func(w http.ResponseWriter, id string) {
			first = id
			close(started)
			<-dead
			made(w, id)
		})
	})
	<-started
	b.now.Store(int64(16 * time.Second))
	second := b.serve("{}", made)
	close(dead)
	group.Wait()
	if second.Code != http.StatusCreated || second.Body.String() != first {
		t.Fatalf("got %d %s, want request %s", second.Code, second.Body, first)
	}
}

func TestCheckKey(t *testing.T) {
	for key, ok := range map[string]bool{
		"k": true, "~!": true, "": false, "a b": false, "é": false, fmt.Sprintf("%0128d", 0): true,
		fmt.Sprintf("%0129d", 0): false,
	} {
		if err := idempotency.CheckKey(key); (err == nil) != ok {
			t.Errorf("%q: got %v", key, err)
		}
	}
}
