package app_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/bson"
	driver "go.mongodb.org/mongo-driver/mongo"
	settings "go.mongodb.org/mongo-driver/mongo/options"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/testkit/fate"
	"github.com/orkestro/orkestro/pkg/testkit/mongo"
	"github.com/orkestro/orkestro/services/restapi/app"
)

// mortalFleet is two REST replicas, of which the second dies.
type mortalFleet struct {
	*fleet
	fate *fate.Fate
	keys *driver.Collection
}

func newMortalFleet(t *testing.T) *mortalFleet {
	t.Helper()
	m := &mortalFleet{fate: &fate.Fate{}}
	var cfg app.Config
	m.fleet = newFleet(t, 1, func(c *app.Config) { cfg = *c })
	client, err := driver.Connect(t.Context(), settings.Client().ApplyURI(cfg.MongoURL))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	m.keys = client.Database(cfg.MongoDatabase).Collection("idempotency")
	cfg.ID = "mortal"
	cfg.MongoURL = mongo.Mortal(t, cfg.MongoURL, func(step string) error {
		if strings.HasSuffix(step, " restapis") || strings.HasSuffix(step, " presence") {
			return nil // it says in its own time that it and its users are there
		}
		return m.fate.Pass(step)
	})
	b := &fate.Broker{Broker: m.broker, Fate: m.fate}
	m.replicas = append(m.replicas, startReplica(t, cfg, b, slog.New(slog.DiscardHandler)))
	return m
}

// attempt is a call that is made again until it is answered.
type attempt struct {
	name   string
	method string
	path   string // %s is the session
	body   any
	header []string
	types  string // of the requests to Wrappers that come of it, "" for none
	done   int    // the status of a call for what is done already, if it is another
}

const userPath = "/v1/sessions/%s/users/ann"

func attempts() []attempt {
	key := []string{"Idempotency-Key", "key"}
	candidates := object{"epoch": 1, "candidates": []object{{"candidate": "candidate:1 1 udp 1 127.0.0.1 9 typ host", "sdpMid": "0"}}}
	description := object{"sdp": offer, "seq": 1, "epoch": 1}
	return []attempt{
		{"create", "POST", "/v1/sessions", object{"metadata": object{"a": 1}}, key, message.TypeCreateSession, 0},
		{"create with an id", "POST", "/v1/sessions", object{"id": "room-%s"}, key, message.TypeCreateSession, 0},
		{"join", "POST", "/v1/sessions/%s/users", object{"id": "new"}, key, message.TypeJoin, 0},
		{"join without an id", "POST", "/v1/sessions/%s/users", object{}, key, message.TypeJoin, 0},
		{"join again", "POST", "/v1/sessions/%s/users", object{"id": "ann"}, key, message.TypeJoin, 0},
		{"rejoin", "POST", userPath + "/rejoin", object{}, key, message.TypeJoin, 0},
		{"token", "POST", userPath + "/token", object{}, key, "", 0},
		{"message to all", "POST", userPath + "/messages", object{"type": "chat", "data": 1}, key, "", 0},
		{"message to one", "POST", userPath + "/messages", object{"type": "chat", "data": 1, "to": "ann"}, key, "", 0},
		{"publish", "PUT", userPath + "/publish", description, nil, message.TypePublish, 0},
		{"publish and wait", "PUT", userPath + "/publish", description, []string{"Prefer", "wait=5"}, message.TypePublish, 0},
		{"stop", "DELETE", userPath + "/publish", nil, nil, message.TypeUnpublish, 0},
		{"candidates", "POST", userPath + "/publish/candidates", candidates, key, message.TypeAddCandidates, 0},
		{"answer", "PUT", userPath + "/subscribe", description, nil, message.TypeSubscribeAnswer, 0},
		{"ask for an offer", "POST", userPath + "/subscribe/offer", object{"epoch": 1}, key, message.TypeRequestOffer, 0},
		{"unsubscribe", "DELETE", userPath + "/subscribe", nil, nil, message.TypeUnsubscribe, 0},
		{"subscriptions", "PUT", userPath + "/subscriptions", object{"mode": "all"}, nil, message.TypeSetSubscriptions, 0},
		{"leave", "DELETE", userPath, nil, nil, message.TypeLeave, http.StatusNotFound},
		{"close", "DELETE", "/v1/sessions/%s", nil, nil, message.TypeCloseSession, http.StatusGone},
	}
}

