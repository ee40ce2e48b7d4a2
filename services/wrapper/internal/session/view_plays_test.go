package session_test

import (
	"fmt"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
)

// The letters of those who come by WHIP and WHEP.

var joinsByWHIP = letter{message.TypeJoin, "a1", message.Join{
	User: "a", Protocol: control.ProtocolWHIP, Permissions: control.Permissions{Publish: true},
}}

const viewer control.UserID = "viewer"

func views(seq int64, sdp string) letter {
	view := message.View{Viewer: viewer, Of: control.ViewOf{User: "a"}, Seq: seq, SDP: sdp}
	if seq > 1 {
		view.Epoch = 1
	}
	return letter{message.TypeView, fmt.Sprint("view ", seq), view}
}

var endsView = letter{message.TypeEndView, "end view", message.EndView{Viewer: viewer}}

var viewerCandidates = letter{message.TypeAddCandidates, "candidates", message.AddCandidates{
	Presence: present(viewer, control.JoinID(viewer)), Kind: control.View, Epoch: 1,
	Candidates: []control.Candidate{{Candidate: "c"}},
}}

func viewFails(s *stage) letter {
	view, err := s.store.Negotiations.Get(s.ctx, control.NegotiationID(sid, viewer, control.View))
	must(s.tb, err)
	return letter{message.TypeMediaState, "state", message.MediaState{
		EndpointEvent: message.EndpointEvent{
			Presence: present(viewer, control.JoinID(viewer)), Kind: control.View, Epoch: 1,
			Pipeline: s.session().Pipeline.ID, Endpoint: view.Endpoint,
		},
		Number: 1, State: control.ConnectionFailed,
	}}
}
