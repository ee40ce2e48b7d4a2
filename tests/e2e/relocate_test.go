package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/tests/harness"
)

// maxGap is how long nothing of a stream may arrive when a session is moved. Generous: the cores are shared.
const maxGap = 3 * time.Second

// TestRelocate_ADrainedServerGivesItsCallAway drains the media server of a running call. Every message of a stream of
// messages arrives once and in order, nobody leaves, media goes on, and the server ends empty.
func TestRelocate_ADrainedServerGivesItsCallAway(t *testing.T) {
	session := fleet.NewSession(t)
	users := join(t, session, "ann", "ben")
	expectMedia(t, users...)
	streams := users[0].Streams()
	server := serverOf(t, session)
	for _, u := range users {
		u.Mark()
	}

	talking, stop := context.WithCancel(t.Context())
	defer stop()
	said := make(chan int, 1)
	go func() { said <- chatter(talking, t, users[0]) }()
	drain(t, server.Name)
	testkit.Eventually(t, func() error { return isEmpty(t.Context(), server.Name) })
	for _, u := range users {
		testkit.Eventually(t, func() error { return toldOfTheMove(u) })
	}
	expectMedia(t, users...)
	stop()

	want := make([]int, <-said)
	for n := range want {
		want[n] = n
	}
	expectNumbers(t, users[1], "ann", want)
	expectUndisturbed(t, streams, users...)
	if now := serverOf(t, session); now == server {
		t.Errorf("the session is still on %s", now.Name)
	}
}

// chatter sends numbered messages until ctx ends, and gives how many.
func chatter(ctx context.Context, t *testing.T, u *harness.User) (sent int) {
	t.Helper()
	for ctx.Err() == nil {
		if _, err := u.Send(context.WithoutCancel(ctx), "number", sent, ""); err != nil {
			t.Errorf("number %d: %v", sent, err)
			return sent
		}
		sent++
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Millisecond): // the pace of a talkative client
		}
	}
	return sent
}

// drain empties a media server at once, and has it take sessions again when the test ends.
func drain(t *testing.T, server string) {
	t.Helper()
	path := "/v1/admin/servers/" + server + "/drain"
	request := harness.Request{Method: http.MethodPost, Path: path, Body: map[string]any{"timeout": "0s", "then": "relocate"}}
	if _, err := fleet.API.Do(t.Context(), request, nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := fleet.API.Do(context.Background(), harness.Request{Method: http.MethodDelete, Path: path}, nil); err != nil {
			t.Errorf("undrain: %v", err)
		}
	})
}

// isEmpty is nil when a server counts as drained and has nothing.
func isEmpty(ctx context.Context, server string) error {
	servers, err := fleet.Servers(ctx)
	if err != nil {
		return err
	}
	if s := servers[server]; s.Availability != string(control.AvailabilityDrained) || s.Sessions != 0 || s.Load.Pipelines != 0 {
		return fmt.Errorf("%s is %s with %d sessions and %d pipelines", server, s.Availability, s.Sessions, s.Load.Pipelines)
	}
	return nil
}

// toldOfTheMove is nil once reconnect and, after it, disconnected for the epoch before have arrived.
func toldOfTheMove(u *harness.User) error {
	var to int64
	for _, m := range u.Messages() {
		var data struct {
			Epoch  int64  `json:"epoch"`
			Reason string `json:"reason"`
		}
		if err := json.Unmarshal(m.Data, &data); err != nil {
			return err
		}
		switch {
		case data.Reason != "relocating":
		case m.Type == "reconnect":
			to = data.Epoch
		case m.Type == "disconnected" && data.Epoch == to-1:
			return nil
		}
	}
	return fmt.Errorf("%s was not told that it is moved (to epoch %d) and then that the old pipeline is gone", u.ID, to)
}

// expectUndisturbed checks that nobody and no stream went, and that media was never away for long.
func expectUndisturbed(t *testing.T, streams map[string]string, users ...*harness.User) {
	t.Helper()
	for _, u := range users {
		if has(u, "user-left", nil) || has(u, "stream-removed", nil) || has(u, "connection-failed", nil) {
			t.Errorf("%s was told that somebody left, stopped or failed", u.ID)
		}
		for sender, stream := range u.Streams() {
			if sender == u.ID {
				continue
			}
			if before := streams[sender]; before != "" && before != stream {
				t.Errorf("the stream of %s is %q, and was %q before", sender, stream, before)
			}
			for _, kind := range []string{"audio", "video"} {
				gap := u.Arrivals(stream, kind).Gap
				t.Logf("%s: longest gap of %s of %s: %s", u.ID, kind, sender, gap.Round(time.Millisecond))
				if gap > maxGap {
					t.Errorf("%s got no %s of %s for %s", u.ID, kind, sender, gap)
				}
			}
		}
	}
	expectNoFailures(t, users...)
}

