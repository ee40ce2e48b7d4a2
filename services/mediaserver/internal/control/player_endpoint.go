package control

import (
	"context"

	"github.com/orkestro/orkestro/services/mediaserver/internal/media"
)

// createPlayerEndpoint makes a PlayerEndpoint. Its other two parameters have no effect: media is always sent as it is,
// and files need no cache.
func createPlayerEndpoint(r *registry) constructor {
	return func(p params) (media.Object, error) {
		pipeline, err := r.pipelineOf(p)
		if err != nil {
			return nil, err
		}
		uri, err := required[string](p, "uri")
		if err != nil {
			return nil, err
		}
		if _, err := optional(p, "useEncodedMedia", false); err != nil {
			return nil, err
		}
		if _, err := optional(p, "networkCache", 0); err != nil {
			return nil, err
		}
		return pipeline.NewPlayerEndpoint(uri)
	}
}

// playerEndpoint is what PlayerEndpoint adds to UriEndpoint.
func playerEndpoint() trait {
	return trait{
		operations: map[string]operation{
			"play": on(command((*media.PlayerEndpoint).Play)),
			"getVideoInfo": on(func(ctx context.Context, e *media.PlayerEndpoint, _ params) (any, error) {
				return e.VideoInfo(ctx)
			}),
			"getPosition": on(func(ctx context.Context, e *media.PlayerEndpoint, _ params) (any, error) {
				return e.Position(ctx)
			}),
			"setPosition": on(func(ctx context.Context, e *media.PlayerEndpoint, p params) (any, error) {
				position, err := required[int64](p, "position")
				if err != nil {
					return nil, err
				}
				return nil, e.SetPosition(ctx, position)
			}),
			"getElementGstreamerDot": noGStreamer,
		},
		events: []string{media.EventEndOfStream},
	}
}
