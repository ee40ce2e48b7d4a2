// Package embeddedmongo is a small MongoDB-compatible server inside the process: for development, tests and small
// single-machine use. Fleets use a real MongoDB; services reach either through the official driver, by URL, and mongosh
// can look into both. What it has and where it differs is in docs/adr/0002-embedded-store.md.
//
// The packages below: wire reads and writes messages, command executes commands, engine holds the data, query and
// update are the semantics of documents, fault the errors. This package only listens and connects them.
package embeddedmongo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/orkestro/orkestro/pkg/embeddedmongo/command"
	"github.com/orkestro/orkestro/pkg/embeddedmongo/engine"
	"github.com/orkestro/orkestro/pkg/logging"
)

const (
	defaultListen         = "127.0.0.1:0"
	defaultMaxConnections = 2000
)

// Config are the settings of a server; the zero value is a server in memory on a free port of the loopback.
type Config struct {
	// Listen is the TCP address. There is no authentication: think before leaving the loopback.
	Listen string
	// DataDir keeps the data over restarts, "" keeps it in memory. One server at a time can have it.
	DataDir string
	// MaxConnections are accepted at a time, 0 means 2000; more are closed at once.
	MaxConnections int
	// ExpirePeriod is how often TTL indexes are acted on, 0 means 5 s.
	ExpirePeriod time.Duration
}

// Server is a running server. Safe for concurrent use. It owns a goroutine for each connection; [Server.Close] ends
// them all.
type Server struct {
	listener net.Listener
	engine   *engine.Engine
	handler  *command.Handler
	log      *slog.Logger
	limit    int
	cancel   context.CancelFunc
	done     sync.WaitGroup

	mu     sync.Mutex
	conns  map[net.Conn]struct{}
	lastID int64
	closed bool
}

// Start listens and serves until Close. When it returns, clients can connect.
func Start(cfg Config, logger *slog.Logger) (*Server, error) {
	if cfg.Listen == "" {
		cfg.Listen = defaultListen
	}
	if cfg.MaxConnections == 0 {
		cfg.MaxConnections = defaultMaxConnections
	}
	logger = logger.With(logging.KeyComponent, "embeddedmongo")
	data, err := engine.Open(engine.Config{Dir: cfg.DataDir, ExpirePeriod: cfg.ExpirePeriod}, logger)
	if err != nil {
		return nil, fmt.Errorf("open the embedded store: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", cfg.Listen)
	if err != nil {
		cancel()
		return nil, errors.Join(fmt.Errorf("embedded store: %w", err), data.Close())
	}
	s := &Server{
		listener: listener, engine: data, handler: command.New(data, logger), log: logger, limit: cfg.MaxConnections,
		cancel: cancel, conns: map[net.Conn]struct{}{},
	}
	s.done.Go(func() { s.accept(ctx) })
	return s, nil
}

// Address is where the server listens.
func (s *Server) Address() string { return s.listener.Addr().String() }

// URL is what clients connect with. It asks for a direct connection, so that it also works through a forwarded port.
func (s *Server) URL() string {
	return fmt.Sprintf("mongodb://%s/?replicaSet=%s&directConnection=true", s.Address(), command.SetName)
}

// Close ends all connections and the store, and waits until everything has stopped. Only the first call does anything.
func (s *Server) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	err := s.listener.Close()
	s.closeConnections()
	s.done.Wait()
	s.handler.Close()
	return errors.Join(err, s.engine.Close())
}

func (s *Server) closeConnections() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.conns {
		_ = conn.Close()
	}
}

func (s *Server) accept(ctx context.Context) {
	for {
		conn, err := s.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of file descriptors, most likely: it passes
			s.log.Warn("connection not accepted", logging.KeyError, err)
			select {
			case <-ctx.Done():
				return
			case <-time.After(acceptPause):
				continue
			}
		}
		if id, ok := s.register(conn); ok {
			s.done.Go(func() { s.serve(ctx, conn, id) })
		} else {
			_ = conn.Close()
		}
	}
}

func (s *Server) register(conn net.Conn) (id int64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.conns) >= s.limit {
		return 0, false
	}
	s.conns[conn] = struct{}{}
	s.lastID++
	return s.lastID, true
}

func (s *Server) unregister(conn net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, conn)
}
