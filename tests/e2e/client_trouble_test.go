package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/mediaclient"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/tests/harness"
)

// The times of a fleet that is quick to notice. What is tested is the order of things, not these.
const (
	troubleDisconnected = time.Second
	troubleFailed       = 2 * time.Second // after that
	troubleGrace        = 5 * time.Second
	troubleFailures     = 3
)

// trouble is a fleet of its own for clients in trouble.
type trouble struct {
	*harness.Fleet
	store *store.Store
	media *mediaclient.Client
}

// TestClientTrouble is what may go wrong with one client, while another one must not notice more of it than there is to
// notice.
func TestClientTrouble(t *testing.T) {
	f := startTrouble(t)
	for _, scenario := range []struct {
		name string
		run  func(*testing.T, trouble, *pair)
	}{
		{"a short silence heals unnoticed", shortSilence},
		{"a long silence is repaired by the client", longSilence},
		{"a client that fails again and again is removed", failsForGood},
		{"a closed tab is removed after its grace time", closedTab},
		{"a lost client is removed after its grace time", lostClient},
		{"a lost encoder is removed after its grace time, a lost player at once", lostMediaSessions},
		{"a sleeping client gets what it missed", sleeping},
		{"live media keeps a client that does not poll", silentButLive},
		{"media follows a client to its new address", movesUnnoticed},
		{"a client that restarts ICE keeps its place", restartsICE},
		{"a queue that comes back after its user has left goes again", queueComesBack},
	} {
		t.Run(scenario.name, func(t *testing.T) {
			t.Parallel() // they wait, mostly
			scenario.run(t, f, newPair(t, f))
		})
	}
}

func startTrouble(t *testing.T) trouble {
	t.Helper()
	f, err := harness.Start(t.Context(), "client-trouble", harness.Options{
		RestAPIs: 1, Wrappers: 2, MediaServers: 1,
		Settings: map[string][]string{
			"wrapper": {
				"--grace-time=" + troubleGrace.String(), fmt.Sprintf("--max-failures=%d", troubleFailures),
				"--sweep-period=500ms",
			},
			"mediaserver": {
				"--media-disconnected=" + troubleDisconnected.String(), "--media-failed=" + troubleFailed.String(),
			},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(t.Failed()); err != nil {
			t.Errorf("the fleet did not end well: %v", err)
		}
	})
	st, err := f.OpenStore(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close(context.Background()) })
	pool := mediaclient.NewPool(mediaclient.PoolConfig{}, slog.New(slog.DiscardHandler))
	t.Cleanup(pool.Close)
	media, err := pool.Connect(t.Context(), "ws://"+f.MediaServers[0].Address+"/kurento")
	if err != nil {
		t.Fatal(err)
	}
	return trouble{f, st, media}
}

// pair is a call of ann, who gets into trouble, and ben, who does not.
type pair struct {
	session  control.SessionID
	access   *harness.Access // ann's
	ann, ben *harness.User
	streams  map[string]string // as ben knows them
	told     int               // messages that ben has got before the trouble
}

