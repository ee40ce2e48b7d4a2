package e2e_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/orkestro/orkestro/tests/harness"
)

// maker makes sessions and has somebody join each, one after the other, and remembers what was acknowledged.
type maker struct {
	cancel context.CancelFunc
	group  sync.WaitGroup
	// Of the goroutine until it has ended.
	made     []string // paths that must be there
	sessions []string
}

func startMaking(t *testing.T) *maker {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	m := &maker{cancel: cancel}
	m.group.Go(func() {
		for ctx.Err() == nil {
			m.make(ctx)
			select {
			case <-ctx.Done():
			case <-time.After(50 * time.Millisecond):
			}
		}
	})
	t.Cleanup(m.stop)
	return m
}

func (m *maker) make(ctx context.Context) {
	session, err := fleet.API.CreateSession(ctx, "")
	if err != nil {
		return
	}
	m.made, m.sessions = append(m.made, "/v1/sessions/"+session), append(m.sessions, session)
	if _, err := fleet.API.Join(ctx, session, "somebody"); err == nil {
		m.made = append(m.made, "/v1/sessions/"+session+"/users/somebody")
	}
}

func (m *maker) stop() {
	m.cancel()
	m.group.Wait()
}

// expectMade checks that all that was acknowledged is there, and takes it away.
func (m *maker) expectMade(t *testing.T) {
	t.Helper()
	m.stop()
	for _, path := range m.made {
		_, err := fleet.API.Do(t.Context(), harness.Request{Method: http.MethodGet, Path: path}, nil)
		if err != nil {
			t.Errorf("it was acknowledged, and is not there: %v", err)
		}
	}
	t.Logf("%d sessions and joins were acknowledged and are there", len(m.made))
	for _, session := range m.sessions {
		if err := fleet.API.CloseSession(t.Context(), session); err != nil {
			t.Error(err)
		}
	}
}
