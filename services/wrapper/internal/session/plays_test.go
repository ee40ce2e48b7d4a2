package session_test

import (
	"fmt"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/services/wrapper/internal/session"
)

// play is one message to Wrappers with what came before it. next is what may well come after it, and must not suffer
// from a Wrapper that still works on this one.
type play struct {
	name   string
	given  func(s *stage)
	letter func(s *stage) letter
	next   []letter
}

// plays has at least one for every type of message.
func plays() []play {
	return append(relocationPlays(), []play{
		{name: "create", letter: always(created), next: []letter{joins("a", "a1", "")}},
		{name: "join first", given: given(created), letter: always(joins("a", "a1", "")), next: []letter{leaves("a", "a1")}},
		{
			name: "join second", given: given(created, joins("b", "b1", "")), letter: always(joins("a", "a1", "")),
			next: []letter{publishes("a", "a1", 1, "offer cam:audio")},
		},
		{
			name: "rejoin", given: call, letter: always(joins("a", "a2", "a1")),
			next: []letter{publishes("a", "a2", 1, "offer cam:audio,video")},
		},
		{name: "rejoin and again", given: call, letter: always(joins("a", "a2", "a1")), next: []letter{joins("a", "a3", "a2")}},
		{name: "leave", given: call, letter: always(leaves("a", "a1"))},
		{
			name: "leave and come back", given: call, letter: always(leaves("a", "a1")),
			next: []letter{joins("a", "a2", ""), publishes("a", "a2", 1, "offer cam:audio,video")},
		},
		{name: "last one leaves", given: given(created, joins("a", "a1", "")), letter: always(leaves("a", "a1"))},
		{name: "close", given: call, letter: always(closes("deleted"))},
		{name: "close empty", given: given(created), letter: always(closes(session.ReasonEmpty))},
		{name: "close empty with users", given: call, letter: always(closes(session.ReasonEmpty))},
		{
			name: "publish", given: given(created, joins("a", "a1", ""), joins("b", "b1", "")),
			letter: always(publishes("a", "a1", 1, "offer cam:audio,video")), next: []letter{leaves("a", "a1")},
		},
		{
			name: "publish and stop", given: given(created, joins("a", "a1", ""), joins("b", "b1", "")),
			letter: always(publishes("a", "a1", 1, "offer cam:audio,video")), next: []letter{unpublishes("a", "a1", 1)},
		},
		{
			name: "renegotiate", given: call, letter: always(publishes("a", "a1", 2, "offer cam:audio third:audio")),
			next: []letter{publishes("a", "a1", 3, "offer cam:audio,video")},
		},
		{name: "publish nothing", given: call, letter: always(publishes("a", "a1", 2, "offer")), next: []letter{joins("a", "a2", "a1")}},
		{
			name: "publish what is refused", given: call, letter: always(publishes("a", "a1", 2, "bad")),
			next: []letter{publishes("a", "a1", 3, "offer cam:audio")},
		},
		{
			name: "unpublish", given: call, letter: always(unpublishes("a", "a1", 1)),
			next: []letter{publishes("a", "a1", 2, "offer cam:audio")},
		},
		{name: "subscribe answer", given: offered, letter: always(answers("b", "b1", 1)), next: []letter{joins("b", "b2", "b1")}},
		{name: "request offer", given: call, letter: always(asksForOffer("b", "b1", "r1")), next: []letter{stops("b", "b1", "r2")}},
		{name: "unsubscribe", given: call, letter: always(stops("b", "b1", "r1")), next: []letter{asksForOffer("b", "b1", "r2")}},
		{
			name: "candidates", given: given(created, joins("a", "a1", "")), letter: always(candidates("a", "a1")),
			next: []letter{publishes("a", "a1", 1, "offer cam:audio")},
		},
		{
			name: "subscriptions", given: call, letter: always(subscribes("b", "b1", "r1", "x")),
			next: []letter{subscribes("b", "b1", "r2", "y")},
		},
		{name: "pause", given: call, letter: always(pauses("a", "a1", "r1", true)), next: []letter{pauses("a", "a1", "r2", false)}},
		{name: "sync", given: call, letter: always(letter{message.TypeSync, "sync", present("b", "b1")})},
		{name: "queue full", given: call, letter: always(letter{message.TypeQueueFull, "full", struct{}{}})},
		{name: "rebuild", given: stranded, letter: rebuilds, next: []letter{joins("a", "a2", "a1")}},
		{
			name: "join by WHIP", given: given(created, joins("b", "b1", "")), letter: always(joinsByWHIP),
			next: []letter{publishes("a", "a1", 1, "offer cam:audio")},
		},
		{name: "rejoin by WHIP", given: given(created, joinsByWHIP), letter: always(joins("a", "a2", "a1"))},
		{name: "view", given: call, letter: always(views(1, "offer")), next: []letter{endsView}},
		{name: "view first", given: given(created), letter: always(views(1, "offer")), next: []letter{endsView}},
		{name: "view refused", given: call, letter: always(views(1, "bad"))},
		{
			name: "view restarts ICE", given: given(created, views(1, "offer")), letter: always(views(2, "offer again")),
			next: []letter{endsView},
		},
		{name: "end view", given: given(created, views(1, "offer")), letter: always(endsView)},
		{name: "candidates of a viewer", given: given(created, views(1, "offer")), letter: always(viewerCandidates)},
		{name: "media of a view failed", given: given(created, views(1, "offer")), letter: viewFails},
		{name: "media offer", given: call, letter: offers, next: []letter{answers("b", "b1", 1)}},
		{name: "media candidate", given: call, letter: hasCandidate},
		{name: "media quality", given: call, letter: hasQuality, next: []letter{leaves("b", "b1")}},
		{name: "media speakers", given: call, letter: hasSpeakers, next: []letter{leaves("b", "b1")}},
		{name: "media connected", given: call, letter: changes(1, control.ConnectionConnected), next: []letter{leaves("b", "b1")}},
		{name: "media failed", given: call, letter: changes(1, control.ConnectionFailed)},
		{name: "media failed too often", given: failedOnce, letter: changes(2, control.ConnectionFailed)},
	}...)
}

