package app_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
)

func TestSessions_AreFoundByPrefixAndMove(t *testing.T) {
	f := newFleet(t, 1, nil)
	since := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	for id, move := range map[control.SessionID]*control.Relocation{
		"room-1": nil, "hall": nil,
		"room-2": {From: control.PipelineRef{ID: "p1", Server: "m1"}, Since: since, Until: since.Add(time.Second)},
	} {
		err := f.store.Sessions.Insert(t.Context(), control.Session{
			ID: id, State: control.SessionActive, Epoch: 2, Pipeline: &control.PipelineRef{ID: "p2", Server: "m2"},
			Relocation: move,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for query, want := range map[string][]string{
		"prefix=room-": {"room-1", "room-2"}, "prefix=": {"hall", "room-1", "room-2"}, "relocating=true": {"room-2"},
		"prefix=hall&relocating=true": {},
	} {
		var list struct{ Items []struct{ ID string } }
		f.must(http.StatusOK, apiKey, "GET", "/v1/sessions?"+query, nil).decode(t, &list)
		if len(list.Items) != len(want) {
			t.Errorf("%s: %+v, want %v", query, list.Items, want)
			continue
		}
		for i, id := range want {
			if list.Items[i].ID != id {
				t.Errorf("%s: %+v, want %v", query, list.Items, want)
			}
		}
	}
	f.problem(f.call(apiKey, "GET", "/v1/sessions?prefix=a%00", nil), http.StatusUnprocessableEntity, "invalid")

	var moved struct {
		Relocation *struct{ From, Since, Until string }
	}
	f.must(http.StatusOK, apiKey, "GET", "/v1/sessions/room-2", nil).decode(t, &moved)
	if r := moved.Relocation; r == nil || r.From != "m1" || r.Since != "2026-07-01T12:00:00.000Z" {
		t.Errorf("a session that is moved: %+v", r)
	}
}

func TestAudit_NewestFirst(t *testing.T) {
	f := newFleet(t, 1, nil)
	start := time.Now().Add(-time.Minute)
	for i, id := range []string{"first", "second", "third"} {
		err := f.store.Audit.Append(t.Context(), control.AuditEntry{
			ID: id, Time: start.Add(time.Duration(i) * time.Second), Object: "session:s", Action: "session.create",
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for cursor := ""; ; {
		var page struct {
			Items []struct{ ID string }
			Next  string
		}
		f.must(http.StatusOK, apiKey, "GET", "/v1/admin/audit?order=newest&object=session:s&limit=1&cursor="+cursor, nil).
			decode(t, &page)
		for _, item := range page.Items {
			got = append(got, item.ID)
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	if len(got) != 3 || got[0] != "third" || got[2] != "first" {
		t.Errorf("pages, newest first: %v", got)
	}
	f.problem(f.call(apiKey, "GET", "/v1/admin/audit?order=random", nil), http.StatusUnprocessableEntity, "invalid")
}
