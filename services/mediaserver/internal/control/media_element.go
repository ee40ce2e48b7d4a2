package control

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/orkestro/orkestro/services/mediaserver/internal/media"
)

// element is what the operations of MediaElement need of an object.
type element interface {
	media.Connectable
	Connect(sink media.Connectable, kinds ...media.MediaType) error
	Disconnect(sink media.Connectable, kinds ...media.MediaType) error
	SinkConnections(kinds ...media.MediaType) []media.Connection
	SourceConnections(kinds ...media.MediaType) []media.Connection
	MediaFlowingIn(kind media.MediaType) (bool, error)
	MediaFlowingOut(kind media.MediaType) (bool, error)
	Stats(kinds ...media.MediaType) []media.StreamStats
	Codec(kind media.MediaType) string
}

// connectionData is the protocol's register type ElementConnectionData.
type connectionData struct {
	Module string `json:"__module__"`
	Type   string `json:"__type__"`
	media.Connection
}

// mediaElement is what MediaElement adds to MediaObject. Bitrates of encoders are kept and have no effect.
func mediaElement(r *registry) trait {
	operations := map[string]operation{
		"connect":    link(r, element.Connect),
		"disconnect": link(r, element.Disconnect),
		"getSinkConnections": on(func(_ context.Context, e element, p params) (any, error) {
			return connections(e.SinkConnections, p)
		}),
		"getSourceConnections": on(func(_ context.Context, e element, p params) (any, error) {
			return connections(e.SourceConnections, p)
		}),
		"isMediaFlowingIn":   on(flowing(element.MediaFlowingIn)),
		"isMediaFlowingOut":  on(flowing(element.MediaFlowingOut)),
		"getStats":           on(getStats),
		"isMediaTranscoding": onObject(func(media.Object) any { return false }),
		"setAudioFormat":     on(setFormat(media.Audio)),
		"setVideoFormat":     on(setFormat(media.Video)),
		"getGstreamerDot":    noGStreamer,
		"dumpGstreamerDot":   noGStreamer,
	}
	for _, name := range []string{"encoderBitrate", "minEncoderBitrate", "maxEncoderBitrate"} {
		maps.Copy(operations, stored(r.properties, name, 0))
	}
	return trait{operations: operations, events: []string{
		media.EventElementConnected, media.EventElementDisconnected, media.EventMediaFlowInStateChanged,
		media.EventMediaFlowOutStateChanged, eventMediaTranscodingStateChanged,
	}}
}

// eventMediaTranscodingStateChanged may be subscribed and never comes: nothing is transcoded.
const eventMediaTranscodingStateChanged = "MediaTranscodingStateChanged"

// link is connect or disconnect.
func link(r *registry, do func(element, media.Connectable, ...media.MediaType) error) operation {
	return on(func(_ context.Context, e element, p params) (any, error) {
		sink, err := named[media.Connectable](r, p, "sink", "MediaElement")
		if err != nil {
			return nil, err
		}
		kinds, err := mediaTypes(p)
		if err != nil {
			return nil, err
		}
		for _, name := range []string{"sourceMediaDescription", "sinkMediaDescription"} {
			if err := checkDescription(p, name); err != nil {
				return nil, err
			}
		}
		return nil, do(e, sink, kinds...)
	})
}

func connections(list func(...media.MediaType) []media.Connection, p params) (any, error) {
	kinds, err := mediaTypes(p)
	if err != nil {
		return nil, err
	}
	description, err := optional(p, "description", media.DefaultDescription)
	if err != nil {
		return nil, err
	}
	found := []connectionData{}
	if description == media.DefaultDescription {
		for _, c := range list(kinds...) {
			found = append(found, connectionData{Module: "kurento", Type: "ElementConnectionData", Connection: c})
		}
	}
	return found, nil
}

// mediaTypes is the parameter mediaType, none when it is missing.
func mediaTypes(p params) ([]media.MediaType, error) {
	kind, err := optional[media.MediaType](p, "mediaType", "")
	if err != nil || kind == "" {
		return nil, err
	}
	return []media.MediaType{kind}, checkMediaType("mediaType", kind)
}

// mediaTypeOf is the parameter name, which has to be there.
func mediaTypeOf(p params, name string) (media.MediaType, error) {
	kind, err := required[media.MediaType](p, name)
	if err != nil {
		return "", err
	}
	return kind, checkMediaType(name, kind)
}

func checkMediaType(name string, kind media.MediaType) error {
	if !slices.Contains([]media.MediaType{media.Audio, media.Video, media.Data}, kind) {
		return errorf(codeMarshall, "parameter '%s': '%s' is not AUDIO, VIDEO or DATA", name, kind)
	}
	return nil
}

func checkDescription(p params, name string) error {
	description, err := optional(p, name, media.DefaultDescription)
	if err == nil && description != media.DefaultDescription && description != "" {
		return errorf(codeOperationNotSupported, "parameter '%s': elements have the description 'default' only", name)
	}
	return err
}

func flowing(
	get func(element, media.MediaType) (bool, error),
) func(context.Context, element, params) (any, error) {
	return func(_ context.Context, e element, p params) (any, error) {
		kind, err := mediaTypeOf(p, "mediaType")
		if err != nil {
			return nil, err
		}
		return get(e, kind)
	}
}

// caps are the protocol's register types AudioCaps and VideoCaps as far as they matter here.
type caps struct {
	Codec string `json:"codec"`
}

// setFormat agrees to what is so already: media is forwarded as it comes, never converted.
func setFormat(kind media.MediaType) func(context.Context, element, params) (any, error) {
	return func(_ context.Context, e element, p params) (any, error) {
		wanted, err := required[caps](p, "caps")
		if err != nil {
			return nil, err
		}
		if !strings.EqualFold(e.Codec(kind), wanted.Codec) {
			return nil, errorf(codeOperationNotSupported, "not supported: media is forwarded as it comes, never converted")
		}
		return nil, nil
	}
}
