package announce_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/services/mediaserver/internal/media"
)

// What is sent of the streams concerns one user, who speaks everybody; of both, only the last counts.
func TestEvents_TellQualityAndSpeakers(t *testing.T) {
	server, s := newServer(t), &sender{}
	s.set(broker.ErrUnavailable)
	events, e := run(t, s), endpoint(t, server, "a")
	pipeline := e.Parent()
	quality := control.StreamQuality{ID: "s", Layer: 1, Layers: 3, Limit: control.LimitedByBandwidth}
	for n := int64(1); n <= 3; n++ {
		events.OnEvent(media.Event{
			Object: e, Type: media.EventQualityChanged, Time: time.Now(),
			Data: media.QualityChanged{Number: n, Bandwidth: 5, Streams: []control.StreamQuality{quality}},
		})
		events.OnEvent(media.Event{
			Object: pipeline, Type: media.EventSpeakersChanged, Time: time.Now(),
			Data: media.SpeakersChanged{Number: n, Streams: []control.StreamID{"s"}},
		})
	}
	s.set(nil)
	last := map[string]broker.Message{}
	for _, m := range s.wait(t, 4) { // of each, the first was on its way
		last[m.Type] = m
	}
	var toUser message.MediaQuality
	var toAll message.MediaSpeakers
	for kind, into := range map[string]any{message.TypeMediaQuality: &toUser, message.TypeMediaSpeakers: &toAll} {
		if err := json.Unmarshal(last[kind].Body, into); err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
	}
	if toUser.User != "a" || toUser.Endpoint != e.ID() || toUser.Number != 3 || toUser.Bandwidth != 5 {
		t.Errorf("quality %+v", toUser)
	}
	if diff := cmp.Diff([]control.StreamQuality{quality}, toUser.Streams); diff != "" {
		t.Error(diff)
	}
	want := message.MediaSpeakers{Epoch: 1, Pipeline: pipeline.ID(), Number: 3, Streams: []control.StreamID{"s"}}
	if diff := cmp.Diff(want, toAll); diff != "" {
		t.Error(diff)
	}
}
