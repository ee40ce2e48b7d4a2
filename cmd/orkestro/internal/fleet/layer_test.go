package fleet

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// healthy serves /readyz until ctx ends, not ready the first few times.
func healthy(ctx context.Context, listening func(string)) error {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	listening(strings.TrimPrefix(server.URL, "http://"))
	<-ctx.Done()
	return nil
}

func TestStartLayer_WaitsUntilAllAreReady(t *testing.T) {
	ctx, failed := context.WithCancelCause(t.Context())
	l, err := startLayer(ctx, failed, member{"a", healthy}, member{"b", healthy})
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range l.addresses {
		if !ready(ctx, address) {
			t.Errorf("%s is not ready", address)
		}
	}
	l.stop()
	if _, err := net.Dial("tcp", l.addresses[0]); err == nil {
		t.Error("a stopped member still listens")
	}
	if ctx.Err() != nil {
		t.Errorf("stopping was taken for a failure: %v", context.Cause(ctx))
	}
}

func TestStartLayer_ReportsWhoEnds(t *testing.T) {
	broken := errors.New("no licence to run")
	for _, result := range []error{broken, nil} {
		ctx, failed := context.WithCancelCause(t.Context())
		l, err := startLayer(ctx, failed, member{"a", healthy}, member{"b", func(context.Context, func(string)) error {
			return result
		}})
		want := result
		if want == nil {
			want = errEnded
		}
		if !errors.Is(err, want) || !strings.HasPrefix(err.Error(), "b: ") {
			t.Errorf("member ended with %v: starting the layer says %v", result, err)
		}
		l.stop()
	}
}

func TestStartLayer_GivesUpInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, failed := context.WithCancelCause(t.Context())
		l, err := startLayer(ctx, failed, member{"a", func(ctx context.Context, _ func(string)) error {
			<-ctx.Done()
			return nil
		}})
		if err == nil || !strings.Contains(err.Error(), "not ready within") {
			t.Errorf("error %v", err)
		}
		l.stop()
	})
}
