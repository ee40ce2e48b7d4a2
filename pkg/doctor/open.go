package doctor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/broker/amqp"
	"github.com/orkestro/orkestro/pkg/broker/management"
	"github.com/orkestro/orkestro/pkg/mediaclient"
	"github.com/orkestro/orkestro/pkg/store"
)

// Config says where a fleet is.
type Config struct {
	MongoURL      string
	MongoDatabase string
	AMQPURL       string
	// ManagementURL is RabbitMQ's management API with its account, http://user:password@host:15672; "": not asked.
	ManagementURL string
}

// connectTimeout is how long the first connection to the broker may take.
const connectTimeout = 10 * time.Second

// Open connects to a fleet. The caller calls closeFleet when done. Errors: what is wrong with the URLs, or that the
// broker does not answer.
func Open(ctx context.Context, c Config, log *slog.Logger) (fleet Fleet, closeFleet func(), err error) {
	if err := store.CheckURL(c.MongoURL); err != nil {
		return fleet, nil, fmt.Errorf("database URL: %w", err)
	}
	if c.ManagementURL != "" {
		if fleet.Survey, err = management.New(c.ManagementURL, c.AMQPURL); err != nil {
			return fleet, nil, err
		}
	}
	messages, err := amqp.Open(ctx, amqp.Config{URL: c.AMQPURL, ConnectionName: "orkestro doctor"}, log)
	if err != nil {
		return fleet, nil, err
	}
	database, err := store.OpenToLook(ctx, c.MongoURL, c.MongoDatabase)
	if err != nil {
		return fleet, nil, errors.Join(err, messages.Close()) //nolint:contextcheck // it bounds itself
	}
	pool := mediaclient.NewPool(mediaclient.PoolConfig{CallTimeout: serverTimeout}, log)
	fleet.Store, fleet.Broker = database, messages
	fleet.Connect = func(ctx context.Context, url string) (Server, error) {
		client, err := pool.Connect(ctx, url)
		if err != nil {
			return nil, err
		}
		return client, nil
	}
	closeFleet = func() {
		pool.Close()
		_ = messages.Close() //nolint:contextcheck // it bounds itself, and nothing was on its way
		_ = database.Close(context.WithoutCancel(ctx))
	}
	connecting, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	if err := broker.AwaitReady(connecting, messages); err != nil {
		closeFleet()
		return fleet, nil, err
	}
	return fleet, closeFleet, nil
}
