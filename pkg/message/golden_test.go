package message_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
)

// release is the one whose messages -update writes: that which is being made. The files of those before stay as they
// are. They are what an older release sends while two run beside each other.
const release = "v0.5"

var update = flag.Bool("update", false, "write the golden messages of this release")

// golden is a message of each type as a release writes it: requests and media events by their type, results under
// "result-", user messages under "user-".
func golden() map[string]any {
	return merge(goldenRequests(), goldenEvents(), goldenResults(), goldenUserMessages())
}

func merge(parts ...map[string]any) map[string]any {
	all := map[string]any{}
	for _, part := range parts {
		maps.Copy(all, part)
	}
	return all
}

var (
	at    = time.Date(2026, 7, 1, 12, 0, 0, 5e6, time.UTC)
	ann   = message.Presence{User: "ann", Join: "join"}
	rules = control.Permissions{Publish: true, Subscribe: true, Message: true}
)

const offer = "offer camera:audio,video"

func candidates() []control.Candidate {
	mid, line, fragment := "0", uint16(0), "frag"
	return []control.Candidate{{
		Candidate: "candidate:1 1 udp 2130706431 192.0.2.1 5000 typ host", SDPMid: &mid, SDPMLineIndex: &line,
		UsernameFragment: &fragment,
	}}
}

func goldenRequests() map[string]any {
	layer := 1
	return map[string]any{
		message.TypeCreateSession: message.CreateSession{
			ID: "s", Metadata: `{"a":1}`, MaxUsers: 5, EmptyTimeout: 5 * time.Minute, Actor: "key:ops",
		},
		message.TypeJoin:    message.Join{User: "ann", Name: "Ann", Metadata: `{"b":[2]}`, Permissions: rules},
		message.TypePublish: message.Publish{Presence: ann, Epoch: 1, Seq: 1, SDP: offer},
		message.TypeAddCandidates: message.AddCandidates{
			Presence: ann, Kind: control.Publish, Epoch: 1, Candidates: candidates(), End: true,
		},
		message.TypePauseStream: message.PauseStream{
			Presence: ann, Stream: control.StreamIDFor("ann", "camera"), Paused: true, Kinds: []string{"video"},
		},
		message.TypeSetSubscriptions: message.SetSubscriptions{Presence: ann, Subscriptions: control.Subscriptions{
			Mode: control.SubscribeList, Streams: []control.Subscription{{ID: "x", Kinds: []string{"audio"}, MaxLayer: &layer}},
		}},
		message.TypeSubscribeAnswer: message.SubscribeAnswer{Presence: ann, Epoch: 1, Seq: 1, SDP: "answer"},
		message.TypeRequestOffer:    message.RequestOffer{Presence: ann, Epoch: 1, Fresh: true, ICERestart: true},
		message.TypeUnsubscribe:     ann,
		message.TypeUnpublish:       message.Unpublish{Presence: ann, UpTo: 1},
		message.TypeView: message.View{
			Viewer: "viewer", Of: control.ViewOf{User: "ann"}, Seq: 1, SDP: offer,
		},
		message.TypeEndView:      message.EndView{Viewer: "viewer"},
		message.TypeSync:         ann,
		message.TypeQueueFull:    struct{}{},
		message.TypeRebuild:      message.Rebuild{Epoch: 1, Pipeline: "pipeline-1", Gone: true, Reason: "server-down"},
		message.TypeRelocate:     message.Relocate{Epoch: 1, Pipeline: "pipeline-1", Reason: "drain"},
		message.TypeLeave:        message.Leave{Presence: ann, Reason: "timeout", Actor: "wrapper:w", SeenAt: at},
		message.TypeCloseSession: message.CloseSession{Reason: "deleted", Actor: "key:ops"},
	}
}