func always(l letter) func(*stage) letter { return func(*stage) letter { return l } }

func given(letters ...letter) func(*stage) {
	return func(s *stage) { s.deliver(letters...) }
}

// call is two users, of whom a publishes two streams.
func call(s *stage) {
	given(created, joins("a", "a1", ""), joins("b", "b1", ""),
		publishes("a", "a1", 1, "offer cam:audio,video screen:video"))(s)
}

func offered(s *stage) {
	call(s)
	s.deliver(offers(s))
}

// stranded is a call whose media server is lost.
func stranded(s *stage) {
	call(s)
	lost := s.session().Pipeline.Server
	s.fleet.down[lost] = true
	s.fleet.list = append(s.fleet.list, s.spare...)
	must(s.tb, s.store.MediaServers.SetStatus(s.ctx, lost, "i", control.StatusDown))
}

func failedOnce(s *stage) {
	call(s)
	s.deliver(changes(1, control.ConnectionFailed)(s))
}

var created = letter{message.TypeCreateSession, "create", message.CreateSession{ID: sid, MaxUsers: 3, Actor: "key:k"}}

func present(user control.UserID, join control.JoinID) message.Presence {
	return message.Presence{User: user, Join: join}
}

func joins(user control.UserID, join string, replaces control.JoinID) letter {
	return letter{message.TypeJoin, join, message.Join{User: user, Replaces: replaces, Permissions: all()}}
}

func leaves(user control.UserID, join control.JoinID) letter {
	return letter{message.TypeLeave, "leave " + string(join), message.Leave{
		Presence: present(user, join), Reason: "left", Actor: "key:k",
	}}
}

func closes(reason string) letter {
	return letter{message.TypeCloseSession, "close", message.CloseSession{Reason: reason, Actor: "key:k"}}
}

