package app

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/broker/amqp"
	"github.com/orkestro/orkestro/pkg/logging"
	"github.com/orkestro/orkestro/pkg/store"
)

const (
	// handTime is for the requests in hand when the replica stops; after that they are given up. goodbyeTimeout bounds
	// each step after that. With the broker, whose end takes 2 s at most, a stop takes 10 s at most after its delay.
	handTime       = 4 * time.Second
	goodbyeTimeout = time.Second
)

// Deps is what a caller may give in place of what the settings name.
type Deps struct {
	Broker    broker.Broker        // nil: RabbitMQ at Config.AMQPURL
	Listening func(address string) // called once requests are taken; nil: nobody is told
}

// Run serves the HTTP API until ctx ends or something fails, and then stops in the order of the flow of data: not
// ready, waiting polls answered, requests finished, mailboxes back to the broker, replies, broker, store. It starts
// although broker and database are not there yet.
func Run(ctx context.Context, cfg Config, deps Deps, logger *slog.Logger) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	if cfg.ID == "" {
		cfg.ID = defaultID()
	}
	logger = logger.With(logging.KeyReplica, cfg.ID, logging.KeyVersion, cfg.Build.Version())
	seen, err := observe(ctx, cfg, logger)
	if err != nil {
		return err
	}
	defer seen.tracer.Close(ctx)
	logger = seen.tracer.Logger(logger)
	door, err := openEntrance(ctx, cfg.Listen, logger)
	if err != nil {
		return err
	}
	logger.InfoContext(ctx, "listening", "address", door.address)
	if deps.Listening != nil {
		deps.Listening(door.address)
	}
	return errors.Join(runBehind(ctx, door, cfg, deps, seen, logger), door.close())
}

// runBehind opens what the replica needs and runs it behind the entrance.
func runBehind(
	ctx context.Context, door *entrance, cfg Config, deps Deps, seen observed, logger *slog.Logger,
) error {
	messages, closeBroker, err := openBroker(ctx, cfg, deps, logger)
	if err != nil {
		return err
	}
	defer closeBroker()
	database, err := store.Await(ctx, cfg.MongoURL, cfg.MongoDatabase, logger)
	if err != nil {
		if ctx.Err() != nil {
			return nil // stopped before the database came
		}
		return err
	}
	defer closeStore(ctx, database, logger)
	r, err := newReplica(cfg, seen.tracer.Broker(messages), database, seen, logger)
	if err != nil {
		return err
	}
	return r.run(ctx, door)
}

func openBroker(ctx context.Context, cfg Config, deps Deps, logger *slog.Logger) (broker.Broker, func(), error) {
	if deps.Broker != nil {
		return deps.Broker, func() {}, nil
	}
	b, err := amqp.Open(ctx, amqp.Config{URL: cfg.AMQPURL, ConnectionName: "restapi " + cfg.ID}, logger)
	if err != nil {
		return nil, nil, fmt.Errorf("--amqp-url (ORKESTRO_AMQP_URL): %w", err)
	}
	return b, func() { //nolint:contextcheck // the broker bounds its own end
		if err := b.Close(); err != nil {
			logger.Warn("the broker did not close cleanly", logging.KeyError, err)
		}
	}, nil
}

func closeStore(ctx context.Context, s *store.Store, logger *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbyeTimeout)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		logger.WarnContext(ctx, "the database did not close cleanly", logging.KeyError, err)
	}
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
