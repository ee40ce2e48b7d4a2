package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/tests/harness"
)

func whipPath(session, query string) string { return "/v1/sessions/" + session + "/whip" + query }
func whepPath(session, query string) string { return "/v1/sessions/" + session + "/whep" + query }

func ingest(t *testing.T, session, query string) *harness.MediaSession {
	t.Helper()
	m, err := harness.Ingest(t.Context(), fleet.API, whipPath(session, query), "")
	if err != nil {
		t.Fatalf("publish by WHIP: %v", err)
	}
	t.Cleanup(m.Close)
	return m
}

func watch(t *testing.T, session, query string) *harness.MediaSession {
	t.Helper()
	m, err := harness.Watch(t.Context(), fleet.API, whepPath(session, query), "")
	if err != nil {
		t.Fatalf("watch by WHEP: %v", err)
	}
	t.Cleanup(m.Close)
	return m
}

// expectView waits until a viewer receives new audio and video.
func expectView(t *testing.T, viewer *harness.MediaSession) {
	t.Helper()
	for _, kind := range []string{"video", "audio"} {
		before := viewer.Packets(kind)
		testkit.Eventually(t, func() error {
			if got := viewer.Packets(kind) - before; got < enough {
				return fmt.Errorf("%d packets of %s; %w", got, kind, errors.Join(viewer.Connected()))
			}
			return nil
		})
	}
}

// expectFrom waits until a user receives new audio and video of a user that is none of the harness.
func expectFrom(t *testing.T, receiver *harness.User, sender string) {
	t.Helper()
	for _, kind := range []string{"video", "audio"} {
		before := receiver.Packets(receiver.Streams()[sender], kind)
		testkit.Eventually(t, func() error {
			if got := receiver.Packets(receiver.Streams()[sender], kind) - before; got < enough {
				return fmt.Errorf("%s got %d packets of %s of %s", receiver.ID, got, kind, sender)
			}
			return nil
		})
	}
}

// TestWHIP_PublishesToEverybody: users of the session and viewers get what an encoder sends, and it is a user like any.
func TestWHIP_PublishesToEverybody(t *testing.T) {
	session := fleet.NewSession(t)
	ann := joinSilently(t, session, "ann")
	early := watch(t, session, "") // nothing is published yet
	encoder := ingest(t, session, "?user=obs&name=Studio")
	late := watch(t, session, "?user=obs")
	expectFrom(t, ann, "obs")
	expectView(t, early)
	expectView(t, late)
	if !has(ann, "user-joined", about("obs")) {
		t.Error("ann was not told of the encoder's user")
	}

	if err := encoder.End(t.Context()); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, func() error {
		if !has(ann, "stream-removed", streamOf("obs")) || !has(ann, "user-left", about("obs")) {
			return errors.New("ann was not told that the encoder's user left")
		}
		return nil
	})
	if answer, err := encoder.Patch(t.Context(), "*", encoderFragment); err != nil || answer.Status != http.StatusNotFound {
		t.Errorf("a session that was ended answers %d, %v", answer.Status, err)
	}
	expectNoFailures(t, ann)
}

const encoderFragment = "a=ice-ufrag:abcd\r\na=ice-pwd:aaaaaaaaaaaaaaaaaaaaaa\r\n"

// TestWHIP_DialsAgain: an encoder that was killed comes back as the same user before anybody has missed it, and its
// earlier session is over.
func TestWHIP_DialsAgain(t *testing.T) {
	session := fleet.NewSession(t)
	ann := joinSilently(t, session, "ann")
	viewer := watch(t, session, "")
	first := ingest(t, session, "?user=obs")
	expectFrom(t, ann, "obs")
	expectView(t, viewer)
	first.Vanish()
	second := ingest(t, session, "?user=obs")
	if first.Location == second.Location {
		t.Fatal("both sessions have one URL")
	}
	expectFrom(t, ann, "obs")
	expectView(t, viewer) // follows without another offer
	answer, err := first.Patch(t.Context(), "*", encoderFragment)
	if err != nil || answer.Status != http.StatusNotFound {
		t.Errorf("the session that was replaced answers %d, %v", answer.Status, err)
	}
	if has(ann, "user-left", nil) {
		t.Error("ann was told that somebody left")
	}
	if err := second.End(t.Context()); err != nil {
		t.Error(err)
	}
	expectNoFailures(t, ann)
}

// TestMediaSessions_MediaServerDies: nobody can tell encoder and player; both dial again, and are back in their places.
func TestMediaSessions_MediaServerDies(t *testing.T) {
	session := fleet.NewSession(t)
	ann := joinSilently(t, session, "ann")
	encoder, viewer := ingest(t, session, "?user=obs"), watch(t, session, "")
	expectView(t, viewer)
	killForTheTest(t, serverOf(t, session))
	encoder.Vanish()
	encoder, again := ingest(t, session, "?user=obs"), watch(t, session, "")
	expectFrom(t, ann, "obs")
	expectView(t, again)
	if has(ann, "user-left", nil) {
		t.Error("ann was told that somebody left")
	}
	answer, err := viewer.Patch(t.Context(), "*", encoderFragment)
	if err != nil || answer.Status != http.StatusNotFound {
		t.Errorf("a view of the pipeline that was lost answers %d, %v", answer.Status, err)
	}
	for _, m := range []*harness.MediaSession{encoder, again} {
		if err := m.End(t.Context()); err != nil {
			t.Error(err)
		}
	}
	expectNoFailures(t, ann)
}

