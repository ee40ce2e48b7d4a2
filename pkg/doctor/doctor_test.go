package doctor_test

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/doctor"
	"github.com/orkestro/orkestro/pkg/mediaapi"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/pkg/testkit/mongo"
)

func TestExamine_Healthy(t *testing.T) {
	report := newFleet(t).examine()
	if !report.Healthy() || report.Looks != 1 || len(report.Findings) != 0 {
		t.Fatalf("not healthy at the first look: %+v", report)
	}
	for _, check := range report.Checks {
		if check.Examined == 0 && check.Name != "dead-letters" {
			t.Errorf("%s examined nothing", check.Name)
		}
		if check.Left != "" {
			t.Errorf("%s left %s", check.Name, check.Left)
		}
	}
}

// A user that WHIP brought in polls no queue, and has none, even while its connection is not up.
func TestExamine_NoQueueOfWHIP(t *testing.T) {
	f := newFleet(t)
	f.must(f.broker.DeleteQueue(t.Context(), message.UserQueue(lobby, ann).Name))
	ann := session().Users[0]
	ann.Protocol = control.ProtocolWHIP
	f.must(f.store.Sessions.Rejoin(t.Context(), lobby, ann.Join, ann, true))
	if report := f.examine(); !report.Healthy() {
		t.Errorf("found %+v", report.Findings)
	}
}

// A session that is being moved has two pipelines, and connections in both.
func TestExamine_HealthyWhileASessionMoves(t *testing.T) {
	f := newFleet(t)
	f.move(time.Now().Add(time.Minute))
	if report := f.examine(); !report.Healthy() {
		t.Errorf("found %+v", report.Findings)
	}
}

// breakage is one way to break a fleet, and what is to be found then, about what.
type breakage struct {
	problem doctor.Problem
	object  string
	cause   func(f *fleet)
}

func TestExamine_FindsWhatIsBroken(t *testing.T) {
	for _, b := range slices.Concat(brokenRecords(), brokenSessions(), brokenMedia(), brokenQueues()) {
		t.Run(string(b.problem)+" "+b.object, func(t *testing.T) {
			f := newFleet(t)
			b.cause(f)
			report := f.examine()
			at := slices.IndexFunc(report.Findings, func(found doctor.Finding) bool {
				return found.Problem == b.problem && found.Object == b.object
			})
			if at < 0 || report.Healthy() {
				t.Fatalf("not found; found are %+v", report.Findings)
			}
			if found := report.Findings[at]; found.Detail == "" || found.Meaning == "see the detail" || found.Advice == "" {
				t.Errorf("says too little: %+v", found)
			}
			if len(report.Findings) > 1+b.follows() {
				t.Errorf("found more than that: %+v", report.Findings)
			}
		})
	}
}

// follows is how many other findings the same cause is bound to have.
func (b breakage) follows() int {
	switch b.problem {
	case doctor.ProblemServerDown: // and the session there
		return 1
	case doctor.ProblemStale, doctor.ProblemUnready: // and there is no other
		return 1
	default:
		return 0
	}
}

