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
		"stream again": {[]harness.Message{
			told("1", "stream-added", streamOfAnn), told("2", "stream-removed", streamOfAnn),
			told("3", "stream-added", streamOfAnn),
		}, 0},
	} {
		v := newView()
		for _, m := range test.messages {
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