// TestRestAPI_DiesAtEveryStep kills the replica that handles a call before and after each of its writes and messages. The
// client makes the call again at another replica: it is answered as the first would have been, and has happened once.
// PUT and DELETE say how things are to be; that Wrappers act once on two requests for the same is for their own tests.
func TestRestAPI_DiesAtEveryStep(t *testing.T) {
	for _, a := range attempts() {
		t.Run(a.name, func(t *testing.T) {
			m := newMortalFleet(t)
			want, happened, steps := m.make(a, fate.Never)
			if steps == 0 {
				t.Skip("it changes nothing")
			}
			for at := range steps {
				got, again, _ := m.make(a, at)
				if a.done != 0 && got["status"] == float64(a.done) {
					continue // the one that died had done it
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("died at step %d of %d: (-want +got)\n%s", at, steps, diff)
				}
				if again != happened && a.method == http.MethodPost { // others may be asked twice for what is so then
					t.Errorf("died at step %d of %d: it happened %s, not %s", at, steps, again, happened)
				}
			}
		})
	}
}

// make makes a call in a session of its own: at the mortal replica, and if that dies, at the other one. happened is how
// many requests and messages came of it, each counted once.
func (m *mortalFleet) make(a attempt, at int) (answered map[string]any, happened string, steps int) {
	m.tb.Helper()
	session := m.session()
	m.user(session, "ann")
	before := m.ids(session)
	call := func(replica int) answer {
		body := a.body
		if o, is := body.(object); is && o["id"] == "room-%s" {
			body = object{"id": "room-" + session}
		}
		header := append([]string{}, a.header...)
		if len(header) > 0 && header[1] == "key" {
			header[1] = session // a key of its own
		}
		return m.callAt(replica, apiKey, a.method, strings.Replace(a.path, "%s", session, 1), body, header...)
	}
	m.fate.Live(at, fate.Die)
	last := call(1)
	ended := m.fate.Ended()
	steps = len(m.fate.Over())
	if ended {
		m.endLeases()
		last = call(0)
	}
	var requests, messages int
	for id, kind := range m.ids(session) {
		switch {
		case before[id] != "":
		case kind == a.types:
			requests++
		case kind == message.UserTypeMessage:
			messages++
		}
	}
	return m.comparable(session, last), fmt.Sprintf("%d requests, %d messages", requests, messages), steps
}

// endLeases lets the time pass after which somebody else may handle a call whose replica died.
func (m *mortalFleet) endLeases() {
	m.tb.Helper()
	_, err := m.keys.UpdateMany(m.tb.Context(), bson.M{"response": nil}, bson.M{"$set": bson.M{"leaseTo": time.UnixMilli(0)}})
	if err != nil {
		m.tb.Fatal(err)
	}
}

// ids is the types of all requests so far, and of the messages to ann, by their ids.
func (m *mortalFleet) ids(session string) map[string]string {
	m.tb.Helper()
	ids := map[string]string{}
	for _, r := range m.wrapper.all() {
		ids[r.ID] = r.Type
	}
	queue := message.UserQueue(control.SessionID(session), "ann").Name
	fence := broker.Message{ID: control.NewID(), Type: "fence"}
	if err := m.broker.Send(m.tb.Context(), queue, fence); err != nil {
		return ids // ann is gone
	}
	box, err := m.broker.OpenMailbox(m.tb.Context(), queue, 100)
	if err != nil {
		m.tb.Fatal(err)
	}
	defer func() { _ = box.Close() }()
	for d := range box.Deliveries() {
		if d.ID == fence.ID {
			break
		}
		ids[d.ID] = d.Type
	}
	return ids
}

// comparable is an answer without what is another each time.
func (m *mortalFleet) comparable(session string, a answer) map[string]any {
	m.tb.Helper()
	text := strings.ReplaceAll(string(a.body), session, "SESSION")
	body := map[string]any{}
	if text != "" {
		if err := json.Unmarshal([]byte(text), &body); err != nil {
			m.tb.Fatalf("%s: %v", text, err)
		}
	}
	for _, key := range []string{"token", "expiresAt", "createdAt", "id", "sdp", "instance"} {
		if _, found := body[key]; found {
			body[key] = key
		}
	}
	if user, found := body["user"].(map[string]any); found {
		user["joinedAt"] = "joinedAt"
		if _, named := user["id"].(string); named && len(user["id"].(string)) == len(control.NewID()) {
			user["id"] = "id"
		}
	}
	body["status"] = float64(a.status)
	return body
}
