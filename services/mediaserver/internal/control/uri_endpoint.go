package control

import (
	"context"

	"github.com/orkestro/orkestro/services/mediaserver/internal/media"
)

// player is what the operations of UriEndpoint need of an object.
type player interface {
	media.Object
	URI() string
	State() string
	Pause(ctx context.Context) error
	Stop(ctx context.Context) error
}

// uriEndpoint is what UriEndpoint adds to MediaElement.
func uriEndpoint() trait {
	return trait{
		operations: map[string]operation{
			"getUri":   on(func(_ context.Context, e player, _ params) (any, error) { return e.URI(), nil }),
			"getState": on(func(_ context.Context, e player, _ params) (any, error) { return e.State(), nil }),
			"pause":    on(command(player.Pause)),
			"stop":     on(command(player.Stop)),
		},
		events: []string{media.EventURIEndpointStateChanged},
	}
}

// command is an operation without parameters and result.
func command[T any](do func(T, context.Context) error) func(context.Context, T, params) (any, error) {
	return func(ctx context.Context, object T, _ params) (any, error) { return nil, do(object, ctx) }
}
