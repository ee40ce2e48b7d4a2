package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/health"
	"github.com/orkestro/orkestro/services/restapi/internal/problem"
)

const (
	// headerTimeout is of the HTTP API contract; the others are chosen.
	headerTimeout  = 10 * time.Second
	idleTimeout    = 2 * time.Minute
	maxHeaderBytes = 64 * 1024
	// unusedGrace is how long a connection without a request still has for one when the replica stops.
	unusedGrace = 500 * time.Millisecond
)

// entrance is the HTTP server of a replica. It is open before the replica is ready, so that probes get their answer,
// and says then that it is not.
type entrance struct {
	address string
	server  *http.Server
	behind  atomic.Pointer[http.Handler] // nil: nothing yet
	unused  *unused
	giveUp  context.CancelFunc // ends the requests in hand
	failed  chan error         // gets the one error that serving ended with
	group   sync.WaitGroup
}

// openEntrance listens and serves until close.
func openEntrance(ctx context.Context, address string, logger *slog.Logger) (*entrance, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("--listen (ORKESTRO_LISTEN): %w", err)
	}
	requests, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	e := &entrance{
		address: listener.Addr().String(), failed: make(chan error, 1), unused: newUnused(), giveUp: giveUp,
	}
	e.server = &http.Server{
		Handler: e, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
		ConnState: e.unused.note, BaseContext: func(net.Listener) context.Context { return requests },
		ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}
	e.group.Go(func() {
		if err := e.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			e.failed <- fmt.Errorf("serve: %w", err)
		}
	})
	return e, nil
}

// ServeHTTP implements http.Handler.
func (e *entrance) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	behind := e.behind.Load()
	switch {
	case behind != nil:
		(*behind).ServeHTTP(w, r)
	case r.URL.Path == "/healthz":
		health.Live().ServeHTTP(w, r)
	default:
		problem.New(control.CodeUnavailable, "this replica is starting").Write(w, r)
	}
}

// lead has h answer from now on.
func (e *entrance) lead(h http.Handler) { e.behind.Store(&h) }

// shutdown takes no more requests and waits for those in hand, which are given up after handTime: then they are refused
// at once.
func (e *entrance) shutdown(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, handTime+goodbyeTimeout)
	defer cancel()
	grace := time.AfterFunc(unusedGrace, e.unused.close)
	defer grace.Stop()
	patience := time.AfterFunc(handTime, e.giveUp)
	defer patience.Stop()
	if err := e.server.Shutdown(ctx); err != nil {
		return fmt.Errorf("finish the requests in hand: %w", err)
	}
	return nil
}

// close ends what shutdown has left.
func (e *entrance) close() error {
	e.giveUp()
	err := e.server.Close()
	e.group.Wait()
	return err
}