// TestMediaSessions_TrickleAndRestartICE goes through a REST replica after the other: none of them knows a session better.
func TestMediaSessions_TrickleAndRestartICE(t *testing.T) {
	session := fleet.NewSession(t)
	ann := joinSilently(t, session, "ann")
	encoder, viewer := ingest(t, session, "?user=obs"), watch(t, session, "")
	for _, m := range []*harness.MediaSession{encoder, viewer} {
		testkit.Eventually(t, m.Connected)
		for ifMatch, want := range map[string]int{
			m.ETag: http.StatusNoContent, "": http.StatusPreconditionRequired, `"other"`: http.StatusPreconditionFailed,
		} {
			answer, err := m.Patch(t.Context(), ifMatch, m.Fragment())
			if err != nil || answer.Status != want {
				t.Errorf("If-Match %q got %d %s, %v", ifMatch, answer.Status, answer.Body, err)
			}
		}
		before := m.ETag
		if err := m.RestartICE(t.Context()); err != nil {
			t.Fatal(err)
		}
		answer, err := m.Patch(t.Context(), before, m.Fragment())
		if err != nil || answer.Status != http.StatusPreconditionFailed {
			t.Errorf("the ETag from before the restart got %d, %v", answer.Status, err)
		}
		again, err := m.Patch(t.Context(), "*", m.Fragment())
		if err != nil || again.Status != http.StatusOK || again.Header.Get("ETag") != m.ETag {
			t.Errorf("a restart that is sent again got %d %s, %v", again.Status, again.Header.Get("ETag"), err)
		}
	}
	expectFrom(t, ann, "obs")
	expectView(t, viewer)
	if removed := has(ann, "stream-removed", nil); removed {
		t.Error("the restart took the stream away")
	}
}

// TestWHEP_WatchesAUser: what a user publishes through its SDK, also after it has published anew.
func TestWHEP_WatchesAUser(t *testing.T) {
	session := fleet.NewSession(t)
	users := join(t, session, "ann", "ben")
	viewer := watch(t, session, "?user=ben")
	expectView(t, viewer)
	users[1].Rejoin(nil)
	testkit.Eventually(t, func() error {
		if !has(users[0], "stream-removed", streamOf("ben")) {
			return errors.New("ben has not stopped")
		}
		return nil
	})
	users[1].Publish()
	expectView(t, viewer)
	if has(users[0], "user-joined", func(m harness.Message) bool { return !about("ann")(m) && !about("ben")(m) }) {
		t.Error("somebody was told of the viewer")
	}
	if err := viewer.End(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestMediaSessions_WrapperKilled kills each Wrapper while encoders and players begin: every POST is answered in the end,
// and nothing is done twice.
func TestMediaSessions_WrapperKilled(t *testing.T) {
	session := fleet.NewSession(t)
	ann := joinSilently(t, session, "ann")
	for round, victim := range fleet.Wrappers {
		name := fmt.Sprintf("encoder-%d", round)
		begun := make(chan error, 2)
		sessions := make([]*harness.MediaSession, 2)
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		go func() {
			var err error
			sessions[0], err = harness.Ingest(ctx, fleet.API, whipPath(session, "?user="+name), "")
			begun <- err
		}()
		go func() {
			var err error
			sessions[1], err = harness.Watch(ctx, fleet.API, whepPath(session, "?user="+name), "")
			begun <- err
		}()
		killAndRestart(t, victim)
		for range sessions {
			if err := <-begun; err != nil {
				t.Fatal(err)
			}
		}
		for _, m := range sessions {
			t.Cleanup(m.Close)
		}
		expectFrom(t, ann, name)
		expectView(t, sessions[1])
		if got := count(ann, "user-joined", about(name)); got != 1 {
			t.Errorf("ann was told %d times of %s", got, name)
		}
		if got := count(ann, "stream-added", streamOf(name)); got != 1 {
			t.Errorf("ann was told %d times of the stream of %s", got, name)
		}
	}
}

// TestMediaSessions_LeaveNothingBehind, neither those that were ended nor those whose clients vanish.
func TestMediaSessions_LeaveNothingBehind(t *testing.T) {
	session := control.SessionID(fleet.NewSession(t))
	st := openStore(t)
	var ended []*harness.MediaSession
	for n := range 3 {
		ended = append(ended, ingest(t, string(session), fmt.Sprintf("?user=obs-%d", n)), watch(t, string(session), ""))
	}
	for _, m := range ended {
		testkit.Eventually(t, m.Connected)
	}
	for i, m := range ended {
		if i > 1 {
			if err := m.End(t.Context()); err != nil {
				t.Error(err)
			}
			continue
		}
		m.Close() // says goodbye to the media server only
	}
	testkit.Eventually(t, func() error { return expectNoViews(t.Context(), st, session) })
	sess, err := st.Sessions.Get(t.Context(), session)
	if err != nil {
		t.Fatal(err)
	}
	if len(sess.Users) != 1 || sess.Users[0].ID != "obs-0" {
		t.Errorf("users %+v", sess.Users) // the first has its grace time yet
	}
}

func expectNoViews(ctx context.Context, st *store.Store, session control.SessionID) error {
	views, err := st.Negotiations.Views(ctx, session)
	if err == nil && len(views) > 0 {
		err = fmt.Errorf("%d viewers are left", len(views))
	}
	return err
}