func brokenRecords() []breakage {
	old := time.Now().Add(-time.Minute)
	return []breakage{
		{doctor.ProblemServerDown, "server:media-1", func(f *fleet) {
			f.must(f.store.MediaServers.SetStatus(f.t.Context(), media1, "i1", control.StatusDown))
		}},
		{doctor.ProblemServerUnreachable, "server:media-1", func(f *fleet) { f.server.refuses = true }},
		{doctor.ProblemServerReplaced, "server:media-1", func(f *fleet) { f.server.instance = "i2" }},
		{doctor.ProblemStale, "server:media-1", func(f *fleet) { f.registerServer(media1, old) }},
		{doctor.ProblemStale, "wrapper:wrapper-1", func(f *fleet) { f.registerReplica("wrapper", old) }},
		{doctor.ProblemNoReplica, "fleet", func(f *fleet) {
			f.must(f.store.RestAPIs.Remove(f.t.Context(), "restapi-1"))
		}},
		{doctor.ProblemUnready, "restapi:restapi-1", func(f *fleet) {
			f.must(f.store.RestAPIs.SetState(f.t.Context(), "restapi-1", control.ReplicaUnready))
		}},
		{doctor.ProblemClockSkew, "restapi:restapi-1", func(f *fleet) {
			f.registerReplica("restapi", time.Now().Add(time.Minute))
		}},
		{doctor.ProblemClockSkew, "wrapper:wrapper-1", func(f *fleet) { // it goes on, but in the past
			f.server.looked = func(n int) { f.registerReplica("wrapper", old.Add(time.Duration(n)*time.Second)) }
			f.registerReplica("wrapper", old)
			f.registerReplicaNamed("wrapper-2")
			f.subscribe(message.WrapperQueue)
		}},
		{doctor.ProblemDead, "queue:orkestro.dead", func(f *fleet) {
			f.declare(message.DeadLetter())
			f.must(f.broker.Send(f.t.Context(), broker.DeadLetterQueue, broker.Message{ID: "m"}))
		}},
	}
}

func brokenSessions() []breakage {
	now := time.Now()
	return []breakage{
		{doctor.ProblemStuckClosing, "session:closing", func(f *fleet) {
			f.insert(control.Session{ID: "closing", State: control.SessionClosing})
		}},
		{doctor.ProblemStuckLeaving, "user:s/bob", func(f *fleet) {
			f.insert(control.Session{
				ID: "s", State: control.SessionActive, Users: []control.User{{ID: "bob", Join: "b1", Leaving: "left"}},
			})
			f.serve("s")
		}},
		{doctor.ProblemStuckRelocating, "session:" + string(lobby), func(f *fleet) {
			f.move(now.Add(-time.Minute))
		}},
		{doctor.ProblemUsersWithoutPipeline, "session:s", func(f *fleet) {
			f.insert(control.Session{
				ID: "s", State: control.SessionActive, Users: []control.User{{ID: "bob", Join: "b1"}},
			})
			f.serve("s", "bob")
			f.must(f.store.Presence.Begin(f.t.Context(), "s", "bob", now))
		}},
		{doctor.ProblemEmpty, "session:s", func(f *fleet) {
			since := now.Add(-time.Hour)
			f.insert(control.Session{
				ID: "s", State: control.SessionActive, EmptySince: &since, EmptyTimeout: time.Minute,
			})
			f.serve("s")
		}},
		{doctor.ProblemNotForgotten, "session:s", func(f *fleet) {
			then := now.Add(-time.Hour)
			f.insert(control.Session{ID: "s", State: control.SessionClosed, ExpireAt: &then})
		}},
		{doctor.ProblemNoPresence, "user:lobby/ann", func(f *fleet) {
			f.must(f.store.Presence.RemoveSession(f.t.Context(), lobby))
		}},
		{doctor.ProblemPresenceLeft, "user:lobby/bob", func(f *fleet) {
			f.must(f.store.Presence.Begin(f.t.Context(), lobby, "bob", now.Add(-time.Hour)))
		}},
		{doctor.ProblemIdle, "user:lobby/ann", func(f *fleet) {
			f.must(f.store.Presence.Begin(f.t.Context(), lobby, ann, now.Add(-time.Hour)))
		}},
		{doctor.ProblemNegotiationLeft, "negotiation:lobby/bob/publish", func(f *fleet) {
			err := f.store.Negotiations.Accept(f.t.Context(), store.Offer{
				Session: lobby, User: "bob", Join: "b1", Epoch: 1, Seq: 1,
			}, now)
			f.must(err)
		}},
	}
}

