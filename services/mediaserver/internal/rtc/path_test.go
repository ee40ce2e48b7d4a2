package rtc

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/stun/v3"
	"github.com/pion/webrtc/v4"
)

const patience = 2 * time.Second

// pathFixture is a path whose client is at port 1, and its two pairs of candidates.
type pathFixture struct {
	*path
	selected, other *ice.CandidatePair
}

func newPathFixture(t *testing.T) pathFixture {
	t.Helper()
	f := pathFixture{&path{patience: patience}, newPair(t, 1), newPair(t, 2)}
	if f.checked(f.other, true) {
		t.Error("taken before there was a connection")
	}
	f.choose(f.selected)
	return f
}

func (f pathFixture) choose(pair *ice.CandidatePair) {
	f.changed(&webrtc.ICECandidatePair{
		Local:  &webrtc.ICECandidate{Protocol: webrtc.ICEProtocolUDP, Address: "192.0.2.1", Port: 7},
		Remote: &webrtc.ICECandidate{Protocol: webrtc.ICEProtocolUDP, Address: "192.0.2.2", Port: uint16(pair.Remote.Port())},
	})
}

func newPair(t *testing.T, port int) *ice.CandidatePair {
	t.Helper()
	local, err := ice.NewCandidateHost(&ice.CandidateHostConfig{
		Network: "udp", Address: "192.0.2.1", Port: 7, Component: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	remote, err := ice.NewCandidatePeerReflexive(&ice.CandidatePeerReflexiveConfig{
		Network: "udp", Address: "192.0.2.2", Port: port, Component: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	return &ice.CandidatePair{Local: local, Remote: remote}
}

// checked has a check of the client come in on a pair, and reports whether the pair is to be taken.
func (f pathFixture) checked(pair *ice.CandidatePair, nominates bool) bool {
	check := stun.MustBuild(stun.BindingRequest, stun.TransactionID)
	if nominates {
		check.Add(stun.AttrUseCandidate, nil)
	}
	return f.follow(check, pair.Local, pair.Remote, pair)
}

func TestPath_NominationCountsOnceThePairAnswers(t *testing.T) {
	f := newPathFixture(t)
	if f.checked(f.selected, true) {
		t.Error("the selected pair was taken again")
	}
	if f.checked(f.other, true) {
		t.Error("taken although nothing came back on it yet")
	}
	f.other.UpdateRoundTripTime(time.Millisecond) // a response
	if f.checked(f.other, false) {
		t.Error("taken although the client did not nominate it and the selected one is well")
	}
	if !f.checked(f.other, true) {
		t.Error("the nomination was ignored")
	}
	f.choose(f.other)
	f.selected.UpdateRoundTripTime(time.Millisecond)
	if !f.checked(f.selected, true) {
		t.Error("the nomination back was ignored")
	}
}

func TestPath_SilenceEndsThePair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newPathFixture(t)
		time.Sleep(patience - time.Millisecond)
		if f.checked(f.other, false) {
			t.Error("taken too early")
		}
		time.Sleep(2 * time.Millisecond)
		if !f.checked(f.other, false) {
			t.Error("not taken although the selected one is silent")
		}
		f.restart()
		if f.checked(f.other, false) {
			t.Error("taken in the middle of an ICE restart")
		}
	})
}