func newPair(t *testing.T, f trouble) *pair {
	t.Helper()
	session, err := f.API.CreateSession(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	p := &pair{session: control.SessionID(session), access: harness.NewAccess("127.0.0.1")}
	t.Cleanup(p.access.Close)
	p.ann = harness.Join(t, f.API, session, "ann")
	p.ann.Over(p.access)
	p.ann.Publish()
	p.ben = harness.Join(t, f.API, session, "ben")
	p.ben.Publish()
	expectMedia(t, p.ann, p.ben)
	wait(t, p.ann, 2, "connection-state", `"connected"`)
	wait(t, p.ben, 2, "connection-state", `"connected"`) // the last that ben is told of
	p.streams, p.told = p.ben.Streams(), len(p.ben.Messages())
	return p
}

// countOf is how many messages of a type have text in their data.
func countOf(u *harness.User, kind, text string) int {
	n := 0
	for _, m := range u.Messages() {
		if m.Type == kind && strings.Contains(string(m.Data), text) {
			n++
		}
	}
	return n
}

// wait waits until u has had n messages of a type with text in them.
func wait(t *testing.T, u *harness.User, n int, kind, text string) {
	t.Helper()
	testkit.Eventually(t, func() error {
		if got := countOf(u, kind, text); got < n {
			return fmt.Errorf("%s got %d %s with %s, want %d; failures %v", u.ID, got, kind, text, n, u.Failures())
		}
		return nil
	})
}

// expectUnnoticed checks that ben has been told nothing at all, and that media flows both ways in the same streams.
func (p *pair) expectUnnoticed(t *testing.T) {
	t.Helper()
	expectMedia(t, p.ann, p.ben)
	for _, m := range p.ben.Since(p.told) {
		t.Errorf("ben was told: %s %s", m.Type, m.Data)
	}
	if now := p.ben.Streams(); now["ann"] != p.streams["ann"] {
		t.Errorf("ann's stream is %q, and was %q", now["ann"], p.streams["ann"])
	}
	expectNoFailures(t, p.ann, p.ben)
}

func (p *pair) read(t *testing.T, f trouble) *control.Session {
	t.Helper()
	sess, err := f.store.Sessions.Get(t.Context(), p.session)
	if err != nil {
		t.Fatal(err)
	}
	return sess
}

// annIs waits until ann is in a state with so many failures.
func (p *pair) annIs(t *testing.T, f trouble, state control.UserState, failures int) {
	t.Helper()
	testkit.Eventually(t, func() error {
		ann := p.read(t, f).User("ann")
		if ann == nil || ann.State != state || ann.Failures != failures {
			return fmt.Errorf("ann is %+v, want %s with %d failures", ann, state, failures)
		}
		return nil
	})
}

// expectRemoved waits until ann is gone, as everybody is told, and nothing is left of her.
func (p *pair) expectRemoved(t *testing.T, f trouble) {
	t.Helper()
	wait(t, p.ben, 1, "user-left", `"timeout"`)
	if got := p.ben.Streams()["ann"]; got != "" {
		t.Errorf("ben still knows ann's stream %s", got)
	}
	testkit.Eventually(t, func() error {
		return errors.Join(p.nothingStored(t, f), p.noQueue(t, f), p.noEndpoints(t, f))
	})
	expectNoFailures(t, p.ben)
}

func (p *pair) nothingStored(t *testing.T, f trouble) error {
	t.Helper()
	sess := p.read(t, f)
	if len(sess.Users) != 1 || len(sess.Leaving) != 0 || len(sess.Connections) != 2 {
		return fmt.Errorf("%d users, %d leaving, %d connections, want those of ben",
			len(sess.Users), len(sess.Leaving), len(sess.Connections))
	}
	for _, kind := range []control.ConnectionKind{control.Publish, control.Subscribe} {
		_, err := f.store.Negotiations.Get(t.Context(), control.NegotiationID(sess.ID, "ann", kind))
		if !errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("the %s negotiation is there: %w", kind, err)
		}
	}
	all, err := f.store.Presence.Idle(t.Context(), time.Now().Add(time.Hour), 100)
	for _, presence := range all {
		if presence.Session == sess.ID && presence.User == "ann" {
			return errors.New("the presence is there")
		}
	}
	return err
}

func (p *pair) noQueue(t *testing.T, f trouble) error {
	t.Helper()
	queues, err := f.Broker.Queues(t.Context())
	if err != nil {
		return err
	}
	if _, found := queues["orkestro.user."+string(p.session)+"/ann"]; found {
		return errors.New("the queue is there")
	}
	return nil
}

func (p *pair) noEndpoints(t *testing.T, f trouble) error {
	t.Helper()
	endpoints, err := f.media.Endpoints(t.Context())
	if err != nil {
		return err
	}
	pipeline := p.read(t, f).Pipeline.ID
	for _, e := range endpoints {
		if e.Pipeline == pipeline && e.User == "ann" {
			return fmt.Errorf("endpoint %s is there", e.ID)
		}
	}
	return nil
}

func shortSilence(t *testing.T, f trouble, p *pair) {
	t.Helper()
	p.access.Cut()
	wait(t, p.ann, 2, "connection-state", `"disconnected"`)
	p.access.Heal()
	p.expectUnnoticed(t)
	wait(t, p.ann, 4, "connection-state", `"connected"`)
	if got := countOf(p.ann, "connection-failed", ""); got != 0 {
		t.Errorf("ann was told %d times that a connection failed", got)
	}
	p.annIs(t, f, control.UserJoined, 0)
}

func longSilence(t *testing.T, f trouble, p *pair) {
	t.Helper()
	p.access.Cut()
	wait(t, p.ann, 2, "connection-failed", `"retry":true`)
	p.annIs(t, f, control.UserReconnecting, 2)
	p.access.Heal()
	p.expectUnnoticed(t)
	p.annIs(t, f, control.UserJoined, 0)
}

func failsForGood(t *testing.T, f trouble, p *pair) {
	t.Helper()
	p.access.Cut() // ann polls, and offers again and again, but no packet comes through
	p.expectRemoved(t, f)
	testkit.Eventually(t, func() error {
		if !p.ann.Gone() {
			return errors.New("ann was not told that she is gone")
		}
		return nil
	})
	if got := countOf(p.ann, "connection-failed", `"retry":true`); got >= troubleFailures {
		t.Errorf("ann was asked %d times to try again", got)
	}
}

