package control

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/orkestro/orkestro/pkg/jsonrpc"
	"github.com/orkestro/orkestro/pkg/logging"
	"github.com/orkestro/orkestro/pkg/mediaapi"
	"github.com/orkestro/orkestro/services/mediaserver/internal/media"
)

// OnEvent passes an event on to the sessions that subscribed to it. It does not block.
func (s *Server) OnEvent(e media.Event) {
	t := topic{e.Object.ID(), e.Type}
	source := e.Object
	switch e.Type {
	case media.EventObjectCreated:
		t.object, source = mediaapi.ServerManagerID, s.objects.manager
	case media.EventObjectDestroyed:
		s.objects.forget(e.Object.ID())
		t.object, source = mediaapi.ServerManagerID, s.objects.manager
	}
	if !s.sessions.subscribed(t) {
		return
	}
	frame, err := encodeEvent(source, e)
	if err != nil {
		s.log.Error("event cannot be encoded", logging.KeyType, e.Type, logging.KeyError, err)
		return
	}
	s.sessions.deliver(t, frame)
}

type eventValue struct {
	Object string         `json:"object"`
	Type   string         `json:"type"`
	Data   map[string]any `json:"data"`
}

// encodeEvent writes an onEvent notification.
func encodeEvent(source media.Object, e media.Event) ([]byte, error) {
	data, err := fields(e.Data)
	if err != nil {
		return nil, fmt.Errorf("event %s: %w", e.Type, err)
	}
	data["source"] = source.ID()
	data["type"] = e.Type
	data["timestampMillis"] = strconv.FormatInt(e.Time.UnixMilli(), 10) // a string, so says the protocol
	data["tags"] = []tag{}
	if source.Meta().SendTagsInEvents() {
		data["tags"] = tagsOf(source)
	}
	if failure, ok := e.Data.(media.ErrorRaised); ok {
		data["type"] = failure.Type // the event Error has a member of its own under this name
	}
	return jsonrpc.EncodeNotification("onEvent", map[string]eventValue{
		"value": {Object: source.ID(), Type: e.Type, Data: data},
	})
}

// fields are the members that an event has of its own.
func fields(data any) (map[string]any, error) {
	members := map[string]any{}
	if data == nil {
		return members, nil
	}
	raw, err := json.Marshal(data)
	if err != nil {
		return nil, err
	}
	return members, json.Unmarshal(raw, &members)
}