func publishes(user control.UserID, join control.JoinID, seq int64, sdp string) letter {
	return letter{message.TypePublish, fmt.Sprint("publish ", join, seq), message.Publish{
		Presence: present(user, join), Epoch: 1, Seq: seq, SDP: sdp,
	}}
}

func unpublishes(user control.UserID, join control.JoinID, upTo int64) letter {
	return letter{message.TypeUnpublish, "unpublish", message.Unpublish{Presence: present(user, join), UpTo: upTo}}
}

func answers(user control.UserID, join control.JoinID, seq int64) letter {
	return letter{message.TypeSubscribeAnswer, "answer", message.SubscribeAnswer{
		Presence: present(user, join), Epoch: 1, Seq: seq, SDP: "answer",
	}}
}

func asksForOffer(user control.UserID, join control.JoinID, id string) letter {
	return letter{message.TypeRequestOffer, id, message.RequestOffer{Presence: present(user, join), Epoch: 1}}
}

func stops(user control.UserID, join control.JoinID, id string) letter {
	return letter{message.TypeUnsubscribe, id, present(user, join)}
}

func candidates(user control.UserID, join control.JoinID) letter {
	return letter{message.TypeAddCandidates, "candidates", message.AddCandidates{
		Presence: present(user, join), Kind: control.Publish, Epoch: 1,
		Candidates: []control.Candidate{{Candidate: "c"}},
	}}
}

func subscribes(user control.UserID, join control.JoinID, id string, stream control.StreamID) letter {
	return letter{message.TypeSetSubscriptions, id, message.SetSubscriptions{
		Presence: present(user, join),
		Subscriptions: control.Subscriptions{
			Mode: control.SubscribeList, Streams: []control.Subscription{{ID: stream}},
		},
	}}
}

func pauses(user control.UserID, join control.JoinID, id string, paused bool) letter {
	return letter{message.TypePauseStream, id, message.PauseStream{
		Presence: present(user, join), Stream: control.StreamIDFor(user, "cam"), Paused: paused,
	}}
}

func rebuilds(s *stage) letter {
	pipeline := s.session().Pipeline.ID
	return letter{message.TypeRebuild, session.RebuildID(sid, 1), message.Rebuild{
		Epoch: 1, Pipeline: pipeline, Reason: session.ReasonServerDown,
	}}
}

// event is one of b's subscribe endpoint.
func event(s *stage) message.EndpointEvent {
	sess := s.session()
	return message.EndpointEvent{
		Presence: present("b", "b1"), Kind: control.Subscribe, Epoch: 1, Pipeline: sess.Pipeline.ID,
		Endpoint: sess.Connection("b", control.Subscribe).Endpoint.ID,
	}
}

func offers(s *stage) letter {
	return letter{message.TypeMediaOffer, "offer", message.MediaOffer{EndpointEvent: event(s), Seq: 1, SDP: "offer"}}
}

func hasCandidate(s *stage) letter {
	return letter{message.TypeMediaCandidate, "candidate", message.MediaCandidate{
		EndpointEvent: event(s), Candidate: &control.Candidate{Candidate: "c"},
	}}
}

func changes(number int64, state control.ConnectionState) func(s *stage) letter {
	return func(s *stage) letter {
		return letter{message.TypeMediaState, fmt.Sprint("state ", number), message.MediaState{
			EndpointEvent: event(s), Number: number, State: state,
		}}
	}
}

func hasQuality(s *stage) letter {
	return letter{message.TypeMediaQuality, "quality", message.MediaQuality{
		EndpointEvent: event(s), Number: 1, Bandwidth: 1_000_000,
		Streams: []control.StreamQuality{
			{ID: control.StreamIDFor("a", "cam"), Layer: 1, Layers: 3, Limit: control.LimitedByBandwidth},
		},
	}}
}

func hasSpeakers(s *stage) letter {
	return letter{message.TypeMediaSpeakers, "speakers", message.MediaSpeakers{
		Epoch: 1, Pipeline: s.session().Pipeline.ID, Number: 1, Streams: []control.StreamID{control.StreamIDFor("a", "cam")},
	}}
}
