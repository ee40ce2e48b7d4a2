package main

import (
	"context"
	"net"
	"net/http"

	"github.com/orkestro/orkestro/cmd/orkestro/demo"
	"github.com/orkestro/orkestro/pkg/health"
	"github.com/orkestro/orkestro/pkg/logging"
)

// demoCommand is `orkestro demo`: the demo page of `orkestro dev` before a fleet of other processes.
type demoCommand struct {
	apiFlags
	Listen    string         `default:"127.0.0.1:8085" env:"ORKESTRO_DEMO_LISTEN" help:"Address of the page, at /demo/. It lets everybody in who can reach it."` //nolint:lll // one flag, one line
	PublicURL string         `env:"ORKESTRO_DEMO_API_URL" help:"Address of the API as browsers reach it. Default: the page's own." placeholder:"URL"`            //nolint:lll // one flag, one line
	Logging   logging.Config `embed:""`
}

// Run implements the command.
func (c *demoCommand) Run(ctx context.Context, t terminal) error {
	log, err := logging.New(t.err, c.Logging)
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return hint(err, "--listen")
	}
	defer func() { _ = listener.Close() }()
	mux := http.NewServeMux()
	mux.Handle("/demo/", demo.Handler(demo.Config{APIURL: c.URL, APIKey: c.Key, PublicAPIURL: c.PublicURL}))
	mux.Handle("/readyz", health.Ready())
	log.Info("the demo page is served", "address", listener.Addr().String())
	return serve(ctx, listener, mux, log)
}
