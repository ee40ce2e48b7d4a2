package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/orkestro/orkestro/cmd/orkestro/demo"
	"github.com/orkestro/orkestro/cmd/orkestro/internal/fleet"
	"github.com/orkestro/orkestro/cmd/orkestro/internal/front"
	"github.com/orkestro/orkestro/cmd/orkestro/internal/killswitch"
	"github.com/orkestro/orkestro/cmd/orkestro/internal/operator"
	"github.com/orkestro/orkestro/pkg/logging"
)

// devCommand is `orkestro dev`.
type devCommand struct {
	Listen      string `default:"127.0.0.1:8080" env:"ORKESTRO_DEV_LISTEN" help:"Address of the API and the pages."`                                                                                   //nolint:lll // one flag, one line
	MediaListen string `default:"127.0.0.1:8888" env:"ORKESTRO_DEV_MEDIA_LISTEN" help:"Address of the first media server's Kurento Protocol; when it is taken, a free port of the same host is used."` //nolint:lll // one flag, one line
	Data        string `env:"ORKESTRO_DATA" help:"Directory to keep the store in, so that sessions outlive this process. Without it everything is in memory." placeholder:"DIR"`                       //nolint:lll // one flag, one line
	APIKey      string `default:"devkey" env:"ORKESTRO_DEV_API_KEY" help:"Secret of the API key."`
	Demo        bool   `default:"true" env:"ORKESTRO_DEV_DEMO" help:"Serve the demo page at /demo/." negatable:""`
	LogLevel    string `default:"warn" enum:"debug,info,warn,error" env:"ORKESTRO_LOG_LEVEL" help:"Least level that is logged: debug, info, warn or error."` //nolint:lll // one flag, one line
	LogFormat   string `default:"text" enum:"json,text" env:"ORKESTRO_LOG_FORMAT" help:"Format of the log: json or text."`
}

// headerTimeout is how long the headers of a request may take (HTTP API contract).
const headerTimeout = 10 * time.Second

// Run implements the command.
func (c *devCommand) Run(ctx context.Context, t terminal) error {
	log, err := logging.New(t.err, logging.Config{Format: c.LogFormat, Level: c.LogLevel})
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return hint(err, "--listen")
	}
	defer func() { _ = listener.Close() }()
	cfg := fleet.Config{DataDir: c.Data, APIKey: c.APIKey, MediaListen: c.MediaListen}
	return fleet.Run(ctx, cfg, log, func(ctx context.Context, addresses fleet.Addresses) error {
		base := "http://" + listener.Addr().String()
		var page http.Handler
		if c.Demo {
			page = demo.Handler(demo.Config{APIURL: base, APIKey: c.APIKey})
		}
		b := banner{
			base: base, key: c.APIKey, demo: c.Demo, restAPIs: len(addresses.RestAPIs), wrappers: fleet.Wrappers,
			dev: &devBanner{store: addresses.Store, data: c.Data},
		}
		for _, server := range addresses.MediaServers {
			b.mediaServers = append(b.mediaServers, server.URL())
		}
		b.print(t.out)
		handler := front.Handler(addresses.RestAPIs, page, log)
		handler = killswitch.Handler(handler, addresses.MediaServers, operator.New(base, c.APIKey), log)
		return serve(ctx, listener, handler, log)
	})
}

// serve serves until ctx ends.
func serve(ctx context.Context, listener net.Listener, handler http.Handler, log *slog.Logger) error {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: headerTimeout,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	// The polls that wait behind the front door end with their replicas, which stop next: nothing to wait for here.
	err := server.Close()
	<-served
	return err
}

// hint adds what to do about an address that cannot be listened on.
func hint(err error, flag string) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%w; another program has that port: stop it, or choose another with %s (port 0 is any free one)",
			err, flag)
	}
	return err
}
