package app

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/broker/amqp"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/logging"
	"github.com/orkestro/orkestro/pkg/store"
)

const (
	// stopTimeout bounds each step of a stop, which together take no longer as nothing is slow twice.
	stopTimeout = 5 * time.Second
	// openBackoffMin and openBackoffMax bound the pause before the database is tried again.
	openBackoffMin = 200 * time.Millisecond
	openBackoffMax = 3 * time.Second
)

// Deps is what a caller may give in place of what the settings name.
type Deps struct {
	Broker    broker.Broker         // nil: RabbitMQ at Config.AMQPURL
	Listening func(address string) // called once requests are taken; nil: nobody is told
}

// Run serves the HTTP API until ctx ends or something fails, and then stops in the order of the flow of data: not ready,
// waiting polls answered, requests finished, mailboxes back to the broker, replies, broker, store. It starts although
// broker and database are not there yet.
func Run(ctx context.Context, cfg Config, deps Deps, log *slog.Logger) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	if cfg.ID == "" {
		cfg.ID = defaultID()
	}
	log = log.With(logging.KeyReplica, cfg.ID)
	door, err := openEntrance(ctx, cfg.Listen, log)
	if err != nil {
		return err
	}
	log.InfoContext(ctx, "listening", "address", door.address)
	if deps.Listening != nil {
		deps.Listening(door.address)
	}
	return errors.Join(runBehind(ctx, door, cfg, deps, log), door.close())
}

// runBehind opens what the replica needs and runs it behind the entrance.
func runBehind(ctx context.Context, door *entrance, cfg Config, deps Deps, log *slog.Logger) error {
	messages, closeBroker, err := openBroker(ctx, cfg, deps, log)
	if err != nil {
		return err
	}
	defer closeBroker()
	database, err := openStore(ctx, cfg, log)
	if err != nil {
		return err
	}
	if database == nil { // stopped before it came
		return nil
	}
	defer closeStore(ctx, database, log)
	r, err := newReplica(cfg, messages, database, log)
	if err != nil {
		return err
	}
	return r.run(ctx, door)
}

func openBroker(ctx context.Context, cfg Config, deps Deps, log *slog.Logger) (broker.Broker, func(), error) {
	if deps.Broker != nil {
		return deps.Broker, func() {}, nil
	}
	b, err := amqp.Open(ctx, amqp.Config{URL: cfg.AMQPURL, ConnectionName: "restapi " + cfg.ID}, log)
	if err != nil {
		return nil, nil, fmt.Errorf("open the broker: %w", err)
	}
	return b, func() {
		if err := b.Close(); err != nil {
			log.Warn("the broker did not close cleanly", logging.KeyError, err)
		}
	}, nil
}

// openStore tries until the database is there; nil if ctx ends first.
func openStore(ctx context.Context, cfg Config, log *slog.Logger) (*store.Store, error) {
	pause := openBackoffMin
	for {
		s, err := store.Open(ctx, cfg.MongoURL, cfg.MongoDatabase)
		switch {
		case err == nil:
			return s, nil
		case ctx.Err() != nil:
			return nil, nil
		case control.CodeOf(err) != control.CodeUnavailable:
			return nil, fmt.Errorf("open the database: %w", err)
		}
		log.WarnContext(ctx, "the database is not there yet", logging.KeyError, err)
		select {
		case <-ctx.Done():
			return nil, nil
		case <-time.After(pause + mathrand.N(pause)): //nolint:gosec // jitter needs no secrecy
		}
		pause = min(2*pause, openBackoffMax)
	}
}

func closeStore(ctx context.Context, s *store.Store, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		log.WarnContext(ctx, "the database did not close cleanly", logging.KeyError, err)
	}
}

func newRegistry() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return registry
}

// defaultID is the host's name and a random part, so that two replicas on a host differ.
func defaultID() string {
	host, err := os.Hostname()
	if err != nil {
		host = "restapi"
	}
	random := make([]byte, 4)
	_, _ = rand.Read(random) // never fails (crypto/rand)
	return host + "-" + hex.EncodeToString(random)
}
