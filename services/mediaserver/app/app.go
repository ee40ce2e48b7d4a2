// Package app wires a media server together: the control protocol over the media, probes and metrics, and in a fleet
// the registration and the publishing of events. It is run by the service's main and by `orkestro dev`.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/orkestro/orkestro/pkg/broker"
	nouns "github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/health"
	"github.com/orkestro/orkestro/pkg/logging"
	"github.com/orkestro/orkestro/services/mediaserver/internal/announce"
	"github.com/orkestro/orkestro/services/mediaserver/internal/control"
	"github.com/orkestro/orkestro/services/mediaserver/internal/media"
)

const (
	readHeaderTimeout = 10 * time.Second
	// probeTimeout is how long a stop waits for requests in flight: control connections are over by then, what remains are
	// probes.
	probeTimeout = time.Second
)

// ErrKilled as the cause of the end of [Run]'s context ends a server as SIGKILL ends its process: all sockets close at
// once, and nobody is told anything. It is for `orkestro dev`, where several services share a process.
var ErrKilled = announce.ErrKilled

// Deps are what a process that runs several services shares among them.
type Deps struct {
	Broker    broker.Broker     // nil: opened by Config
	Listening func(addr string) // told the address of the HTTP server; may be nil
	// Asked has a value each time the server is asked to end (SIGTERM): it ends once it is empty, or at once when it is
	// asked again meanwhile. May be nil.
	Asked <-chan os.Signal
}

// server is one running media server.
type server struct {
	cfg      Config
	log      *slog.Logger
	instance nouns.InstanceID
	media    *media.Server
	control  *control.Server
	metrics  *prometheus.Registry
	fleet    *fleet // nil outside of one

	controlled sync.WaitGroup // connections of the control protocol
	background sync.WaitGroup
}

// Run serves until ctx ends, then stops in the order: told to the fleet, control connections, media, broker; see also
// [ErrKilled]. It returns an error when the server cannot start or its listener fails.
func Run(ctx context.Context, cfg Config, deps Deps, logger *slog.Logger) error {
	if err := cfg.check(deps); err != nil {
		return err
	}
	seen, err := observe(ctx, cfg, logger)
	if err != nil {
		return err
	}
	defer seen.tracer.Close(ctx)
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", cfg.Listen)
	if err != nil {
		return fmt.Errorf("--listen (ORKESTRO_LISTEN): %w", err)
	}
	s, err := newServer(ctx, cfg, deps, listener.Addr().String(), seen, logger)
	if err != nil {
		_ = listener.Close()
		return err
	}
	return s.run(ctx, newSockets(listener), deps)
}

func newServer(
	ctx context.Context, cfg Config, deps Deps, address string, seen observed, logger *slog.Logger,
) (*server, error) {
	s := &server{
		cfg: cfg, instance: nouns.InstanceID(nouns.NewID()), metrics: seen.metrics,
		log: seen.tracer.Logger(logger).With(logging.KeyServer, cfg.ID, logging.KeyVersion, cfg.Build.Version()),
	}
	var err error
	resources := media.Config{Network: cfg.network(), Capacity: cfg.Capacity, Files: cfg.Media.Files}
	s.media, err = media.NewServer(resources, s.log) //nolint:contextcheck // until Close
	if err != nil {
		return nil, err
	}
	s.metrics.MustRegister(newMediaCollector(s.media.Stats, cfg.Capacity))
	s.media.Observe(newObserver(s.metrics))
	s.control = control.New(control.Config{
		Instance: string(s.instance), Version: cfg.Build.Version(), SessionPeriod: cfg.SessionPeriod,
		Trace: seen.tracer.Served(),
	}, s.media, s.metrics, s.log)
	if cfg.inFleet() {
		if s.fleet, err = newFleet(ctx, cfg, deps, s.registration(address), seen.tracer, s.log); err != nil {
			return nil, errors.Join(err, s.media.Close())
		}
		health.WatchDependencies(s.metrics, s.fleet.checks()...)
		watchEvents(s.metrics, s.fleet.events.Waiting)
	}
	s.media.OnEvent(s.onEvent)
	return s, nil
}

// registration is what the fleet knows of this server.
func (s *server) registration(address string) nouns.MediaServer {
	url := s.cfg.URL
	if url == "" {
		url = "ws://" + address + "/kurento"
	}
	return nouns.MediaServer{
		ID: s.cfg.ID, Instance: s.instance, URL: url, Region: s.cfg.Region, Version: s.cfg.Build.Version(),
		Capacity: s.cfg.Capacity, StartedAt: time.Now(),
	}
}

func (s *server) onEvent(e media.Event) {
	s.control.OnEvent(e)
	if s.fleet != nil {
		s.fleet.events.OnEvent(e)
	}
}

// run owns everything that newServer made.
func (s *server) run(ctx context.Context, listener *sockets, deps Deps) error {
	serving, stopServing := context.WithCancel(context.WithoutCancel(ctx))
	defer stopServing()
	front := &http.Server{Handler: s.handler(serving), ReadHeaderTimeout: readHeaderTimeout}
	s.background.Go(func() { s.control.Run(serving) })
	failed := make(chan error, 1)
	s.background.Go(func() { failed <- front.Serve(listener) })
	if s.fleet != nil {
		s.fleet.start(context.WithoutCancel(ctx), s.media.Stats)
	}
	s.log.Info("media server is listening", "address", listener.Addr().String(), "udp_port", s.media.UDPPort(),
		logging.KeyInstance, s.instance)
	if deps.Listening != nil {
		deps.Listening(listener.Addr().String())
	}

	leaving, stay := context.WithCancel(ctx)
	defer stay()
	emptied := make(chan struct{})
	s.background.Go(func() {
		if s.awaitEnd(leaving, deps.Asked) {
			close(emptied)
		}
	})
	var err error
	select {
	case <-emptied:
	case <-ctx.Done():
		if errors.Is(context.Cause(ctx), ErrKilled) {
			s.kill(front, listener, stopServing)
			return ErrKilled
		}
	case err = <-failed:
		err = fmt.Errorf("serve the control protocol: %w", err)
	}
	stay()
	s.log.Info("media server is stopping")
	return errors.Join(err, s.stop(context.WithoutCancel(ctx), front, stopServing))
}

// stop ends everything in the order in which data flows.
func (s *server) stop(ctx context.Context, front *http.Server, stopServing context.CancelFunc) error {
	if s.fleet != nil {
		s.fleet.leave()
	}
	stopServing()
	s.endProbes(ctx, front)
	s.controlled.Wait()
	err := s.media.Close()
	if s.fleet != nil {
		err = errors.Join(err, s.fleet.close())
	}
	s.background.Wait()
	return err
}

// endProbes ends the HTTP server. Connections on which nobody has asked anything yet are no reason to wait for long or
// to complain: clients open some in advance.
func (s *server) endProbes(ctx context.Context, front *http.Server) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	if front.Shutdown(ctx) != nil {
		_ = front.Close()
	}
}

// kill closes all sockets, as the kernel does when a process dies. All that comes after is to give back memory: nobody
// outside can tell it from the real thing.
func (s *server) kill(front *http.Server, listener *sockets, stopServing context.CancelFunc) {
	if s.fleet != nil {
		s.fleet.die()
	}
	s.media.Disconnect()
	listener.drop()
	stopServing()
	_ = front.Close()
	s.controlled.Wait()
	_ = s.media.Close() // its sockets are closed already
	if s.fleet != nil {
		s.fleet.leave()
		_ = s.fleet.close()
	}
	s.background.Wait()
}
