package consume_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/broker/memory"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/services/wrapper/internal/consume"
	"github.com/orkestro/orkestro/services/wrapper/internal/session"
)

// outOfReach is a fleet as a Wrapper sees it that is cut off from it.
type outOfReach struct{}

func (outOfReach) Servers() []control.MediaServer {
	return []control.MediaServer{{ID: "m", Instance: "i", Status: control.StatusSuspect}}
}
func (outOfReach) Saw(control.MediaServer) {}
func (outOfReach) Media(context.Context, control.MediaServerID) (session.Media, error) {
	return nil, session.ErrOutOfReach
}

// A Wrapper that is cut off from a media server leaves what concerns it to the others, however often it gets it.
func TestHandle_PostponesWhatIsOutOfReach(t *testing.T) {
	st := open(t)
	log := slog.New(slog.DiscardHandler)
	b := memory.New(log)
	t.Cleanup(func() { _ = b.Close() })
	registry := prometheus.NewRegistry()
	service := session.New(session.Config{}, st, b, outOfReach{}, session.NewMetrics(registry), log)
	f := &fixture{}
	consumer := consume.New(consume.Config{
		Concurrency: 1, MaxAttempts: maxAttempts, Timeout: time.Second,
	}, service, f, consume.NewMetrics(registry), log)
	user := control.User{ID: "a", Join: "j", Permissions: control.Permissions{Subscribe: true}}
	for id, pipeline := range map[control.SessionID]*control.PipelineRef{
		"s":   {ID: "p", Server: "m", Instance: "i"},
		"new": nil,
	} {
		err := st.Sessions.Insert(t.Context(), control.Session{
			ID: id, State: control.SessionActive, Epoch: 1, Users: []control.User{user}, Pipeline: pipeline,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	onServer := delivery(message.TypeRequestOffer, `{"user":"a","join":"j","epoch":1}`, 0)
	place := delivery(message.TypeJoin, `{"user":"b"}`, 0)
	place.Session = "new"
	for _, d := range []broker.Delivery{onServer, place} {
		if err := consumer.Handle(t.Context(), d); err == nil || broker.IsPostponed(err) || broker.IsPermanent(err) {
			t.Errorf("%s: got %v at first, want it tried again soon", d.Type, err)
		}
		for _, attempts := range []int{maxAttempts - 1, 10 * maxAttempts} {
			d.Attempts = attempts
			if err := consumer.Handle(t.Context(), d); !broker.IsPostponed(err) {
				t.Errorf("%s, attempt %d: got %v, want it postponed", d.Type, attempts, err)
			}
		}
	}
	if len(f.replies) != 0 {
		t.Errorf("somebody was told %+v", f.replies)
	}
}
