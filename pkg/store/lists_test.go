package store_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/store"
)

func TestSessions_ListByPrefix(t *testing.T) {
	s := open(t)
	for _, id := range []control.SessionID{"Team", "tea", "team", "team-1", "team-2", "team.x", "team~z", "teb"} {
		insert(t, s, id)
	}
	list := func(f store.SessionFilter) string {
		t.Helper()
		f.Now, f.Limit = now, 10
		found, err := s.Sessions.List(t.Context(), f)
		must(t, err)
		var ids []string
		for _, session := range found {
			ids = append(ids, string(session.ID))
		}
		return strings.Join(ids, " ")
	}
	for name, tc := range map[string]struct {
		filter store.SessionFilter
		want   string
	}{
		"all of a prefix":  {store.SessionFilter{Prefix: "team"}, "team team-1 team-2 team.x team~z"},
		"the page after":   {store.SessionFilter{Prefix: "team", After: "team-1"}, "team-2 team.x team~z"},
		"after all of it":  {store.SessionFilter{Prefix: "team", After: "teb"}, ""},
		"before it begins": {store.SessionFilter{Prefix: "team~", After: "tea"}, "team~z"},
		"nothing":          {store.SessionFilter{Prefix: "zoo"}, ""},
	} {
		if diff := cmp.Diff(tc.want, list(tc.filter)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestSessions_ListThoseThatAreMoved(t *testing.T) {
	s := open(t)
	insert(t, s, "stays")
	must(t, s.Sessions.Insert(t.Context(), control.Session{
		ID: "moves", State: control.SessionActive,
		Relocation: &control.Relocation{From: control.PipelineRef{ID: "p", Server: "m1"}, Epoch: 1, Since: now, Until: now},
	}))
	found, err := s.Sessions.List(t.Context(), store.SessionFilter{Relocating: true, Now: now, Limit: 10})
	must(t, err)
	if len(found) != 1 || found[0].ID != "moves" {
		t.Errorf("got %+v", found)
	}
}

func TestAudit_PagesInBothOrders(t *testing.T) {
	s := open(t)
	want := []string{"a", "b", "c", "d", "e"}
	for i, seconds := range []int{0, 1, 1, 1, 2} {
		at := now.Add(time.Duration(seconds) * time.Second)
		must(t, s.Audit.Append(t.Context(), control.AuditEntry{ID: want[i], Time: at, Object: "o"}))
	}
	for _, newest := range []bool{false, true} {
		var got []string
		filter := store.AuditFilter{Object: "o", Newest: newest, Limit: 2}
		for {
			page, err := s.Audit.List(t.Context(), filter)
			must(t, err)
			if len(page) == 0 {
				break
			}
			for _, entry := range page {
				got = append(got, entry.ID)
			}
			last := page[len(page)-1]
			filter.AfterTime, filter.AfterID = last.Time, last.ID
		}
		if newest {
			slices.Reverse(got)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("newest first %v: %s", newest, diff)
		}
	}
}