func goldenEvents() map[string]any {
	about := func(kind control.ConnectionKind, endpoint string) message.EndpointEvent {
		return message.EndpointEvent{Presence: ann, Kind: kind, Epoch: 1, Pipeline: "pipeline-1", Endpoint: endpoint}
	}
	return map[string]any{
		message.TypeMediaOffer: message.MediaOffer{
			EndpointEvent: about(control.Subscribe, "subscribe-ann"), Seq: 1, SDP: "offer of the server",
		},
		message.TypeMediaState: message.MediaState{
			EndpointEvent: about(control.Subscribe, "subscribe-ann"), Number: 1, State: control.ConnectionConnected,
		},
		message.TypeMediaCandidate: message.MediaCandidate{
			EndpointEvent: about(control.Subscribe, "subscribe-ann"), Candidate: &candidates()[0], End: false,
		},
		message.TypeMediaQuality: message.MediaQuality{
			EndpointEvent: about(control.Subscribe, "subscribe-ann"), Number: 1, Bandwidth: 1e6,
			Streams: []control.StreamQuality{{ID: "x", Layer: 1, Layers: 3, Limit: control.LimitedByBandwidth}},
		},
		message.TypeMediaSpeakers: message.MediaSpeakers{
			Epoch: 1, Pipeline: "pipeline-1", Number: 1, Streams: []control.StreamID{control.StreamIDFor("ann", "camera")},
		},
	}
}

func goldenUser() control.User {
	return control.User{
		ID: "ann", Name: "Ann", Metadata: `{"b":[2]}`, State: control.UserJoined, JoinedAt: at, Join: "join",
		Permissions: rules, Streams: []control.Stream{goldenStream()},
	}
}

func goldenStream() control.Stream {
	return control.Stream{
		ID: "x", User: "ann", Kinds: []string{"audio", "video"}, State: control.StreamActive, PausedKinds: []string{"video"},
	}
}

func goldenResults() map[string]any {
	joined, _ := json.Marshal(message.Joined{User: goldenUser(), Rejoined: true, Epoch: 1})
	return map[string]any{
		"result-" + message.TypeCreateSession: message.SessionCreated{Session: control.Session{
			ID: "s", State: control.SessionActive, CreatedAt: at, Metadata: `{"a":1}`, MaxUsers: 5,
			Pipeline: &control.PipelineRef{ID: "pipeline-1", Server: "m"}, Users: []control.User{goldenUser()},
		}},
		"result-" + message.TypePublish: message.Answered{Epoch: 1, Seq: 1, SDP: "answer 1"},
		message.TypeReply:               message.Reply{Result: joined},
		"result-refused": message.Reply{
			Code: control.CodeNoCapacity, Detail: "no media server is registered", RetryAfterMS: 2000,
		},
		message.TypeTakeMailbox: message.TakeMailbox{Session: "s", User: "ann", Replica: "r"},
	}
}

func goldenUserMessages() map[string]any {
	user, stream, servers := message.NewUser(goldenUser()), message.StreamData{Stream: goldenStream()}, []control.ICEServer{
		{URLs: []string{"turn:192.0.2.1"}, Username: "u", Credential: "c"},
	}
	data := map[string]any{
		message.UserTypeJoined: message.JoinedData{
			User: user, Users: []message.User{user}, ICEServers: servers, Epoch: 1,
		},
		message.UserTypeSync: message.SyncData{
			Users: []message.User{user}, ICEServers: servers, Epoch: 1, Connections: []message.SyncConnection{
				{Kind: control.Subscribe, Seq: 1, State: control.ConnectionNew, Offer: "offer"},
			},
		},
		message.UserTypeUserJoined:    message.UserJoinedData{User: user},
		message.UserTypeUserLeft:      message.UserLeftData{User: user, Reason: "left"},
		message.UserTypeStreamAdded:   stream,
		message.UserTypeStreamUpdated: stream,
		message.UserTypeStreamRemoved: stream,
		message.UserTypeAnswer:        message.SDPData{Connection: control.Publish, Seq: 1, Epoch: 1, SDP: "answer"},
		message.UserTypeOffer:         message.SDPData{Connection: control.Subscribe, Seq: 1, Epoch: 1, SDP: "offer"},
		message.UserTypeCandidate: message.CandidateData{
			Connection: control.Subscribe, Epoch: 1, Candidate: &candidates()[0],
		},
		message.UserTypeConnectionState: message.ConnectionStateData{
			Connection: control.Publish, Epoch: 1, State: control.ConnectionConnected,
		},
		message.UserTypeConnectionFailed: message.ConnectionFailedData{Connection: control.Publish, Epoch: 1, Retry: true},
		message.UserTypeDisconnected:     message.EpochData{Epoch: 1, Reason: "server-down"},
		message.UserTypeReconnect:        message.EpochData{Epoch: 2, Reason: "server-down"},
		message.UserTypeICEServers:       message.ICEServersData{ICEServers: servers},
		message.UserTypeQuality: message.QualityData{
			Epoch: 1, Seq: 1, Bandwidth: 1e6,
			Streams: []control.StreamQuality{{ID: "x", Layer: 1, Layers: 3, Limit: control.LimitedByMaxLayer}},
		},
		message.UserTypeSpeakers: message.SpeakersData{
			Epoch: 1, Seq: 1, Speakers: []message.Speaker{{User: "ann", Stream: "x"}},
		},
		message.UserTypeMessage:       message.ApplicationData{Type: "chat", Data: json.RawMessage(`{"text":"hi"}`), To: "ben"},
		message.UserTypeError:         message.ErrorData{Code: control.CodeInvalid, Detail: "that is no SDP", Request: "r"},
		message.UserTypeSessionClosed: message.SessionClosedData{Reason: "deleted"},
	}
	messages := map[string]any{"user-message-envelope": message.UserMessage{
		ID: "i", Type: message.UserTypeReconnect, Time: message.Time(at), Session: "s", From: "ann", Epoch: 2,
		Data: json.RawMessage(`{"epoch":2,"reason":"server-down"}`),
	}}
	for kind, d := range data {
		messages["user-"+kind] = d
	}
	return messages
}

