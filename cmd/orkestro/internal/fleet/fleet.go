// Package fleet runs a whole Orkestro fleet in one process: the embedded store, an in-memory broker, and several of
// each service, wired exactly as separate processes would be. It is for `orkestro dev`; the services do not know that
// they share a process.
package fleet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"

	"github.com/orkestro/orkestro/pkg/broker/memory"
	"github.com/orkestro/orkestro/pkg/embeddedmongo"
)

// How many of each service there are: two, so that what only one process does shows at once.
const (
	MediaServers = 2
	Wrappers     = 2
	RestAPIs     = 2
)

const (
	anyPort  = "127.0.0.1:0"
	database = "orkestro"
)

// Config are the settings of a fleet.
type Config struct {
	DataDir     string // where the store keeps its data; "": in memory
	APIKey      string // secret of the one API key
	MediaListen string // address of the first media server, if it is free; otherwise a free port of the same host
}

// Addresses is where a running fleet can be reached.
type Addresses struct {
	Store        string // MongoDB URL with the database
	MediaServers []*MediaServer
	RestAPIs     []*url.URL
}

// Run starts a fleet, calls serve once all of it is ready, and stops it when serve has returned. The context of serve
// ends with ctx, or when a service has failed; the failure is then what Run returns.
func Run(ctx context.Context, cfg Config, log *slog.Logger, serve func(context.Context, Addresses) error) error {
	settings := embeddedmongo.Config{Listen: anyPort, DataDir: cfg.DataDir}
	store, err := embeddedmongo.Start(settings, log) //nolint:contextcheck // it lives until Close
	if err != nil {
		return fmt.Errorf("start the store: %w", err)
	}
	defer func() { _ = store.Close() }()
	messages := memory.New(log)
	defer func() { _ = messages.Close() }() //nolint:contextcheck // it bounds itself

	ctx, failed := context.WithCancelCause(ctx)
	defer failed(nil)
	s := services{cfg: cfg, store: store.URL(), broker: messages, log: log}
	s.media = s.newMediaServers()
	var layers []*layer
	for _, members := range []func() ([]member, error){s.mediaServers, s.wrappers, s.restAPIs} {
		l, err := start(ctx, failed, members)
		if l != nil {
			defer l.stop()
		}
		if err != nil {
			return err
		}
		layers = append(layers, l)
	}
	a, err := addresses(store.URL(), s.media, layers[2])
	if err != nil {
		return err
	}
	if err := serve(ctx, a); err != nil {
		return err
	}
	return failure(ctx)
}

// start starts one layer; a layer that is not nil is to be stopped.
func start(
	ctx context.Context, failed context.CancelCauseFunc, members func() ([]member, error),
) (*layer, error) {
	list, err := members()
	if err != nil {
		return nil, err
	}
	return startLayer(ctx, failed, list...)
}

// failure is why the context ended, if that was a service.
func failure(ctx context.Context) error {
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

func addresses(store string, mediaServers []*MediaServer, restAPIs *layer) (Addresses, error) {
	a := Addresses{Store: strings.Replace(store, "/?", "/"+database+"?", 1), MediaServers: mediaServers}
	for _, address := range restAPIs.addresses {
		replica, err := url.Parse("http://" + address)
		if err != nil {
			return Addresses{}, fmt.Errorf("address of a REST replica: %w", err)
		}
		a.RestAPIs = append(a.RestAPIs, replica)
	}
	return a, nil
}
