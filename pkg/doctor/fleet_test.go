package doctor_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/broker/memory"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/doctor"
	"github.com/orkestro/orkestro/pkg/mediaapi"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/pkg/testkit/mongo"
)

// Names in the fleet of these tests.
const (
	lobby   control.SessionID     = "lobby"
	ann     control.UserID        = "ann"
	annJoin control.JoinID        = "ann-1"
	media1  control.MediaServerID = "media-1"
)

// fleet is a healthy fleet of records: a session with one user on one media server, and a replica of each service.
// Tests break it.
type fleet struct {
	t      *testing.T
	store  *store.Store
	broker *memory.Broker
	server *server
}

// server is a media server as the doctor sees it.
type server struct {
	mu        sync.Mutex
	instance  control.InstanceID
	pipelines []mediaapi.FleetPipeline
	endpoints []mediaapi.FleetEndpoint
	refuses   bool
	forgetful error // the answer when it is asked for its endpoints
	looks     int
	looked    func(n int) // called when it was asked for the n-th time
}

func (s *server) Instance() control.InstanceID { return s.instance }

func (s *server) Pipelines(context.Context) ([]mediaapi.FleetPipeline, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looks++
	if s.looked != nil {
		s.looked(s.looks)
	}
	return s.pipelines, nil
}

func (s *server) Endpoints(context.Context) ([]mediaapi.FleetEndpoint, error) {
	if s.forgetful != nil {
		return nil, s.forgetful
	}
	return s.endpoints, nil
}

func newFleet(t *testing.T) *fleet {
	t.Helper()
	url, database := mongo.URL(t)
	opened, err := store.Open(t.Context(), url, database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = opened.Close(context.Background()) })
	messages := memory.New(slog.New(slog.DiscardHandler))
	t.Cleanup(func() { _ = messages.Close() })
	f := &fleet{t: t, store: opened, broker: messages, server: &server{
		instance:  "i1",
		pipelines: []mediaapi.FleetPipeline{{ID: "p1", Session: lobby, Epoch: 1}},
		endpoints: []mediaapi.FleetEndpoint{{ID: "e1", Pipeline: "p1", User: ann, Join: annJoin}},
	}}
	f.registerServer(media1, time.Now())
	f.registerReplica("wrapper", time.Now())
	f.registerReplica("restapi", time.Now())
	f.declare(message.Wrapper())
	f.subscribe(message.WrapperQueue)
	f.insert(session())
	f.serve(lobby, ann)
	f.must(opened.Presence.Begin(t.Context(), lobby, ann, time.Now()))
	return f
}

// session is the session of a healthy fleet.
func session() control.Session {
	return control.Session{
		ID: lobby, State: control.SessionActive, CreatedAt: time.Now(), CreatedBy: "r1", Epoch: 1,
		Pipeline: &control.PipelineRef{ID: "p1", Server: media1, Instance: "i1"},
		Users:    []control.User{{ID: ann, Join: annJoin, JoinedAt: time.Now()}},
		Connections: []control.Connection{{
			ID: "publish/ann", User: ann, Kind: control.Publish, Join: annJoin, Epoch: 1,
			Endpoint: control.EndpointRef{ID: "e1"}, State: control.ConnectionNew,
		}},
	}
}

func (f *fleet) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *fleet) registerServer(id control.MediaServerID, heartbeat time.Time) {
	f.t.Helper()
	f.must(f.store.MediaServers.Register(f.t.Context(), control.MediaServer{
		ID: id, Instance: "i1", URL: "ws://" + string(id), HeartbeatAt: heartbeat,
	}))
}

func (f *fleet) registerReplica(service string, heartbeat time.Time) {
	f.t.Helper()
	replicas := f.store.Wrappers
	if service == "restapi" {
		replicas = f.store.RestAPIs
	}
	f.must(replicas.Register(f.t.Context(), control.Replica{
		ID: service + "-1", Service: service, State: "ready", HeartbeatAt: heartbeat,
	}))
}

func (f *fleet) insert(s control.Session) {
	f.t.Helper()
	f.must(f.store.Sessions.Insert(f.t.Context(), s))
}

func (f *fleet) declare(q broker.Queue) {
	f.t.Helper()
	f.must(f.broker.DeclareQueue(f.t.Context(), q))
}

func (f *fleet) subscribe(queue string) {
	f.t.Helper()
	_, err := f.broker.Subscribe(f.t.Context(), queue, broker.SubscribeOptions{Concurrency: 1, MaxAttempts: 1},
		func(context.Context, broker.Delivery) error { return nil })
	f.must(err)
}

// serve makes what a session and its users have on the broker.
func (f *fleet) serve(id control.SessionID, users ...control.UserID) {
	f.t.Helper()
	f.declare(message.SessionQueue(id))
	f.subscribe(message.SessionQueue(id).Name)
	f.must(f.broker.DeclareExchange(f.t.Context(), message.SessionExchange(id)))
	for _, user := range users {
		f.declare(message.UserQueue(id, user))
		f.must(f.broker.Bind(f.t.Context(), message.UserQueue(id, user).Name, message.SessionExchange(id)))
	}
}

func (f *fleet) connect(context.Context, string) (doctor.Server, error) {
	if f.server.refuses {
		return nil, errors.New("connection refused")
	}
	return f.server, nil
}

// examine has the slow loops, which do not run here, be given up on at once.
func (f *fleet) examine() doctor.Report {
	f.t.Helper()
	report, err := doctor.Examine(f.t.Context(), doctor.Fleet{
		Store: f.store, Broker: f.broker, Survey: f.broker, Connect: f.connect,
	}, doctor.Settings{Pause: time.Millisecond})
	f.must(err)
	return report
}

// move begins to move the session to another pipeline on the same server; it is to be over at until.
func (f *fleet) move(until time.Time) {
	f.t.Helper()
	from := *session().Pipeline
	to := from
	to.ID = "p2"
	f.server.pipelines = append(f.server.pipelines, mediaapi.FleetPipeline{ID: to.ID, Session: lobby, Epoch: 2})
	f.must(f.store.Sessions.BeginRelocation(f.t.Context(), lobby, control.Relocation{
		From: from, Epoch: 1, Since: until.Add(-time.Minute), Until: until,
	}, to))
}
