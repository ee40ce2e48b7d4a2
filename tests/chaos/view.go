package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/orkestro/orkestro/tests/harness"
)

// stream and person are what messages and the API say of a stream and a user.
type stream struct {
	ID    string `json:"id"`
	User  string `json:"user"`
	State string `json:"state"`
}

type person struct {
	ID       string   `json:"id"`
	JoinedAt string   `json:"joinedAt"`
	Streams  []stream `json:"streams"`
}

// view is a session as one user has been told of it, kept the way the SDKs do.
type view struct {
	streams map[string]map[string]stream // by user and id
	early   map[string]stream            // of users that are not known yet
	told    map[string]string            // what was told of already, by what it is: the message
	epoch   int64
	marked  int64 // the latest epoch that a message, of whatever type, was marked with
	joins   int   // how often it was told that it has joined
	any     bool
	closed  bool
	faults  []fault
}

func newView() *view {
	return &view{
		streams: map[string]map[string]stream{}, early: map[string]stream{}, told: map[string]string{},
	}
}

// take takes one message.
func (v *view) take(m harness.Message) {
	v.checkPlace(m)
	var data struct {
		Users  []person `json:"users"`
		User   person   `json:"user"`
		Stream stream   `json:"stream"`
		Epoch  int64    `json:"epoch"`
		Reason string   `json:"reason"`
	}
	if m.Type == "message" || json.Unmarshal(m.Data, &data) != nil {
		return
	}
	switch m.Type {
	case "joined", "sync":
		v.epoch = max(v.epoch, data.Epoch)
		v.replace(data.Users)
	case "reconnect":
		if data.Reason != "stale-epoch" { // which answers a request
			v.once(m, "reconnect", strconv.FormatInt(data.Epoch, 10), "")
		}
		v.epoch = max(v.epoch, data.Epoch)
	case "user-joined":
		v.once(m, "user-joined", data.User.ID, data.User.JoinedAt)
		v.join(data.User)
	case "user-left":
		v.once(m, "user-left", data.User.ID, data.User.JoinedAt)
		delete(v.streams, data.User.ID)
	case "stream-added":
		v.once(m, "stream-added", data.Stream.ID, "")
		v.put(data.Stream)
	case "stream-updated": // one that was removed does not come back
		if _, known := v.streams[data.Stream.User][data.Stream.ID]; known || v.early[data.Stream.ID].ID != "" {
			v.put(data.Stream)
		}
	case "stream-removed":
		delete(v.told, "stream-added "+data.Stream.ID+" ")
		delete(v.streams[data.Stream.User], data.Stream.ID)
		delete(v.early, data.Stream.ID)
	}
}

// checkPlace finds messages that came before the one that has to be first, joined, and after the last, session-closed.
func (v *view) checkPlace(m harness.Message) {
	switch {
	case !v.any && m.Type != "joined":
		v.faults = append(v.faults, fault{"order", fmt.Sprintf("session %s: %s %s came before joined", m.Session, m.Type, m.ID)})
	case v.closed:
		v.faults = append(v.faults, fault{"order", fmt.Sprintf("session %s: %s %s came after the end", m.Session, m.Type, m.ID)})
	}
	v.any = true
	v.marked = max(v.marked, m.Epoch)
	v.closed = v.closed || m.Type == "session-closed"
	if m.Type == "joined" {
		v.joins++
	}
}

// once finds out whether the same is told twice, under different ids.
func (v *view) once(m harness.Message, what, id, life string) {
	key := what + " " + id + " " + life
	if before, found := v.told[key]; found {
		v.faults = append(v.faults, fault{"twice", fmt.Sprintf(
			"session %s: %s came as %s and, at %s, as %s", m.Session, key, before, clock(m.Time), m.ID)})
	}
	v.told[key] = m.ID
}

func (v *view) replace(users []person) {
	v.streams = map[string]map[string]stream{}
	for key := range v.told {
		if len(key) > 12 && key[:12] == "stream-added" {
			delete(v.told, key)
		}
	}
	for _, u := range users {
		v.join(u)
	}
}

func (v *view) join(u person) {
	if v.streams[u.ID] == nil {
		v.streams[u.ID] = map[string]stream{}
	}
	for _, s := range u.Streams {
		v.streams[u.ID][s.ID] = s
	}
	for id, s := range v.early {
		if s.User == u.ID {
			v.streams[u.ID][id] = s
			delete(v.early, id)
		}
	}
}

func (v *view) put(s stream) {
	if user, found := v.streams[s.User]; found {
		user[s.ID] = s
	} else {
		v.early[s.ID] = s
	}
}

// of is the id of the one stream of a user, "" if there is none.
func (v *view) of(user string) string {
	for id := range v.streams[user] {
		return id
	}
	return ""
}

// String lists everybody with their streams, so that two views can be compared.
func (v *view) String() string { return describe(v.streams) }

func describe(users map[string]map[string]stream) string {
	var lines []string
	for _, user := range slices.Sorted(maps.Keys(users)) {
		line := user + ":"
		for _, id := range slices.Sorted(maps.Keys(users[user])) {
			line += " " + id + " " + users[user][id].State
		}
		lines = append(lines, line)
	}
	return fmt.Sprintf("%q", lines)
}
