package main

import (
	"encoding/json"
	"testing"

	"github.com/orkestro/orkestro/tests/harness"
)

func told(id, kind, data string) harness.Message {
	return harness.Message{ID: id, Type: kind, Session: "s", Data: json.RawMessage(data)}
}

const (
	annJoined   = `{"user":{"id":"ann","joinedAt":"1"}}`
	annAgain    = `{"user":{"id":"ann","joinedAt":"2"}}`
	streamOfAnn = `{"stream":{"id":"x","user":"ann","state":"active"}}`
)

// TestView_Twice has what is told twice found, and what happens twice not.
func TestView_Twice(t *testing.T) {
	for name, test := range map[string]struct {
		messages []harness.Message
		faults   int
	}{
		"joined once": {[]harness.Message{told("1", "user-joined", annJoined)}, 0},
		"joined twice": {[]harness.Message{
			told("1", "user-joined", annJoined), told("2", "user-joined", annJoined),
		}, 1},
		"came back": {[]harness.Message{
			told("1", "user-joined", annJoined), told("2", "user-left", annJoined), told("3", "user-joined", annAgain),
		}, 0},
		"stream twice": {[]harness.Message{
			told("1", "stream-added", streamOfAnn), told("2", "stream-added", streamOfAnn),
		}, 1},
		"reconnect twice": {[]harness.Message{
			told("1", "reconnect", `{"epoch":2}`), told("2", "reconnect", `{"epoch":2}`), told("3", "reconnect", `{"epoch":3}`),
		}, 1},
		"left twice": {[]harness.Message{
			told("1", "user-joined", annJoined), told("2", "user-left", annJoined), told("3", "user-left", annJoined),
		}, 1},
		"stream again": {[]harness.Message{
			told("1", "stream-added", streamOfAnn), told("2", "stream-removed", streamOfAnn),
			told("3", "stream-added", streamOfAnn),
		}, 0},
	} {
		v := newView()
		for _, m := range append([]harness.Message{told("0", "joined", `{}`)}, test.messages...) {
			v.take(m)
		}
		if len(v.faults) != test.faults {
			t.Errorf("%s: %v", name, v.faults)
		}
	}
}

func TestView_KnowsWhoIsThere(t *testing.T) {
	v := newView()
	v.take(told("1", "stream-added", streamOfAnn)) // overtook its user
	v.take(told("2", "user-joined", annJoined))
	if v.of("ann") != "x" {
		t.Errorf("after joining: %s", v)
	}
	v.take(told("3", "stream-removed", streamOfAnn))
	if v.of("ann") != "" || v.String() != `["ann:"]` {
		t.Errorf("after stopping: %s", v)
	}
	v.take(told("4", "sync", `{"users":[{"id":"ben","streams":[{"id":"y","user":"ben","state":"paused"}]}],"epoch":3}`))
	if v.String() != `["ben: y paused"]` || v.epoch != 3 {
		t.Errorf("after a sync: %s, epoch %d", v, v.epoch)
	}
}

// TestView_Place has messages found that come before the first or after the last.
func TestView_Place(t *testing.T) {
	joined, sync, closed := told("1", "joined", `{}`), told("2", "sync", `{}`), told("3", "session-closed", `{}`)
	for name, test := range map[string]struct {
		messages []harness.Message
		faults   int
	}{
		"in order":    {[]harness.Message{joined, sync, closed}, 0},
		"not joined":  {[]harness.Message{sync, joined, closed}, 1},
		"a word more": {[]harness.Message{joined, closed, sync}, 1},
	} {
		v := newView()
		for _, m := range test.messages {
			v.take(m)
		}
		if len(v.faults) != test.faults || v.joins != 1 {
			t.Errorf("%s: %v, joined %d times", name, v.faults, v.joins)
		}
	}
}