func goldenFile(release, name string) string {
	return filepath.Join("testdata", "golden", release, name+".json")
}

// TestGolden_OfThisRelease compares what is written now with the golden messages of the release that is being made:
// fields may be added, and nothing else.
func TestGolden_OfThisRelease(t *testing.T) {
	for name, value := range golden() {
		text, err := json.MarshalIndent(value, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, '\n')
		file := goldenFile(release, name)
		if *update {
			if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatalf("%v: a message of a new type is sent under a higher version, and added with -update", err)
		}
		if lost := lostOf(t, want, value); len(lost) > 0 {
			t.Errorf("%s is written with another %v than %s:\n%s", name, lost, file, text)
		}
	}
}

// TestGolden_OfOlderReleases reads the messages of older releases into today's types: everything that they said is
// there and means the same.
func TestGolden_OfOlderReleases(t *testing.T) {
	files, err := filepath.Glob(goldenFile("*", "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("golden messages: %v, %v", files, err)
	}
	today := golden()
	for _, file := range files {
		name := filepath.Base(file[:len(file)-len(".json")])
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		known, found := today[name]
		if !found {
			t.Errorf("%s: there is no such message any more", file)
			continue
		}
		value := reflect.New(reflect.TypeOf(known))
		strict := json.NewDecoder(bytes.NewReader(text))
		strict.DisallowUnknownFields()
		if err := strict.Decode(value.Interface()); err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if lost := lostOf(t, text, value.Interface()); len(lost) > 0 {
			t.Errorf("%s: today's type has another %v", file, lost)
		}
	}
}

// lostOf names the fields of a JSON text that a value does not have, or has otherwise.
func lostOf(t *testing.T, text []byte, value any) []string {
	t.Helper()
	again, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var said, kept any
	if err := json.Unmarshal(text, &said); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(again, &kept); err != nil {
		t.Fatal(err)
	}
	return missing("", said, kept)
}

// missing is where kept is not what was said; that it holds more is no matter.
func missing(path string, said, kept any) (paths []string) {
	switch said := said.(type) {
	case map[string]any:
		kept, _ := kept.(map[string]any)
		for _, key := range slices.Sorted(maps.Keys(said)) {
			paths = append(paths, missing(path+"."+key, said[key], kept[key])...)
		}
		return paths
	case []any:
		kept, _ := kept.([]any)
		if len(kept) == len(said) {
			for i := range said {
				paths = append(paths, missing(fmt.Sprintf("%s[%d]", path, i), said[i], kept[i])...)
			}
			return paths
		}
	}
	if !reflect.DeepEqual(said, kept) {
		paths = append(paths, path)
	}
	return paths
}
