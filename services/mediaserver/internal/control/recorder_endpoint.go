package control

import "github.com/orkestro/orkestro/services/mediaserver/internal/media"

func createRecorderEndpoint(r *registry) constructor {
	return func(p params) (media.Object, error) {
		pipeline, err := r.pipelineOf(p)
		if err != nil {
			return nil, err
		}
		var wanted media.RecorderEndpointParams
		if wanted.URI, err = required[string](p, "uri"); err != nil {
			return nil, err
		}
		if wanted.MediaProfile, err = optional(p, "mediaProfile", "WEBM"); err != nil {
			return nil, err
		}
		if wanted.StopOnEndOfStream, err = optional(p, "stopOnEndOfStream", false); err != nil {
			return nil, err
		}
		return pipeline.NewRecorderEndpoint(wanted)
	}
}

// recorderEndpoint is what RecorderEndpoint adds to UriEndpoint.
func recorderEndpoint() trait {
	return trait{
		operations: map[string]operation{
			"record":      on(command((*media.RecorderEndpoint).Record)),
			"stopAndWait": on(command((*media.RecorderEndpoint).StopAndWait)),
		},
		events: []string{media.EventRecording, media.EventPaused, media.EventStopped},
	}
}
