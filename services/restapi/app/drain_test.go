package app_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/store"
)

const serverPath = "/v1/admin/servers/m1"

// drainedServer is a media server as the API shows it.
type drainedServer struct {
	ID, Availability, Status string
	Sessions                 int64
	Drain                    *struct {
		Since, Deadline   time.Time
		Then, By, Waiting string
		Remaining         int64
	}
}

func registerServer(t *testing.T, f *fleet) {
	t.Helper()
	err := f.store.MediaServers.Register(t.Context(), control.MediaServer{
		ID: "m1", Instance: "i1", HeartbeatAt: time.Now(), StartedAt: time.Now(),
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (f *fleet) mediaServer() drainedServer {
	f.tb.Helper()
	var s drainedServer
	f.must(http.StatusOK, apiKey, "GET", serverPath, nil).decode(f.tb, &s)
	return s
}

func TestDrain_BegunChangedAndUndone(t *testing.T) {
	f := newFleet(t, 1, nil)
	registerServer(t, f)
	if s := f.mediaServer(); s.Availability != "active" || s.Drain != nil {
		t.Fatalf("got %+v", s)
	}
	f.must(http.StatusNoContent, apiKey, "DELETE", serverPath+"/drain", nil)

	var s drainedServer
	f.must(http.StatusAccepted, apiKey, "POST", serverPath+"/drain", nil).decode(t, &s)
	since := s.Drain.Since
	if took := s.Drain.Deadline.Sub(since); s.Availability != "draining" || s.Drain.Then != "relocate" ||
		s.Drain.By != "key:backend" || took != time.Hour {
		t.Fatalf("without a body: %+v, %+v", s, s.Drain)
	}
	if _, err := f.store.MediaServers.Reserve(t.Context(), "m1", "i1"); err == nil {
		t.Error("it still takes sessions")
	}
	f.must(http.StatusAccepted, "otherkey", "POST", serverPath+"/drain", `{"timeout":"0s","then":"wait"}`).decode(t, &s)
	if !s.Drain.Since.Equal(since) || s.Drain.Deadline.After(time.Now()) || s.Drain.Then != "wait" ||
		s.Drain.By != "key:operator" {
		t.Errorf("changed: %+v", s.Drain)
	}
	if err := f.store.MediaServers.NoteDrain(t.Context(), "m1", since, 3, "no room"); err != nil {
		t.Fatal(err)
	}
	if s := f.mediaServer(); s.Drain.Waiting != "no room" {
		t.Errorf("it does not say what it waits for: %+v", s.Drain)
	}
	f.must(http.StatusNoContent, apiKey, "DELETE", serverPath+"/drain", nil)
	if s := f.mediaServer(); s.Availability != "active" || s.Drain != nil {
		t.Errorf("undone: %+v", s)
	}
	wantAudit(t, f, []string{
		"key:backend server.undrain  ok", "key:backend server.drain 1h0m0s, then relocate ok",
		"key:operator server.drain 0s, then wait ok", "key:backend server.undrain  ok",
	})
}

func wantAudit(t *testing.T, f *fleet, want []string) {
	t.Helper()
	entries, err := f.store.Audit.List(context.Background(), store.AuditFilter{Object: "server:m1", Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Actor+" "+e.Action+" "+e.Reason+" "+e.Result)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the audit (+) is not what was done (-):\n%s", diff)
	}
}

func TestDrain_OfOneThatIsDrainedOrDown(t *testing.T) {
	f := newFleet(t, 1, nil)
	registerServer(t, f)
	ctx, servers := t.Context(), f.store.MediaServers
	f.must(http.StatusAccepted, apiKey, "POST", serverPath+"/drain", `{}`)
	seen, err := servers.Get(ctx, "m1")
	if err != nil {
		t.Fatal(err)
	}
	if err := servers.SetDrained(ctx, seen); err != nil {
		t.Fatal(err)
	}
	var s drainedServer
	f.must(http.StatusAccepted, apiKey, "POST", serverPath+"/drain", `{"timeout":"5m"}`).decode(t, &s)
	if s.Availability != "drained" || s.Drain.Deadline.Sub(s.Drain.Since) != time.Hour {
		t.Errorf("drained once more: %+v", s)
	}
	f.must(http.StatusNoContent, apiKey, "DELETE", serverPath+"/drain", nil)
	if err := servers.SetStatus(ctx, "m1", "i1", control.StatusDown); err != nil {
		t.Fatal(err)
	}
	f.problem(f.call(apiKey, "POST", serverPath+"/drain", `{}`), http.StatusConflict, "conflict")
}

// What a rollout drains would be drained again at once: an undo that does not last is none.
func TestDrain_OfARolloutIsNotUndone(t *testing.T) {
	f := newFleet(t, 1, nil)
	registerServer(t, f)
	ctx := t.Context()
	live := control.Rollout{
		ID: "r", To: "v2", Timeout: time.Hour, State: control.RolloutRunning,
		Share: &control.RolloutShare{Servers: []control.RolloutServer{{ID: "m1", State: control.RolloutServerDraining}}},
	}
	if err := f.store.Rollouts.Insert(ctx, live); err != nil {
		t.Fatal(err)
	}
	f.must(http.StatusAccepted, apiKey, "POST", serverPath+"/drain", `{}`)
	refused := f.call(apiKey, "DELETE", serverPath+"/drain", nil)
	f.problem(refused, http.StatusConflict, "conflict")
	if want := "drained for rollout r, which is running"; !strings.Contains(string(refused.body), want) {
		t.Errorf("it says %s", refused.body)
	}
	if s := f.mediaServer(); s.Availability != "draining" {
		t.Errorf("refused, the server is %s", s.Availability)
	}
	f.problem(f.call(apiKey, "DELETE", "/v1/admin/servers/m2/drain", nil), http.StatusNotFound, "not_found")
	live.State = control.RolloutStopped
	if err := f.store.Rollouts.Step(ctx, live); err != nil {
		t.Fatal(err)
	}
	f.must(http.StatusNoContent, apiKey, "DELETE", serverPath+"/drain", nil)
}

func TestDrain_NamesWhatIsWrong(t *testing.T) {
	f := newFleet(t, 1, nil)
	registerServer(t, f)
	for _, body := range []string{
		`{"timeout":""}`, `{"timeout":"soon"}`, `{"timeout":"-1s"}`, `{"timeout":"168h0m1s"}`, `{"then":""}`,
		`{"then":"leave"}`, `{"timeout":3600}`, `{"deadline":"1h"}`, `[]`,
	} {
		f.problem(f.call(apiKey, "POST", serverPath+"/drain", body), http.StatusUnprocessableEntity, "invalid")
	}
	if s := f.mediaServer(); s.Availability != "active" {
		t.Errorf("it is %s", s.Availability)
	}
	f.problem(f.call(apiKey, "POST", "/v1/admin/servers/m2/drain", `{}`), http.StatusNotFound, "not_found")
	f.problem(f.call(apiKey, "DELETE", "/v1/admin/servers/m2/drain", nil), http.StatusNotFound, "not_found")
}
