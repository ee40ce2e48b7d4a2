package app_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/store"
)

const rolloutsPath = "/v1/admin/rollouts"

// rollout is one as the API shows it.
type rollout struct {
	ID, To, Timeout, State, Reason, StartedBy string
	Percent, Total, Replaced                  int
	EndedAt                                   *string
	Share                                     *struct {
		Number                 int
		Phase, Since, Deadline string
		Servers                []struct {
			ID, Instance, Version, State, ReplacedBy string
			Remaining                                int64
		}
	}
	Failures struct{ Old, New control.RolloutOutcome }
}

func TestRollouts_StartedSteeredAndListed(t *testing.T) {
	f := newFleet(t, 1, nil)
	started := f.must(http.StatusCreated, apiKey, "POST", rolloutsPath, `{"to":"v2"}`, "Idempotency-Key", "k")
	var r rollout
	started.decode(t, &r)
	if started.header.Get("Location") != rolloutsPath+"/"+r.ID || r.State != "running" || r.Percent != 10 ||
		r.Timeout != "1h0m0s" || r.StartedBy != "key:backend" || r.Share != nil {
		t.Fatalf("started %+v at %s", r, started.header.Get("Location"))
	}
	again := f.must(http.StatusCreated, apiKey, "POST", rolloutsPath, `{"to":"v2"}`, "Idempotency-Key", "k")
	if string(again.body) != string(started.body) {
		t.Errorf("made again: %s", again.body)
	}
	f.problem(f.call(apiKey, "POST", rolloutsPath, `{"to":"v3"}`), http.StatusConflict, "conflict")

	steps := []struct {
		path   string
		status int
		state  string
	}{
		{"resume", 200, "running"},
		{"pause", 200, "paused"},
		{"pause", 200, "paused"},
		{"resume", 200, "running"},
		{"abort", 200, "aborted"},
		{"abort", 200, "aborted"},
		{"pause", 409, ""},
		{"resume", 409, ""},
	}
	for _, step := range steps {
		a := f.call(apiKey, "POST", rolloutsPath+"/"+r.ID+"/"+step.path, nil)
		if a.status != step.status {
			t.Fatalf("%s: %d %s, want %d", step.path, a.status, a.body, step.status)
		}
		if step.state == "" {
			f.problem(a, http.StatusConflict, "conflict")
			continue
		}
		if a.decode(t, &r); r.State != step.state {
			t.Fatalf("%s: it is %s, want %s", step.path, r.State, step.state)
		}
	}
	if r.EndedAt == nil {
		t.Error("aborted, it has no end")
	}
	entries, err := f.store.Audit.List(t.Context(), store.AuditFilter{Object: "rollout:" + r.ID, Limit: 20})
	if err != nil {
		t.Fatal(err)
	}
	results := map[string]int{}
	for _, e := range entries {
		results[e.Actor+" "+e.Action+" "+e.Result]++
	}
	want := map[string]int{
		"key:backend rollout.start ok": 1, "key:backend rollout.pause ok": 2, "key:backend rollout.resume ok": 2,
		"key:backend rollout.abort ok": 2, "key:backend rollout.pause conflict": 1,
		"key:backend rollout.resume conflict": 1,
	}
	if diff := cmp.Diff(want, results); diff != "" {
		t.Errorf("the audit (+) is not what was done (-):\n%s", diff)
	}

	var second rollout
	f.must(http.StatusCreated, apiKey, "POST", rolloutsPath, `{"to":"v3","percent":100,"timeout":"90s"}`).
		decode(t, &second)
	var list struct {
		Items []rollout
		Next  string
	}
	f.must(http.StatusOK, apiKey, "GET", rolloutsPath+"?limit=1", nil).decode(t, &list)
	if len(list.Items) != 1 || list.Items[0].ID != second.ID || list.Next == "" {
		t.Fatalf("first page: %+v", list)
	}
	next := list.Next
	list.Next = ""
	f.must(http.StatusOK, apiKey, "GET", rolloutsPath+"?limit=1&cursor="+next, nil).decode(t, &list)
	if len(list.Items) != 1 || list.Items[0].ID != r.ID || list.Next != "" {
		t.Fatalf("second page: %+v", list)
	}
}

