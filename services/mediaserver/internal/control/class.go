package control

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/orkestro/orkestro/pkg/mediaapi"
	"github.com/orkestro/orkestro/services/mediaserver/internal/media"
)

// operation acts on an object of a class that has it. A nil result is a void one.
type operation func(ctx context.Context, o media.Object, p params) (any, error)

// on makes an operation of objects that are a T, which every object of the class is.
func on[T any](run func(ctx context.Context, object T, p params) (any, error)) operation {
	return func(ctx context.Context, o media.Object, p params) (any, error) {
		object, ok := o.(T)
		if !ok {
			return nil, errorf(codeMethodNotFound, "'%s' has no such operation", o.ID())
		}
		return run(ctx, object, p)
	}
}

// noGStreamer is an operation that asks for a drawing of what does not exist here.
func noGStreamer(context.Context, media.Object, params) (any, error) {
	return nil, errorf(codeOperationNotSupported, "not supported: there is no GStreamer in this server")
}

// constructor makes an object.
type constructor func(p params) (media.Object, error)

// class is what clients can do with the objects of one type, its ancestors' operations and events included.
type class struct {
	create     constructor // nil: clients make none of it
	operations map[string]operation
	events     []string
}

// trait is the part of a class that one type of the protocol adds to its ancestors.
type trait struct {
	operations map[string]operation
	events     []string
}

func newClass(create constructor, traits ...trait) class {
	c := class{create: create, operations: map[string]operation{}}
	for _, t := range traits {
		maps.Copy(c.operations, t.operations)
		c.events = append(c.events, t.events...)
	}
	return c
}

// classes are the types of this server by qualified name.
type classes map[string]class

func newClasses(r *registry) classes {
	all := classes{
		mediaapi.TypeMediaPipeline: newClass(createPipeline(r), mediaObject(), mediaPipeline(r)),
		"kurento.WebRtcEndpoint": newClass(createWebRTCEndpoint(r), mediaObject(), mediaElement(r), sdpEndpoint(),
			baseRTPEndpoint(r), webRTCEndpoint(r)),
		"kurento.RtpEndpoint": newClass(createRTPEndpoint(r), mediaObject(), mediaElement(r), sdpEndpoint(),
			baseRTPEndpoint(r), rtpEndpoint()),
		"kurento.RecorderEndpoint": newClass(createRecorderEndpoint(r), mediaObject(), mediaElement(r), uriEndpoint(),
			recorderEndpoint()),
		"kurento.PlayerEndpoint": newClass(createPlayerEndpoint(r), mediaObject(), mediaElement(r), uriEndpoint(),
			playerEndpoint()),
		"kurento.PassThrough": newClass(createIn(r, (*media.Pipeline).NewPassThrough), mediaObject(), mediaElement(r)),
		"kurento.HubPort":     newClass(createHubPort(r), mediaObject(), mediaElement(r)),
		"kurento.Dispatcher":  newClass(createIn(r, (*media.Pipeline).NewDispatcher), mediaObject(), hub(), dispatcher(r)),
		"kurento.DispatcherOneToMany": newClass(createIn(r, (*media.Pipeline).NewDispatcherOneToMany),
			mediaObject(), hub(), dispatcherOneToMany(r)),
		"kurento.Mixer": newClass(createIn(r, (*media.Pipeline).NewMixer), mediaObject(), hub(), mixer(r)),
		mediaapi.TypePublishEndpoint: newClass(createPublishEndpoint(r),
			mediaObject(), fleetEndpoint(), publishEndpoint()),
		mediaapi.TypeSubscribeEndpoint: newClass(createSubscribeEndpoint(r),
			mediaObject(), fleetEndpoint(), subscribeEndpoint()),
		mediaapi.TypeViewEndpoint: newClass(createViewEndpoint(r), mediaObject(), fleetEndpoint(), viewEndpoint()),
	}
	factories := func() map[string][]string { return all.factories(r.media.HasFiles()) }
	all[typeServerManager] = newClass(nil, mediaObject(), serverManager(r, factories))
	return all
}

// factories are the names of the types that clients can make, with files or without, by the module that Kurento has
// them in.
func (c classes) factories(files bool) map[string][]string {
	core := []string{"MediaPipeline", "PassThrough", "HubPort"}
	ofFiles := []string{"PlayerEndpoint", "RecorderEndpoint"}
	made := map[string][]string{}
	for _, qualified := range slices.Sorted(maps.Keys(c)) {
		module, name, _ := strings.Cut(qualified, ".")
		switch {
		case c[qualified].create == nil, !files && slices.Contains(ofFiles, name):
			continue
		case slices.Contains(core, name):
			module = "core"
		case module == "kurento":
			module = "elements"
		}
		made[module] = append(made[module], name)
	}
	return made
}

// find gives the class that a client names with or without its module, or the error that says why there is none.
func (c classes) find(name string) (string, class, error) {
	qualified := name
	if !strings.Contains(name, ".") {
		qualified = "kurento." + name
	}
	short := qualified[strings.LastIndex(qualified, ".")+1:]
	if found, ok := c[qualified]; ok && found.create != nil {
		return qualified, found, nil
	}
	switch {
	case slices.Contains(abstractTypes(), short):
		return "", class{}, errorf(codeConstructorNotFound, "type '%s' has no constructor", name)
	case slices.Contains(absentTypes(), short):
		return "", class{}, errorf(codeNotAvailable, "type '%s' is not available: "+
			"this server forwards media and does not decode it", name)
	default:
		return "", class{}, errorf(codeTypeNotFound, "type '%s' not found", name)
	}
}

// abstractTypes are the types of the protocol that nobody can create.
func abstractTypes() []string {
	return []string{
		"MediaObject", "MediaElement", "Endpoint", "SessionEndpoint", "SdpEndpoint", "BaseRtpEndpoint", "UriEndpoint",
		"HttpEndpoint", "Hub", "Filter", "OpenCVFilter", "ServerManager",
	}
}

// absentTypes are the types of the protocol that this server does not provide.
func absentTypes() []string {
	return []string{
		"HttpPostEndpoint", "Composite",
		"AlphaBlending", "GStreamerFilter", "FaceOverlayFilter",
		"ImageOverlayFilter", "ZBarFilter",
	}
}
