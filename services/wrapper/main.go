// Command wrapper is one Wrapper of Orkestro: it handles the requests and media events of all sessions, as many as the
// load needs.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/orkestro/orkestro/pkg/buildinfo"
	"github.com/orkestro/orkestro/pkg/heap"
	"github.com/orkestro/orkestro/pkg/logging"
	"github.com/orkestro/orkestro/services/wrapper/app"
)

func main() {
	var flags struct {
		app.Config
		Version kong.VersionFlag `help:"Print the build and exit."`
	}
	kong.Parse(&flags, kong.Name("wrapper"), kong.Description("One Wrapper of Orkestro."),
		kong.Vars{"version": buildinfo.Version()})
	if err := run(flags.Config); err != nil {
		fmt.Fprintln(os.Stderr, "wrapper:", err)
		os.Exit(1)
	}
}

func run(cfg app.Config) error {
	defer heap.Floor(heap.FloorBytes)()
	log, err := logging.New(os.Stderr, cfg.Log)
	if err != nil {
		return err
	}
	// The first signal stops cleanly; from then on it has its usual effect, so the second ends at once.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	return app.Run(ctx, cfg, app.Deps{}, log)
}
