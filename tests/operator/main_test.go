// Package operator_test is about what an operator of a fleet has to cope with: messages that fail again and again, users
// who flood or never read, and the tools that look into a live fleet. One fleet of processes serves all tests.
package operator_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/broker/amqp"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/doctor"
	"github.com/orkestro/orkestro/pkg/mediaclient"
	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/tests/harness"
)

// maxAttempts is how often the Wrappers of these tests try a request.
const maxAttempts = 3

var fleet *harness.Fleet

func TestMain(m *testing.M) {
	os.Exit(harness.Main(m, "operator", harness.Options{
		RestAPIs: 2, Wrappers: 2, MediaServers: 2,
		Settings: map[string][]string{
			"restapi": {"--user-rate=50", "--user-burst=100"},
			"wrapper": {fmt.Sprintf("--max-attempts=%d", maxAttempts), "--sweep-period=500ms", "--reconcile-period=1s"},
		},
	}, &fleet))
}

func openBroker(t *testing.T) *amqp.Broker {
	t.Helper()
	b, err := amqp.Open(t.Context(), amqp.Config{URL: fleet.Broker.URL()}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	testkit.Eventually(t, b.Ready)
	return b
}

func openStore(t *testing.T) *store.Store {
	t.Helper()
	st, err := fleet.OpenStore(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close(context.Background()) })
	return st
}

// examine examines the fleet as `orkestro doctor` does.
func examine(t *testing.T) doctor.Report {
	t.Helper()
	pool := mediaclient.NewPool(mediaclient.PoolConfig{}, slog.New(slog.DiscardHandler))
	defer pool.Close()
	report, err := doctor.Examine(t.Context(), doctor.Fleet{
		Store: openStore(t), Broker: openBroker(t),
		Connect: func(ctx context.Context, url string) (doctor.Server, error) {
			client, err := pool.Connect(ctx, url)
			if err != nil {
				return nil, err
			}
			return client, nil
		},
	}, doctor.Settings{Pause: 6 * time.Second}) // several times what the loops of this fleet take
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// operate runs the operator's program and checks its exit status.
func operate(t *testing.T, want int, args ...string) string {
	t.Helper()
	status, stdout, stderr, err := fleet.Operator(t.Context(), args...)
	if err != nil {
		t.Fatal(err)
	}
	if status != want {
		t.Fatalf("orkestro %v: status %d, want %d:\n%s%s", args, status, want, stdout, stderr)
	}
	return stdout
}

// member is a user without media, whose calls a test makes one by one.
type member struct {
	session, id, token string
	join               control.JoinID
	inbox              *harness.Inbox
}

func joinAs(t *testing.T, session, id string) member {
	t.Helper()
	joined, err := fleet.API.Join(t.Context(), session, id)
	if err != nil {
		t.Fatalf("join %s: %v", id, err)
	}
	sess, err := openStore(t).Sessions.Get(t.Context(), control.SessionID(session))
	if err != nil {
		t.Fatal(err)
	}
	return member{
		session: session, id: id, token: joined.Token, join: sess.User(control.UserID(id)).Join,
		inbox: harness.NewInbox(fleet.API, session, id, joined.Token),
	}
}

// say sends a message to everybody.
func (m member) say(ctx context.Context, text string) (id string, err error) {
	return fleet.API.Send(ctx, m.session, m.id, m.token, "chat", text, "")
}

// dead is how many messages were given up.
func dead(t *testing.T, b broker.Broker) int {
	t.Helper()
	info, err := b.Inspect(t.Context(), broker.DeadLetterQueue)
	if err != nil && !errors.Is(err, broker.ErrNotFound) {
		t.Fatal(err)
	}
	return info.Messages
}
