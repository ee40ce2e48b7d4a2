package failover_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/tests/harness"
)

// slack is how much slower than promised a test accepts: the machine is shared with other tests, and programs are built
// with the race detector.
const slack = 5

// loss is a way to lose a media server, and to get it back.
type loss struct {
	lose, restore func(context.Context, *harness.Process) error
	promise       time.Duration // from the loss to media elsewhere
	comesBack     bool          // as the same instance, with all it had
}

func killed() loss {
	return loss{
		lose:    func(_ context.Context, p *harness.Process) error { p.Kill(); return nil },
		restore: func(ctx context.Context, p *harness.Process) error { return p.Start(ctx) },
		promise: 700 * time.Millisecond,
	}
}

func frozen() loss {
	return loss{
		lose:      func(_ context.Context, p *harness.Process) error { return p.Pause() },
		restore:   func(_ context.Context, p *harness.Process) error { return p.Resume() },
		promise:   2*time.Second + 700*time.Millisecond,
		comesBack: true,
	}
}

func cutOff() loss {
	return loss{
		lose:      func(ctx context.Context, p *harness.Process) error { return p.CutOff(ctx) },
		restore:   func(ctx context.Context, p *harness.Process) error { return p.Heal(ctx) },
		promise:   2*time.Second + 700*time.Millisecond,
		comesBack: true,
	}
}

func TestLoss_Killed(t *testing.T) { killed().survive(t) }

func TestLoss_Frozen(t *testing.T) { frozen().survive(t) }

func TestLoss_CutOff(t *testing.T) {
	needsHosts(t)
	cutOff().survive(t)
}

// survive loses the server of a call. The call goes on elsewhere, nobody else is touched, and the server is of use again
// when it is back, without what it had.
func (l loss) survive(t *testing.T) {
	t.Helper()
	c := newCall(t, "ann", "ben")
	other := c.elsewhere(t)
	streams := c.users[0].Streams()
	server := c.was.Server
	undisturbed := other.mark()

	began := time.Now()
	must(t, l.lose(t.Context(), server))
	restored := false
	restore := func(ctx context.Context) {
		if !restored {
			restored = true
			if err := l.restore(ctx, server); err != nil {
				t.Errorf("restore %s: %v", server.Name, err)
			}
		}
	}
	t.Cleanup(func() { restore(context.Background()) })
	took := c.waitMedia(t, c.was.Epoch+1).Sub(began)
	t.Logf("media again after %s", took.Round(time.Millisecond))
	if took > slack*l.promise {
		t.Errorf("media again after %s, promised are %s", took, l.promise)
	}
	if now := placement(t, c.id); now.Server == server || now.Epoch != c.was.Epoch+1 {
		t.Errorf("the session is on %s in epoch %d", now.Server.Name, now.Epoch)
	}
	other.expectUndisturbed(t, undisturbed)

	moved := placement(t, c.id)
	restore(t.Context())
	if l.comesBack {
		expectReleased(t, server)
	}
	expectUseful(t, server)
	if now := placement(t, c.id); now != moved {
		t.Errorf("the session is on %s in epoch %d after the server came back", now.Server.Name, now.Epoch)
	}
	for _, u := range c.users {
		if now := u.Streams(); fmt.Sprint(now) != fmt.Sprint(streams) {
			t.Errorf("%s sees the streams %v, and saw %v before", u.ID, now, streams)
		}
	}
}

// expectReleased waits until a server that is back has nothing left of what it had.
func expectReleased(t *testing.T, server *harness.Process) {
	t.Helper()
	testkit.Eventually(t, func() error {
		servers, err := fleet.Servers(t.Context())
		if err != nil {
			return err
		}
		if s := servers[server.Name]; s.Status != "up" || s.Load.Pipelines > 0 {
			return fmt.Errorf("%s is %s with %d pipelines", s.ID, s.Status, s.Load.Pipelines)
		}
		return nil
	})
}

// expectUseful has sessions placed until a server has taken one.
func expectUseful(t *testing.T, server *harness.Process) {
	t.Helper()
	testkit.Eventually(t, func() error {
		if at := placement(t, newPipeline(t)); at.Server != server {
			return fmt.Errorf("%s takes no sessions", server.Name)
		}
		return nil
	})
}

// newPipeline is a session with a pipeline and without media.
func newPipeline(t *testing.T) string {
	t.Helper()
	session := fleet.NewSession(t)
	request := harness.Request{
		Method: http.MethodPost, Path: "/v1/sessions/" + session + "/users", Body: map[string]any{"id": "eve"},
	}
	_, err := fleet.API.Insist(t.Context(), request, nil)
	must(t, err)
	return session
}