func brokenMedia() []breakage {
	return []breakage{
		{doctor.ProblemPipelineLost, "session:lobby", func(f *fleet) { f.server.pipelines, f.server.endpoints = nil, nil }},
		{doctor.ProblemPipelineLost, "session:s", func(f *fleet) {
			f.insert(control.Session{
				ID: "s", State: control.SessionActive, Epoch: 3,
				Pipeline: &control.PipelineRef{ID: "p3", Server: "never-heard-of", Instance: "i"},
			})
			f.serve("s")
		}},
		{doctor.ProblemPipelineUnwanted, "pipeline:p0", func(f *fleet) {
			f.server.pipelines = append(f.server.pipelines, mediaapi.FleetPipeline{ID: "p0", Session: "gone", Epoch: 1})
		}},
		{doctor.ProblemPipelineUnwanted, "pipeline:p0", func(f *fleet) { // of an earlier epoch
			f.server.pipelines = append(f.server.pipelines, mediaapi.FleetPipeline{ID: "p0", Session: lobby, Epoch: 0})
		}},
		{doctor.ProblemEpoch, "session:lobby", func(f *fleet) { f.server.pipelines[0].Epoch = 2 }},
		{doctor.ProblemEndpointLost, "user:lobby/ann", func(f *fleet) { f.server.endpoints = nil }},
		{doctor.ProblemEndpointUnwanted, "endpoint:e2", func(f *fleet) {
			f.server.endpoints = append(f.server.endpoints, mediaapi.FleetEndpoint{ID: "e2", Pipeline: "p1", User: ann})
		}},
	}
}

func brokenQueues() []breakage {
	sessionQueue, annQueue := message.SessionQueue(lobby), message.UserQueue(lobby, ann)
	return []breakage{
		{doctor.ProblemNoQueue, "queue:orkestro.session.lobby", func(f *fleet) {
			f.must(f.broker.DeleteQueue(f.t.Context(), sessionQueue.Name))
		}},
		{doctor.ProblemUnread, "queue:orkestro.session.lobby", func(f *fleet) {
			f.must(f.broker.DeleteQueue(f.t.Context(), sessionQueue.Name))
			f.declare(sessionQueue)
		}},
		{doctor.ProblemPartlyRead, "queue:orkestro.session.lobby", func(f *fleet) {
			f.registerReplicaNamed("wrapper-2")
			f.subscribe(message.WrapperQueue)
		}},
		{doctor.ProblemNoExchange, "exchange:orkestro.session.s.users", func(f *fleet) {
			f.insert(control.Session{ID: "s", State: control.SessionActive})
			f.declare(message.SessionQueue("s"))
			f.subscribe(message.SessionQueue("s").Name)
		}},
		{doctor.ProblemNoUserQueue, "queue:orkestro.user.lobby/ann", func(f *fleet) {
			f.must(f.broker.DeleteQueue(f.t.Context(), annQueue.Name))
		}},
		{doctor.ProblemUnbound, "queue:orkestro.user.lobby/ann", func(f *fleet) {
			f.must(f.broker.DeleteQueue(f.t.Context(), annQueue.Name))
			f.declare(annQueue)
		}},
		{doctor.ProblemQueueLeft, "queue:orkestro.session.gone", func(f *fleet) { f.declare(message.SessionQueue("gone")) }},
		{doctor.ProblemExchangeLeft, "exchange:orkestro.session.gone.users", func(f *fleet) {
			f.must(f.broker.DeclareExchange(f.t.Context(), message.SessionExchange("gone")))
		}},
		{doctor.ProblemUserQueueLeft, "queue:orkestro.user.lobby/bob", func(f *fleet) {
			f.declare(message.UserQueue(lobby, "bob"))
		}},
	}
}

func (f *fleet) registerReplicaNamed(id string) {
	f.t.Helper()
	f.must(f.store.Wrappers.Register(f.t.Context(), control.Replica{
		ID: id, Service: "wrapper", State: "ready", HeartbeatAt: time.Now(),
	}))
}

