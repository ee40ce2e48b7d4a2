package e2e_test

import "testing"

func TestCall_TwoUsersSeeAndHearEachOther(t *testing.T) {
	users := join(t, fleet.NewSession(t), "ann", "ben")
	expectMedia(t, users...)
	for _, u := range users {
		if first := u.Messages()[0]; first.Type != "joined" {
			t.Errorf("the first message to %s is %s", u.ID, first.Type)
		}
	}
	expectNoFailures(t, users...)
}

func TestCall_ThirdJoinsLate(t *testing.T) {
	session := fleet.NewSession(t)
	users := join(t, session, "ann", "ben")
	expectMedia(t, users...)
	users = append(users, join(t, session, "late")...)
	expectMedia(t, users...)
	expectNoFailures(t, users...)
}

func TestCall_ListenerOnlyListens(t *testing.T) {
	session := fleet.NewSession(t)
	ann := join(t, session, "ann")[0]
	listener := joinSilently(t, session, "listener")
	expectFlows(t, newFlow(ann, listener, "video"), newFlow(ann, listener, "audio"))
	expectNoFailures(t, ann, listener)
}
