package store_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/store"
)

func TestSessions_Totals(t *testing.T) {
	s := open(t)
	ctx, now := t.Context(), time.Now().UTC()
	for id, state := range map[control.SessionID]control.SessionState{
		"a": control.SessionActive, "b": control.SessionActive, "c": control.SessionClosing, "d": control.SessionClosed,
	} {
		must(t, s.Sessions.Insert(ctx, control.Session{ID: id, State: control.SessionActive, CreatedAt: now}))
		must(t, s.Sessions.AddUser(ctx, id, control.User{ID: "u", Join: "j"}, 0))
		if state != control.SessionActive {
			must(t, s.Sessions.MarkClosing(ctx, id, "", false))
		}
		if state == control.SessionClosed {
			must(t, s.Sessions.MarkClosed(ctx, id, now, now.Add(time.Hour)))
		}
	}
	must(t, s.Sessions.AddUser(ctx, "a", control.User{ID: "v", Join: "k"}, 0))
	from := control.PipelineRef{ID: "p", Server: "m", Instance: "i"}
	must(t, s.Sessions.SetPipeline(ctx, "b", 0, from, nil))
	must(t, s.Sessions.BeginRelocation(ctx, "b", control.Relocation{
		From: from, Epoch: 1, Since: now, Until: now.Add(time.Second),
	}, control.PipelineRef{ID: "q", Server: "n", Instance: "i"}))

	totals, err := s.Sessions.Totals(ctx)
	must(t, err)
	want := store.SessionTotals{
		Sessions: map[control.SessionState]int64{control.SessionActive: 2, control.SessionClosing: 1},
		Users:    4, Relocating: 1,
	}
	if diff := cmp.Diff(want, totals); diff != "" {
		t.Error(diff)
	}
}
