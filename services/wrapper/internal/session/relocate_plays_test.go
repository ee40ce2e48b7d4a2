package session_test

import (
	"fmt"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/services/wrapper/internal/session"
)

// relocationPlays are about a session that is moved, and what happens meanwhile.
func relocationPlays() []play {
	anew := publishesIn(2, "a", "a1", 1, "offer cam:audio,video screen:video")
	return []play{
		{name: "relocate", given: connectedCall, letter: relocates, next: []letter{anew}},
		{name: "relocate and leave", given: connectedCall, letter: relocates, next: []letter{leaves("a", "a1")}},
		{name: "relocate an empty session", given: emptied, letter: relocates, next: []letter{joins("a", "a2", "")}},
		{name: "end a relocation", given: due, letter: relocates, next: []letter{anew}},
		{name: "join while moving", given: moving, letter: always(joins("c", "c1", ""))},
		{name: "rejoin while moving", given: moving, letter: always(joins("a", "a2", "a1"))},
		{name: "leave while moving", given: moving, letter: always(leaves("a", "a1"))},
		{name: "publish anew while moving", given: accepting, letter: always(anew), next: []letter{leaves("a", "a1")}},
		{name: "pause while moving", given: moving, letter: always(pauses("a", "a1", "r1", true))},
		{name: "unpublish while moving", given: moving, letter: always(unpublishes("a", "a1", 0)), next: []letter{anew}},
		{name: "end view while moving", given: viewedMoving, letter: always(endsView)},
		{name: "media connected while moving", given: moving, letter: changesIn(2, "b", control.Subscribe)},
		{name: "old media changes while moving", given: moving, letter: oldFails},
		{name: "close while moving", given: moving, letter: always(closes("deleted"))},
		{name: "rebuild while moving", given: newLost, letter: rebuildsNew},
		{name: "rebuild what is left while moving", given: oldLost, letter: rebuildsOld},
	}
}

// connectedCall is a call with media, and another server that it can go to.
func connectedCall(s *stage) {
	call(s)
	s.deliver(changesIn(1, "a", control.Publish)(s), changesIn(1, "b", control.Subscribe)(s))
	s.fleet.list = append(s.fleet.list, s.spare...)
}

func emptied(s *stage) {
	given(created, joins("a", "a1", ""), leaves("a", "a1"))(s)
	s.fleet.list = append(s.fleet.list, s.spare...)
}

func moving(s *stage) {
	connectedCall(s)
	s.deliver(relocates(s))
}

// accepting is a move, and an offer for the new pipeline that a REST replica has taken.
func accepting(s *stage) {
	moving(s)
	err := s.store.Negotiations.Accept(s.ctx, store.Offer{Session: sid, User: "a", Join: "a1", Epoch: 2, Seq: 1}, time.Now())
	must(s.tb, err)
}

func viewedMoving(s *stage) {
	given(created, views(1, "offer"))(s)
	s.fleet.list = append(s.fleet.list, s.spare...)
	s.deliver(relocates(s))
}

// due is a move whose time is up.
func due(s *stage) {
	moving(s)
	must(s.tb, s.store.Sessions.HastenRelocation(s.ctx, sid, 1, time.Now().Add(-time.Second)))
}

func newLost(s *stage) {
	moving(s)
	s.lose(s.session().Pipeline.Server)
}

func oldLost(s *stage) {
	moving(s)
	s.lose(s.session().Relocation.From.Server)
}

func (s *stage) lose(server control.MediaServerID) {
	s.fleet.down[server] = true
	must(s.tb, s.store.MediaServers.SetStatus(s.ctx, server, "i", control.StatusDown))
}

// relocates asks for the move of the session off the server where it was first.
func relocates(s *stage) letter {
	sess := s.session()
	pipeline := sess.Pipeline.ID
	if sess.Relocation != nil {
		pipeline = sess.Relocation.From.ID
	}
	return letter{message.TypeRelocate, session.RelocateID(sid, 1), message.Relocate{
		Epoch: 1, Pipeline: pipeline, Reason: "drain",
	}}
}

func rebuildsNew(s *stage) letter { return rebuildsOf(2, s.session().Pipeline.ID) }

func rebuildsOld(s *stage) letter { return rebuildsOf(1, s.session().Relocation.From.ID) }

func rebuildsOf(epoch int64, pipeline string) letter {
	return letter{message.TypeRebuild, session.RebuildID(sid, epoch), message.Rebuild{
		Epoch: epoch, Pipeline: pipeline, Reason: session.ReasonServerDown,
	}}
}

func publishesIn(epoch int64, user control.UserID, join control.JoinID, seq int64, sdp string) letter {
	return letter{message.TypePublish, fmt.Sprint("publish ", join, epoch, seq), message.Publish{
		Presence: present(user, join), Epoch: epoch, Seq: seq, SDP: sdp,
	}}
}

// changesIn says that a connection is connected.
func changesIn(epoch int64, user control.UserID, kind control.ConnectionKind) func(*stage) letter {
	return stateIn(epoch, user, kind, 1, control.ConnectionConnected)
}

// oldFails says that a connection in the pipeline before has failed.
func oldFails(s *stage) letter {
	return stateIn(1, "b", control.Subscribe, 2, control.ConnectionFailed)(s)
}

func stateIn(
	epoch int64, user control.UserID, kind control.ConnectionKind, number int64, state control.ConnectionState,
) func(*stage) letter {
	return func(s *stage) letter {
		sess := s.session()
		for _, c := range sess.Connections {
			if c.Epoch != epoch || c.User != user || c.Kind != kind {
				continue
			}
			return letter{message.TypeMediaState, fmt.Sprint("state ", epoch, user, number), message.MediaState{
				EndpointEvent: message.EndpointEvent{
					Presence: present(user, c.Join), Kind: kind, Epoch: epoch,
					Pipeline: sess.PipelineIn(epoch).ID, Endpoint: c.Endpoint.ID,
				},
				Number: number, State: state,
			}}
		}
		s.tb.Fatalf("%s has no %s connection in epoch %d", user, kind, epoch)
		return letter{}
	}
}
