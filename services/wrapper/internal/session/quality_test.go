package session_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/services/wrapper/internal/session"
)

func TestMediaQuality_IsForItsUserAlone(t *testing.T) {
	w := newWorld(t)
	w.create(0)
	a := w.join("a")
	w.join("b")
	event := w.subscribeEvent(a)
	w.told("a")
	w.told("b")
	streams := []control.StreamQuality{{ID: "s", Layer: 0, Layers: 3, Limit: control.LimitedByBandwidth}}
	must(t, w.twice(func(s *session.Service) error {
		return s.MediaQuality(w.ctx, request("q"), message.MediaQuality{
			EndpointEvent: event, Number: 7, Bandwidth: 300_000, Streams: streams,
		})
	}))
	got := w.told("a")
	wantTypes(t, got, "quality")
	if others := w.told("b"); len(others) > 0 {
		t.Errorf("others are told: %v", others)
	}
	var data message.QualityData
	must(t, json.Unmarshal(got[0].Data, &data))
	want := message.QualityData{Epoch: 1, Seq: 7, Bandwidth: 300_000, Streams: streams}
	if diff := cmp.Diff(want, data); diff != "" {
		t.Error(diff)
	}
}

// What is said of a pipeline that has been replaced, or of a stream that is gone, concerns nobody.
func TestMediaSpeakers_AreThoseWhoArePresent(t *testing.T) {
	w := newWorld(t)
	w.create(0)
	a := w.join("a")
	w.join("b")
	w.publish(a, 1, "offer cam:audio")
	stream := control.StreamIDFor("a", "cam")
	pipeline := w.session().Pipeline.ID
	w.told("b")
	speak := func(id string, epoch int64, streams ...control.StreamID) {
		t.Helper()
		must(t, w.twice(func(s *session.Service) error {
			return s.MediaSpeakers(w.ctx, request(id), message.MediaSpeakers{
				Epoch: epoch, Pipeline: pipeline, Number: 3, Streams: streams,
			})
		}))
	}
	speak("old", 0, stream)
	if told := w.told("b"); len(told) > 0 {
		t.Errorf("told of another epoch: %v", told)
	}
	speak("now", 1, "gone", stream)
	got := w.told("b")
	wantTypes(t, got, "speakers")
	var data message.SpeakersData
	must(t, json.Unmarshal(got[0].Data, &data))
	want := message.SpeakersData{Epoch: 1, Seq: 3, Speakers: []message.Speaker{{User: "a", Stream: stream}}}
	if diff := cmp.Diff(want, data); diff != "" {
		t.Error(diff)
	}
	speak("nobody", 1)
	wantTypes(t, w.told("b"), "speakers")
}