// A database that no service has opened yet.
func TestExamine_EmptyDatabase(t *testing.T) {
	url, database := mongo.URL(t)
	bare, err := store.OpenToLook(t.Context(), url, database)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = bare.Close(context.Background()) }()
	f := newFleet(t)
	f.store = bare
	report := f.examine()
	for problem, object := range map[doctor.Problem]string{
		doctor.ProblemNoServer:  "fleet",
		doctor.ProblemNoReplica: "fleet",
		doctor.ProblemIndex:     "index:sessions(state,emptySince)",
	} {
		if !slices.ContainsFunc(report.Findings, func(found doctor.Finding) bool {
			return found.Problem == problem && found.Object == object
		}) {
			t.Errorf("%s not found; found are %+v", problem, report.Findings)
		}
	}
}

// What is wrong only while something is under way is no finding, even if another object is in that condition later.
func TestExamine_IgnoresWhatIsInMotion(t *testing.T) {
	f := newFleet(t)
	closing := func(id control.SessionID) {
		f.insert(control.Session{ID: id, State: control.SessionClosing})
	}
	coming := mediaapi.FleetPipeline{ID: "p2", Session: "coming", Epoch: 1}
	f.server.pipelines = append(f.server.pipelines, coming)
	closing("ending")
	f.server.looked = func(n int) { // after the sessions were read
		if n == 1 {
			f.must(f.store.Sessions.MarkClosed(t.Context(), "ending", time.Now(), time.Now().Add(time.Hour)))
			closing("ending-next")
			return
		}
		f.server.pipelines = f.server.pipelines[:1]
	}
	if report := f.examine(); !report.Healthy() || report.Looks != 2 {
		t.Errorf("%d looks, found %+v", report.Looks, report.Findings)
	}
}

func TestExamine_LooksAtSoManySessions(t *testing.T) {
	f := newFleet(t)
	f.server.pipelines = append(f.server.pipelines, mediaapi.FleetPipeline{ID: "p9", Session: "zz", Epoch: 1})
	for i := range 200 {
		id := control.SessionID("a" + string(rune('a'+i/26)) + string(rune('a'+i%26)))
		f.insert(control.Session{ID: id, State: control.SessionActive})
		f.serve(id)
	}
	report, err := doctor.Examine(t.Context(), doctor.Fleet{
		Store: f.store, Broker: f.broker, Survey: f.broker, Connect: f.connect,
	}, doctor.Settings{Pause: time.Millisecond, MaxSessions: 100})
	if err != nil {
		t.Fatal(err)
	}
	if !report.Healthy() {
		t.Errorf("judged what it did not look at: %+v", report.Findings)
	}
	if left := report.Checks[2].Left; !strings.Contains(left, "sessions after ahr") {
		t.Errorf("does not say what it left: %q", left)
	}
}

func TestExamine_SaysWhatCannotBeAsked(t *testing.T) {
	f := newFleet(t)
	f.must(f.broker.Close())
	_, err := doctor.Examine(t.Context(), doctor.Fleet{Store: f.store, Broker: f.broker, Connect: f.connect},
		doctor.Settings{})
	if err == nil {
		t.Error("examined a fleet without a broker")
	}
}

func TestReport_Print(t *testing.T) {
	f := newFleet(t)
	f.server.refuses = true
	var printed bytes.Buffer
	if err := f.examine().Print(&printed); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"server-unreachable", "server:media-1", "connection refused", "to do", "1 findings",
		"what is on media-1: not reached from here",
	} {
		if !strings.Contains(printed.String(), want) {
			t.Errorf("%q is not in:\n%s", want, printed.String())
		}
	}
}

// TestExamine_HalfAnAnswer has a media server that says what pipelines it has, and then nothing more, not be taken for
// one that has lost its endpoints.
func TestExamine_HalfAnAnswer(t *testing.T) {
	f := newFleet(t)
	f.server.forgetful = context.DeadlineExceeded
	report := f.examine()
	if len(report.Findings) != 1 || report.Findings[0].Problem != doctor.ProblemServerUnreachable {
		t.Errorf("found %+v", report.Findings)
	}
}
