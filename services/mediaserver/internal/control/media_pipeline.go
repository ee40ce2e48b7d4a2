package control

import (
	"github.com/orkestro/orkestro/pkg/mediaapi"
	"github.com/orkestro/orkestro/services/mediaserver/internal/media"
)

// createPipeline makes a MediaPipeline; the fleet names the session and epoch that it is for.
func createPipeline(r *registry) constructor {
	return func(p params) (media.Object, error) {
		wanted, err := decode[mediaapi.PipelineParams](p)
		if err != nil {
			return nil, err
		}
		return r.media.CreatePipeline(wanted.Session, wanted.Epoch)
	}
}

// pipelineOf finds the pipeline that the constructor of an endpoint names.
func (r *registry) pipelineOf(p params) (*media.Pipeline, error) {
	return named[*media.Pipeline](r, p, "mediaPipeline", "MediaPipeline")
}

// mediaPipeline is what MediaPipeline adds to MediaObject. latencyStats has no effect: a server that forwards has no
// hops to measure.
func mediaPipeline(r *registry) trait {
	operations := stored(r.properties, "latencyStats", false)
	operations["getGstreamerDot"] = noGStreamer
	operations["dumpGstreamerDot"] = noGStreamer
	return trait{operations: operations}
}