func closedTab(t *testing.T, f trouble, p *pair) {
	t.Helper()
	p.ann.Close()
	closed := time.Now()
	p.expectRemoved(t, f)
	if took := time.Since(closed); took < troubleGrace/2 {
		t.Errorf("removed after %s, the grace time is %s", took, troubleGrace)
	}
}

func lostClient(t *testing.T, f trouble, p *pair) {
	t.Helper()
	p.access.Cut()
	p.ann.Close()
	p.expectRemoved(t, f)
}

// sleeping is a laptop that is closed and opened again within the grace time.
func sleeping(t *testing.T, f trouble, p *pair) {
	t.Helper()
	wake := sync.OnceFunc(p.ann.Freeze())
	defer wake()
	p.access.Cut()
	var sent, got []string
	for i := range 20 {
		id, err := p.ben.Send(t.Context(), "note", i, "")
		if err != nil {
			t.Fatal(err)
		}
		sent = append(sent, id)
	}
	p.annIs(t, f, control.UserReconnecting, 2)
	p.access.Heal()
	wake()
	expectMedia(t, p.ann, p.ben)
	wait(t, p.ann, len(sent), "message", "")
	for _, m := range p.ann.Messages() {
		if m.Type == "message" {
			got = append(got, m.ID)
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(sent) {
		t.Errorf("ann got %v, want %v", got, sent)
	}
	if has(p.ben, "user-left", nil) || has(p.ben, "stream-removed", nil) {
		t.Error("ben was told that ann left")
	}
	expectNoFailures(t, p.ann, p.ben)
}

func silentButLive(t *testing.T, f trouble, p *pair) {
	t.Helper()
	wake := sync.OnceFunc(p.ann.Freeze())
	defer wake()
	frozen := time.Now()
	testkit.Eventually(t, func() error {
		if left := troubleGrace*3/2 - time.Since(frozen); left > 0 {
			return fmt.Errorf("%s to go", left)
		}
		return nil
	})
	if p.read(t, f).User("ann") == nil {
		t.Fatal("ann was removed although her media is live")
	}
	wake()
	p.expectUnnoticed(t)
}

func movesUnnoticed(t *testing.T, f trouble, p *pair) {
	t.Helper()
	offers := countOf(p.ann, "offer", "")
	p.mark()
	if err := p.access.Move("127.0.0.2"); err != nil {
		t.Fatal(err)
	}
	p.expectUnnoticed(t)
	p.logGaps(t)
	if got := countOf(p.ann, "offer", ""); got != offers || has(p.ann, "connection-failed", nil) {
		t.Errorf("ann got %d offers more", got-offers)
	}
	p.annIs(t, f, control.UserJoined, 0)
}

func restartsICE(t *testing.T, f trouble, p *pair) {
	t.Helper()
	p.mark()
	if err := p.access.Move("127.0.0.3"); err != nil {
		t.Fatal(err)
	}
	p.ann.RestartICE()
	p.expectUnnoticed(t)
	p.logGaps(t)
	if has(p.ann, "connection-failed", nil) {
		t.Error("ann was told that a connection failed")
	}
	p.annIs(t, f, control.UserJoined, 0)
}

func (p *pair) mark() {
	p.ann.Mark()
	p.ben.Mark()
}

// logGaps tells how long media was away.
func (p *pair) logGaps(t *testing.T) {
	t.Helper()
	t.Logf("without media: from ann %s, to ann %s", p.ben.Arrivals(p.streams["ann"], "video").Gap,
		p.ann.Arrivals(p.ann.Streams()["ben"], "video").Gap)
}

// queueComesBack makes the queues of users again that have left, as a broker does that is killed before it has put the
// end of a queue on disk: they go again, that of a session that is closed by then, too.
func queueComesBack(t *testing.T, f trouble, p *pair) {
	t.Helper()
	closed, err := f.API.CreateSession(t.Context(), "")
	must(t, err)
	_, err = f.API.Join(t.Context(), closed, "ann")
	must(t, err)
	b := openBrokerOf(t, f.Fleet)
	sessions := []string{string(p.session), closed}
	for _, session := range sessions {
		path := "/v1/sessions/" + session + "/users/ann"
		_, err := f.API.Insist(t.Context(), harness.Request{Method: http.MethodDelete, Path: path}, nil)
		must(t, err)
		must(t, b.DeclareQueue(t.Context(), message.UserQueue(control.SessionID(session), "ann")))
	}
	must(t, f.API.CloseSession(t.Context(), closed))
	for _, session := range sessions {
		testkit.Eventually(t, func() error {
			_, err := b.Inspect(t.Context(), message.UserQueue(control.SessionID(session), "ann").Name)
			if errors.Is(err, broker.ErrNotFound) {
				return nil
			}
			return fmt.Errorf("the queue of ann in %s is there: %w", session, err)
		})
	}
	expectNoFailures(t, p.ben)
}