func TestRollouts_ShowTheirShare(t *testing.T) {
	f := newFleet(t, 1, nil)
	at := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	stored := control.Rollout{
		ID: "r", To: "v2", Percent: 50, Timeout: time.Hour, State: control.RolloutRunning, StartedAt: at, Since: at,
	}
	if err := f.store.Rollouts.Insert(t.Context(), stored); err != nil {
		t.Fatal(err)
	}
	stored.Share = &control.RolloutShare{
		Number: 2, Phase: control.RolloutRelocating, Since: at, Until: at.Add(time.Hour),
		Servers: []control.RolloutServer{
			{ID: "m1", Instance: "i", Version: "v1", State: control.RolloutServerDraining},
			{ID: "m2", Version: "v1", State: control.RolloutServerReplaced, ReplacedBy: "n2"},
		},
	}
	stored.New.Failed = 3
	if err := f.store.Rollouts.Step(t.Context(), stored); err != nil {
		t.Fatal(err)
	}
	err := f.store.Sessions.Insert(t.Context(), control.Session{
		ID: "s", State: control.SessionActive, Epoch: 1, Pipeline: &control.PipelineRef{ID: "p", Server: "m1"},
	})
	if err != nil {
		t.Fatal(err)
	}
	var r rollout
	f.must(http.StatusOK, apiKey, "GET", rolloutsPath+"/r", nil).decode(t, &r)
	s := r.Share
	if s == nil || s.Number != 2 || s.Phase != "relocating" || s.Deadline != "2026-07-01T13:00:00.000Z" ||
		len(s.Servers) != 2 || s.Servers[0].Remaining != 1 || s.Servers[1].ReplacedBy != "n2" || r.Failures.New.Failed != 3 {
		t.Fatalf("got %+v", r)
	}

	// While replacements are waited for, the deadline is theirs.
	stored.Revision, stored.Share.Phase = 1, control.RolloutReplacing
	stored.Share.Drained = new(at.Add(10 * time.Minute))
	if err := f.store.Rollouts.Step(t.Context(), stored); err != nil {
		t.Fatal(err)
	}
	f.must(http.StatusOK, apiKey, "GET", rolloutsPath+"/r", nil).decode(t, &r)
	if r.Share.Deadline != "2026-07-01T13:10:00.000Z" {
		t.Errorf("replacements are due at %s", r.Share.Deadline)
	}
}

func TestRollouts_BadInput(t *testing.T) {
	f := newFleet(t, 1, nil)
	for body, names := range map[string]string{
		`{}`:                                        "to",
		`{"to":""}`:                                 "to",
		`{"to":"v2","percent":0}`:                   "percent",
		`{"to":"v2","percent":101}`:                 "percent",
		`{"to":"v2","timeout":"soon"}`:              "timeout",
		`{"to":"v2","timeout":"0s"}`:                "timeout",
		`{"to":"v2","timeout":"169h"}`:              "timeout",
		`{"to":"v2","share":1}`:                     "share",
		`{"to":"` + strings.Repeat("v", 129) + `"}`: "to",
	} {
		a := f.call(apiKey, "POST", rolloutsPath, body)
		f.problem(a, http.StatusUnprocessableEntity, "invalid")
		if !strings.Contains(string(a.body), names) {
			t.Errorf("%s: %s does not name %s", body, a.body, names)
		}
	}
	for _, call := range []string{"GET /none", "POST /none/pause", "POST /none/resume", "POST /none/abort"} {
		method, path, _ := strings.Cut(call, " ")
		f.problem(f.call(apiKey, method, rolloutsPath+path, nil), http.StatusNotFound, "not_found")
	}
	f.problem(f.call("", "GET", rolloutsPath, nil), http.StatusUnauthorized, "unauthorized")
}
