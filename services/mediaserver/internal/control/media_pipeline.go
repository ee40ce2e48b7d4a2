package control

import (
	"github.com/orkestro/orkestro/pkg/mediaapi"
	"github.com/orkestro/orkestro/services/mediaserver/internal/media"
)

// createPipeline makes a MediaPipeline; the fleet names the session and epoch that it is for.
func (s *Server) createPipeline(p params) (media.Object, error) {
	wanted, err := decode[mediaapi.PipelineParams](p)
	if err != nil {
		return nil, err
	}
	return s.media.CreatePipeline(wanted.Session, wanted.Epoch)
}

// pipelineOf finds the pipeline that the constructor of an endpoint names.
func (s *Server) pipelineOf(p params) (*media.Pipeline, error) {
	id, err := required[reference](p, "mediaPipeline")
	if err != nil {
		return nil, err
	}
	object, err := s.find(id)
	if err != nil {
		return nil, err
	}
	pipeline, ok := object.(*media.Pipeline)
	if !ok {
		return nil, errorf(codeMarshall, "parameter 'mediaPipeline': '%s' is no MediaPipeline", id)
	}
	return pipeline, nil
}

// mediaPipeline is what MediaPipeline adds to MediaObject. latencyStats has no effect: a server that forwards has no
// hops to measure.
func (s *Server) mediaPipeline() trait {
	operations := stored(s.properties, "latencyStats", false)
	operations["getGstreamerDot"] = refused("there is no GStreamer in this server")
	return trait{operations: operations}
}
