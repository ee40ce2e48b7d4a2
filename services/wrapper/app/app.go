// Package app is one Wrapper as a program: settings, wiring, start and orderly stop. Package main and the development
// fleet call Run; nothing else knows all the parts.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"time"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/broker/amqp"
	"github.com/orkestro/orkestro/pkg/health"
	"github.com/orkestro/orkestro/pkg/logging"
	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/pkg/tracing"
)

const (
	// drainTimeout bounds the end of what is in hand, whose requests have 4 s, and of the loops. With the media servers
	// and the database, at a second each, and the broker at two a stop takes 10 s at most.
	drainTimeout = 5500 * time.Millisecond
	// disconnectTimeout bounds saying goodbye to the database.
	disconnectTimeout = time.Second
)

// Deps is what a caller may give in place of what the settings name.
type Deps struct {
	Broker    broker.Broker        // nil: RabbitMQ at Config.AMQPURL
	Listening func(address string) // called once probes are answered; nil: nobody is told
}

// Run is a Wrapper until ctx ends or something fails. It starts although broker and database are not there yet, and is
// not ready meanwhile. It stops in the order of the flow of data: no more requests, those in hand finished, watchers,
// broker, store.
func Run(ctx context.Context, cfg Config, deps Deps, logger *slog.Logger) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	if cfg.ID == "" {
		cfg.ID = defaultID()
	}
	logger = logger.With(
		slog.String(logging.KeyReplica, cfg.ID), slog.String(logging.KeyVersion, cfg.Build.Version()))
	registry := health.NewRegistry("wrapper", cfg.Build.Version())
	tracer, err := tracing.Open(ctx, cfg.Trace, tracing.Process{
		Service: "wrapper", Version: cfg.Build.Version(), Instance: cfg.ID,
	}, registry, logger)
	if err != nil {
		return err
	}
	defer tracer.Close(ctx)
	logger = tracer.Logger(logger)
	probes, err := openProbes(ctx, cfg.Listen, registry, logger)
	if err != nil {
		return err
	}
	logger.Info("listening", slog.String("address", probes.address))
	if deps.Listening != nil {
		deps.Listening(probes.address)
	}
	return errors.Join(runBehind(ctx, probes, cfg, deps, tracer, logger), probes.close())
}

// runBehind opens what the Wrapper needs and runs it.
func runBehind(
	ctx context.Context, probes *probes, cfg Config, deps Deps, tracer *tracing.Tracer, logger *slog.Logger,
) error {
	messages := deps.Broker
	if messages == nil {
		opened, err := amqp.Open(ctx, amqp.Config{URL: cfg.AMQPURL, ConnectionName: "wrapper " + cfg.ID}, logger)
		if err != nil {
			return fmt.Errorf("--amqp-url (ORKESTRO_AMQP_URL): %w", err)
		}
		defer closeLogged(logger, "broker", opened.Close)
		messages = opened
	}
	database, err := store.Await(ctx, cfg.MongoURL, cfg.MongoDatabase, logger)
	if err != nil {
		if ctx.Err() != nil {
			return nil // stopped before the database came
		}
		return err
	}
	defer closeLogged(logger, "database", func() error {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), disconnectTimeout)
		defer cancel()
		return database.Close(closing)
	})
	return newWrapper(cfg, tracer.Broker(messages), database, tracer, logger).run(ctx, probes)
}

func closeLogged(logger *slog.Logger, what string, closing func() error) {
	if err := closing(); err != nil {
		logger.Warn("not closed cleanly", slog.String("what", what), slog.Any(logging.KeyError, err))
	}
}

// defaultID is the host's name and a random part, so that two replicas on a host differ.
func defaultID() string {
	host, err := os.Hostname()
	if err != nil {
		host = "wrapper"
	}
	return fmt.Sprintf("%s-%08x", host, rand.Uint32()) //nolint:gosec // a name needs no secrecy
}
