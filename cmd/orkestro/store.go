package main

import (
	"context"
	"fmt"

	"github.com/orkestro/orkestro/pkg/embeddedmongo"
	"github.com/orkestro/orkestro/pkg/logging"
)

// storeCommand is `orkestro store`.
type storeCommand struct {
	Listen  string         `default:"127.0.0.1:27017" env:"ORKESTRO_STORE_LISTEN" help:"Address to listen on for the MongoDB protocol; it asks nobody for a password, so keep it on a loopback or private address."` //nolint:lll // one flag, one line
	Data    string         `env:"ORKESTRO_DATA" help:"Directory to keep the data in. Without it everything is in memory and gone at the end." placeholder:"DIR"`                                                     //nolint:lll // one flag, one line
	Logging logging.Config `embed:""`
}

// Run implements the command.
func (c *storeCommand) Run(ctx context.Context, t terminal) error {
	log, err := logging.New(t.err, c.Logging)
	if err != nil {
		return err
	}
	settings := embeddedmongo.Config{Listen: c.Listen, DataDir: c.Data}
	store, err := embeddedmongo.Start(settings, log) //nolint:contextcheck // it lives until Close
	if err != nil {
		return fmt.Errorf("start the store: %w", hint(err, "--listen"))
	}
	_, _ = fmt.Fprintf(t.out, "store          %s\n", store.URL())
	<-ctx.Done()
	return store.Close()
}
