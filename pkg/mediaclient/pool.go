package mediaclient

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/jsonrpc/ws"
	"github.com/orkestro/orkestro/pkg/logging"
)

// PoolConfig are the settings of a [Pool].
type PoolConfig struct {
	CallTimeout time.Duration // bounds each call; 0: 5 s
	// PingInterval and PingTimeout say how soon a server that stopped answering counts as lost: a loss is to be noticed
	// within 2 s. 0: 500 ms and 1 s.
	PingInterval time.Duration
	PingTimeout  time.Duration
	// Trace, which may be nil, begins the span of a call and gives the W3C traceparent that the call carries; end is
	// called with what came of it.
	Trace func(ctx context.Context, operation, url string) (parent string, end func(error))
}

const (
	defaultCallTimeout  = 5 * time.Second
	defaultPingInterval = 500 * time.Millisecond
	defaultPingTimeout  = time.Second
	// dialTimeout bounds one dialling; chosen: a server that is alive answers within a round trip.
	dialTimeout = 2 * time.Second
)

// Pool holds at most one [Client] for each media server, by URL. Safe for concurrent use. Close ends them all.
type Pool struct {
	config PoolConfig
	log    *slog.Logger

	mu      sync.Mutex
	closed  bool
	clients map[string]*entry
	failing map[string]bool // URLs whose last dialling failed
}

// entry is a client or, until ready is closed, the attempt to make one.
type entry struct {
	ready  chan struct{}
	client *Client
	err    error
}

// NewPool makes an empty pool.
func NewPool(config PoolConfig, logger *slog.Logger) *Pool {
	if config.CallTimeout <= 0 {
		config.CallTimeout = defaultCallTimeout
	}
	if config.PingInterval <= 0 {
		config.PingInterval = defaultPingInterval
	}
	if config.PingTimeout <= 0 {
		config.PingTimeout = defaultPingTimeout
	}
	return &Pool{
		config: config, log: logger.With(logging.KeyComponent, "mediaclient"), clients: map[string]*entry{},
		failing: map[string]bool{},
	}
}

// Connect gives the live client of the media server at url, dialling if there is none. Callers who ask at the same
// moment share one attempt. Errors: [control.CodeUnavailable], or ctx's.
func (p *Pool) Connect(ctx context.Context, url string) (*Client, error) {
	e, owner, err := p.entry(url)
	if err != nil {
		return nil, err
	}
	if owner {
		// The attempt is everybody's who waits for it, not only this caller's.
		p.dial(context.WithoutCancel(ctx), url, e)
	}
	select {
	case <-e.ready:
		return e.client, e.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// entry finds the entry of url, or makes one, which the caller then has to complete.
func (p *Pool) entry(url string) (e *entry, owner bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, false, control.Errorf(control.CodeUnavailable, "the pool of media servers is closed")
	}
	if there, found := p.clients[url]; found && there.usable() {
		return there, false, nil
	}
	e = &entry{ready: make(chan struct{})}
	p.clients[url] = e
	return e, true, nil
}

// usable reports whether an entry is still being made or has a live client.
func (e *entry) usable() bool {
	select {
	case <-e.ready:
	default:
		return true
	}
	if e.err != nil {
		return false
	}
	select {
	case <-e.client.Closed():
		return false
	default:
		return true
	}
}

// dial completes an entry.
func (p *Pool) dial(ctx context.Context, url string, e *entry) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, err := ws.Dial(ctx, url, ws.Config{PingInterval: p.config.PingInterval, PingTimeout: p.config.PingTimeout})
	if err == nil {
		e.client, e.err = newClient(ctx, url, conn, p.config)
	} else {
		e.err = translate("connect", err)
	}
	p.mu.Lock()
	closed := p.closed
	if e.err != nil && p.clients[url] == e {
		delete(p.clients, url)
	}
	if p.failing[url] = e.err != nil; e.err == nil {
		delete(p.failing, url)
	}
	p.mu.Unlock()
	close(e.ready)
	if closed && e.client != nil {
		_ = e.client.rpc.Close()
	}
	if e.err == nil {
		p.log.Info("connected to media server", "url", url, logging.KeyInstance, e.client.instance)
	}
}

// Failing reports whether the media server at url could not be reached the last time that was tried.
func (p *Pool) Failing(url string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failing[url]
}

// Forget closes the client of url, if there is one: its server is not part of the fleet any more.
func (p *Pool) Forget(url string) {
	p.mu.Lock()
	e, found := p.clients[url]
	delete(p.clients, url)
	delete(p.failing, url)
	p.mu.Unlock()
	if found {
		e.close()
	}
}

// Close ends all clients and waits for them.
func (p *Pool) Close() {
	p.mu.Lock()
	p.closed = true
	clients := p.clients
	p.clients = map[string]*entry{}
	p.mu.Unlock()
	var closing sync.WaitGroup
	for _, e := range clients {
		closing.Go(e.close)
	}
	closing.Wait()
}

// close waits for a client that is being made, which dialTimeout bounds, and ends it.
func (e *entry) close() {
	<-e.ready
	if e.client != nil {
		_ = e.client.rpc.Close()
	}
}
