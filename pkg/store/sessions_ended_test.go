package store_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/orkestro/orkestro/pkg/control"
)

// A page that loads again and again rejoins each time: its session does not grow with that.
func TestSessions_RememberABoundedNumberOfEndedJoins(t *testing.T) {
	s := open(t)
	ctx, join := t.Context(), control.JoinID("j")
	insert(t, s, "s")
	must(t, s.Sessions.AddUser(ctx, "s", control.User{ID: "a", Join: join}, 0))
	const kept = 1000
	for n := range kept + 10 {
		next := control.JoinID(fmt.Sprint("j", n))
		must(t, s.Sessions.Rejoin(ctx, "s", join, control.User{ID: "a", Join: next}, false))
		join = next
	}
	must(t, s.Sessions.MarkLeaving(ctx, "s", "a", join, "left"))
	must(t, s.Sessions.RemoveLeaving(ctx, "s", "a", join))
	sess, err := s.Sessions.Get(ctx, "s")
	must(t, err)
	if len(sess.Ended) != kept || !slices.Contains(sess.Ended, join) {
		t.Errorf("%d are remembered, the last is %s", len(sess.Ended), sess.Ended[len(sess.Ended)-1])
	}
}
