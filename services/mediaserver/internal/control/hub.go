package control

import (
	"context"

	"github.com/orkestro/orkestro/services/mediaserver/internal/media"
)

// createIn makes an object in the pipeline that the constructor's parameters name.
func createIn[T media.Object](r *registry, create func(*media.Pipeline) (T, error)) constructor {
	return func(p params) (media.Object, error) {
		pipeline, err := r.pipelineOf(p)
		if err != nil {
			return nil, err
		}
		return create(pipeline)
	}
}

// createHubPort makes a port of the hub that the parameters name.
func createHubPort(r *registry) constructor {
	return func(p params) (media.Object, error) {
		hub, err := named[media.Hub](r, p, "hub", "Hub")
		if err != nil {
			return nil, err
		}
		return hub.NewPort()
	}
}

// ports are the parameters source and sink of the operations of hubs.
func (r *registry) ports(p params) (source, sink *media.HubPort, err error) {
	if source, err = r.port(p, "source"); err != nil {
		return nil, nil, err
	}
	sink, err = r.port(p, "sink")
	return source, sink, err
}

func (r *registry) port(p params, name string) (*media.HubPort, error) {
	return named[*media.HubPort](r, p, name, "HubPort")
}

// hub is what Hub adds to MediaObject.
func hub() trait {
	return trait{operations: map[string]operation{
		"getGstreamerDot":  noGStreamer,
		"dumpGstreamerDot": noGStreamer,
	}}
}

// dispatcher is what Dispatcher adds to Hub.
func dispatcher(r *registry) trait {
	return trait{operations: map[string]operation{
		"connect": on(func(_ context.Context, d *media.Dispatcher, p params) (any, error) {
			source, sink, err := r.ports(p)
			if err != nil {
				return nil, err
			}
			return nil, d.Connect(source, sink)
		}),
	}}
}

// dispatcherOneToMany is what DispatcherOneToMany adds to Hub.
func dispatcherOneToMany(r *registry) trait {
	return trait{operations: map[string]operation{
		"setSource": on(func(_ context.Context, d *media.DispatcherOneToMany, p params) (any, error) {
			source, err := r.port(p, "source")
			if err != nil {
				return nil, err
			}
			return nil, d.SetSource(source)
		}),
		"removeSource": on(func(_ context.Context, d *media.DispatcherOneToMany, _ params) (any, error) {
			d.RemoveSource()
			return nil, nil
		}),
	}}
}

// mixer is what Mixer adds to Hub.
func mixer(r *registry) trait {
	return trait{operations: map[string]operation{
		"connect":    r.mix((*media.Mixer).Connect),
		"disconnect": r.mix((*media.Mixer).Disconnect),
	}}
}

func (r *registry) mix(do func(m *media.Mixer, kind media.MediaType, source, sink *media.HubPort) error) operation {
	return on(func(_ context.Context, m *media.Mixer, p params) (any, error) {
		kind, err := mediaTypeOf(p, "media")
		if err != nil {
			return nil, err
		}
		source, sink, err := r.ports(p)
		if err != nil {
			return nil, err
		}
		return nil, do(m, kind, source, sink)
	})
}