// TestRelocate_WrappersDieMeanwhile kills both Wrappers just when a session begins to move. It is moved to the end.
func TestRelocate_WrappersDieMeanwhile(t *testing.T) {
	session, users := movingCall(t, nil)
	killAndRestart(t, fleet.Wrappers...)
	expectMoved(t, session)
	for _, u := range users {
		testkit.Eventually(t, func() error { return toldOfTheMove(u) })
	}
	expectMedia(t, users...)
	expectUndisturbed(t, nil, users...)
}

// TestRelocate_TheNewServerDiesMeanwhile kills the media server that a session is being moved to. It is rebuilt, and
// nobody leaves.
func TestRelocate_TheNewServerDiesMeanwhile(t *testing.T) {
	session, users := movingCall(t, func(u *harness.User) error {
		if !has(u, "reconnect", nil) {
			return fmt.Errorf("%s is not told to move", u.ID)
		}
		return nil
	})
	killForTheTest(t, serverOf(t, session))
	expectMoved(t, session)
	for _, u := range users {
		testkit.Eventually(t, func() error { return toldOfTheLoss(u) })
	}
	expectMedia(t, users...)
	for _, u := range users {
		if has(u, "user-left", nil) || has(u, "stream-removed", nil) {
			t.Errorf("%s was told that somebody left or stopped", u.ID)
		}
	}
}

// TestRelocate_AUserComesAndOneGoesMeanwhile: who joins in the middle of a move sees and hears the others, and who leaves
// is gone from both pipelines.
func TestRelocate_AUserComesAndOneGoesMeanwhile(t *testing.T) {
	session, users := movingCall(t, nil)
	if err := users[1].Leave(t.Context()); err != nil {
		t.Fatal(err)
	}
	cid := join(t, session, "cid")[0]
	expectMoved(t, session)
	expectMedia(t, users[0], cid)
	if !has(users[0], "user-left", about("ben")) || !has(cid, "joined", nil) {
		t.Error("somebody was not told who is there")
	}
	expectNoFailures(t, users[0], cid)
}

// movingCall is a call of two that begins to move to the other media server. ready is awaited of both then.
func movingCall(t *testing.T, ready func(*harness.User) error) (session string, users []*harness.User) {
	t.Helper()
	session = fleet.NewSession(t)
	users = join(t, session, "ann", "ben")
	expectMedia(t, users...)
	for _, u := range users {
		u.Mark()
	}
	move(t, session)
	for _, u := range users {
		if ready != nil {
			testkit.Eventually(t, func() error { return ready(u) })
		}
	}
	return session, users
}

// move asks for the move of a session to the other media server.
func move(t *testing.T, session string) {
	t.Helper()
	mover, err := fleet.OpenMover(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := mover.Move(t.Context(), session); err != nil {
		t.Error(err)
	}
	if err := mover.Close(); err != nil {
		t.Error(err)
	}
}

// expectMoved waits until a session has another pipeline than its first, and nothing is left of a move.
func expectMoved(t *testing.T, session string) {
	t.Helper()
	st, err := fleet.OpenStore(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = st.Close(context.WithoutCancel(t.Context())) }()
	testkit.Eventually(t, func() error {
		sess, err := st.Sessions.Get(t.Context(), control.SessionID(session))
		if err != nil {
			return err
		}
		if sess.Epoch < 2 || sess.Relocation != nil {
			return fmt.Errorf("in epoch %d, of the move is left %+v", sess.Epoch, sess.Relocation)
		}
		if slices.ContainsFunc(sess.Connections, func(c control.Connection) bool { return c.Epoch != sess.Epoch }) {
			return errors.New("it has connections of an epoch before")
		}
		return nil
	})
}

// TestRelocate_EncodersAndPlayersDialAgain: a client of WHIP or WHEP cannot be told to move. Nobody waits for it: its
// connection is closed, it dials again, and is where the session is.
func TestRelocate_EncodersAndPlayersDialAgain(t *testing.T) {
	session := fleet.NewSession(t)
	ann := joinSilently(t, session, "ann")
	encoder, player := ingest(t, session, "?user=obs"), watch(t, session, "")
	expectFrom(t, ann, "obs")
	expectView(t, player)
	move(t, session)
	expectMoved(t, session)
	for _, m := range []*harness.MediaSession{encoder, player} {
		testkit.Eventually(t, func() error {
			if m.Connected() == nil {
				return errors.New("it is still connected to where the session was")
			}
			return nil
		})
	}
	ingest(t, session, "?user=obs")
	expectFrom(t, ann, "obs")
	expectView(t, watch(t, session, ""))
	if has(ann, "user-left", nil) {
		t.Error("ann was told that the encoder's user left")
	}
	expectNoFailures(t, ann)
}
