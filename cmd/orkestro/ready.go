package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/orkestro/orkestro/cmd/orkestro/internal/operator"
)

// lookAgain is the pause between two looks at a fleet that is not ready.
const lookAgain = 500 * time.Millisecond

// readyCommand is `orkestro ready`: it waits for a fleet and says what it serves, as `orkestro dev` does of its own.
type readyCommand struct {
	apiFlags
	PublicURL    string        `env:"ORKESTRO_PUBLIC_URL" help:"Address of the API as people reach it. Default: that of --url." placeholder:"URL"` //nolint:lll // one flag, one line
	Demo         bool          `help:"Name the demo page, too."`
	RestAPIs     int           `default:"1" help:"REST replicas that have to be there." name:"restapis"`
	Wrappers     int           `default:"1" help:"Wrappers that have to be there."`
	MediaServers int           `default:"1" help:"Media servers that have to be there." name:"mediaservers"`
	Timeout      time.Duration `default:"2m" help:"How long to wait."`
}

// Run implements the command.
func (c *readyCommand) Run(ctx context.Context, t terminal) error {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	for {
		found, err := c.look(ctx)
		if err == nil {
			found.print(t.out)
			return nil
		}
		var problem *operator.ProblemError
		if errors.As(err, &problem) && problem.Status == http.StatusUnauthorized {
			return fmt.Errorf("--key: %w", err) // waiting does not mend it
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the fleet is not ready after %s: %w", c.Timeout, err)
		case <-time.After(lookAgain):
		}
	}
}

// look gives the banner of a fleet that is ready; the error says what is missing.
func (c *readyCommand) look(ctx context.Context) (banner, error) {
	client := c.client()
	replicas, err := client.Replicas(ctx)
	if err != nil {
		return banner{}, err
	}
	servers, err := client.Servers(ctx)
	if err != nil {
		return banner{}, err
	}
	b := banner{base: strings.TrimRight(c.PublicURL, "/"), key: c.Key, demo: c.Demo}
	if b.base == "" {
		b.base = strings.TrimRight(c.URL, "/")
	}
	for _, r := range replicas {
		switch {
		case r.State != "ready":
		case r.Service == "restapi":
			b.restAPIs++
		case r.Service == "wrapper":
			b.wrappers++
		}
	}
	for _, s := range servers {
		if s.Status == "up" {
			b.mediaServers = append(b.mediaServers, s.URL)
		}
	}
	slices.Sort(b.mediaServers)
	return b, errors.Join(
		missing("REST replicas", b.restAPIs, c.RestAPIs),
		missing("Wrappers", b.wrappers, c.Wrappers),
		missing("media servers", len(b.mediaServers), c.MediaServers))
}

func missing(what string, there, wanted int) error {
	if there >= wanted {
		return nil
	}
	return fmt.Errorf("%d of %d %s are there", there, wanted, what)
}
