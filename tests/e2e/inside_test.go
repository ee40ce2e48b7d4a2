package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/broker/amqp"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/tests/harness"
)

// The scenarios of this file know what the parts of a fleet say to each other.

func openBroker(t *testing.T) broker.Broker {
	t.Helper()
	return openBrokerOf(t, fleet)
}

func openBrokerOf(t *testing.T, f *harness.Fleet) broker.Broker {
	t.Helper()
	b, err := amqp.Open(t.Context(), amqp.Config{URL: f.Broker.URL()}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
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

// doubler sends requests as a REST replica does, each twice.
type doubler struct {
	t       *testing.T
	broker  broker.Broker
	session control.SessionID
}

func (d doubler) send(id, kind string, body any) {
	d.t.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		d.t.Fatal(err)
	}
	for range 2 {
		err := d.broker.Send(d.t.Context(), message.SessionQueue(d.session).Name, broker.Message{
			ID: id, Type: kind, Session: string(d.session), Time: time.Now().UTC(), Version: message.Version, Body: data,
		})
		if err != nil {
			d.t.Fatal(err)
		}
	}
}

// TestExactlyOnce_EveryRequestTwice has every request of several users delivered twice, and that of the first join once
// more after its user has left.
func TestExactlyOnce_EveryRequestTwice(t *testing.T) {
	session := fleet.NewSession(t)
	watcher := joinSilently(t, session, "watcher")
	st := openStore(t)
	d := doubler{t, openBroker(t), control.SessionID(session)}
	const users = 4
	joins := map[control.UserID]string{}
	body := func(user control.UserID) message.Join {
		return message.Join{User: user, Permissions: control.Permissions{Publish: true, Message: true}}
	}
	for n := range users {
		user := control.UserID(fmt.Sprintf("user-%d", n))
		joins[user] = control.NewID()
		d.send(joins[user], message.TypeJoin, body(user))
	}
	for user, join := range joins {
		sess := waitForUser(t, st, d.session, user)
		p := message.Presence{User: user, Join: control.JoinID(join)}
		d.send(control.NewID(), message.TypePublish, message.Publish{Presence: p, Epoch: sess.Epoch, Seq: 1, SDP: newOffer(t)})
	}
	for user := range joins {
		if got := countInbox(t, session, user, "answer"); got["joined"] != 1 || got["answer"] != 1 {
			t.Errorf("messages to %s: %v", user, got)
		}
		testkit.Eventually(t, func() error { return once(watcher, "stream-added", streamOf(string(user))) })
	}
	const leaver control.UserID = "user-0"
	d.send(control.NewID(), message.TypeLeave, message.Leave{
		Presence: message.Presence{User: leaver, Join: control.JoinID(joins[leaver])}, Reason: "left",
	})
	testkit.Eventually(t, func() error { return once(watcher, "user-left", about(string(leaver))) })
	d.send(joins[leaver], message.TypeJoin, body(leaver))
	d.send(control.NewID(), message.TypeJoin, body("last"))
	waitForUser(t, st, d.session, "last")

	// The watcher's connection to receive, and those to publish of all others but the leaver and the last.
	testkit.Eventually(t, func() error { return expectMembers(t.Context(), st, d.session, users+1, users) })
	for user := range joins {
		for _, kind := range []string{"user-joined", "user-left"} {
			if got := count(watcher, kind, about(string(user))); got > 1 || kind == "user-joined" && got != 1 {
				t.Errorf("the watcher was told %s of %s %d times", kind, user, got)
			}
		}
	}
	expectNoFailures(t, watcher)
}

// expectMembers is nil when a session has that many users and connections, and nobody is being taken out.
func expectMembers(ctx context.Context, st *store.Store, id control.SessionID, users, connections int) error {
	sess, err := st.Sessions.Get(ctx, id)
	if err != nil {
		return err
	}
	if len(sess.Users) != users || len(sess.Leaving) != 0 || len(sess.Connections) != connections {
		return fmt.Errorf("users %+v, leaving %+v, connections %+v", sess.Users, sess.Leaving, sess.Connections)
	}
	return nil
}

// once is nil when u has exactly one such message.
func once(u *harness.User, kind string, match func(harness.Message) bool) error {
	if got := count(u, kind, match); got != 1 {
		return fmt.Errorf("%s has %d of %s", u.ID, got, kind)
	}
	return nil
}

func waitForUser(t *testing.T, st *store.Store, session control.SessionID, user control.UserID) *control.Session {
	t.Helper()
	var sess *control.Session
	testkit.Eventually(t, func() error {
		var err error
		if sess, err = st.Sessions.Get(t.Context(), session); err != nil {
			return err
		}
		if sess.User(user) == nil {
			return fmt.Errorf("%s is not there", user)
		}
		return nil
	})
	return sess
}

// newOffer is an offer of a video track.
func newOffer(t *testing.T) string {
	t.Helper()
	connection, err := harness.NewPeerConnection()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() })
	track, err := webrtc.NewTrackLocalStaticSample(
		webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8}, "video", "camera")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := connection.AddTrack(track); err != nil {
		t.Fatal(err)
	}
	offer, err := connection.CreateOffer(nil)
	if err != nil {
		t.Fatal(err)
	}
	sdp, err := harness.SetLocal(t.Context(), connection, offer)
	if err != nil {
		t.Fatal(err)
	}
	return sdp
}

// countInbox reads a user's messages until one of a type is there, and counts those with ids of their own by type.
func countInbox(t *testing.T, session string, user control.UserID, until string) map[string]int {
	t.Helper()
	inbox := harness.NewInbox(fleet.API, session, string(user), "")
	seen, types := map[string]bool{}, map[string]int{}
	testkit.Eventually(t, func() error {
		messages, err := inbox.Poll(t.Context(), 100*time.Millisecond, 64)
		if err := ignoreTakeover(err); err != nil {
			return err
		}
		for _, m := range messages {
			if !seen[m.ID] {
				types[m.Type]++
			}
			seen[m.ID] = true
		}
		if types[until] == 0 {
			return fmt.Errorf("%s has no %s", user, until)
		}
		return nil
	})
	return types
}

// TestSessions_LeaveNothingBehind makes, uses and closes many sessions, and looks for what is left of them.
func TestSessions_LeaveNothingBehind(t *testing.T) {
	const sessions, atOnce = 200, 8
	var working sync.WaitGroup
	names := make(chan string)
	for range atOnce {
		working.Go(func() {
			for name := range names {
				if err := useAndClose(t.Context(), name); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
	}
	var all []control.SessionID
	for n := range sessions {
		name := fmt.Sprintf("short-%d", n)
		all = append(all, control.SessionID(name))
		names <- name
	}
	close(names)
	working.Wait()

	b, st := openBroker(t), openStore(t)
	for _, id := range all {
		testkit.Eventually(t, func() error { return expectNothing(t.Context(), b, st, id) })
	}
	testkit.Eventually(t, func() error {
		list, err := st.Presence.Idle(t.Context(), time.Now().Add(time.Hour), 1000)
		for _, p := range list {
			if len(p.Session) > 6 && p.Session[:6] == "short-" {
				err = errors.Join(err, fmt.Errorf("presence of %s in %s", p.User, p.Session))
			}
		}
		return err
	})
}

// useAndClose is the life of a session, to the end of what its user polls.
func useAndClose(ctx context.Context, name string) error {
	if _, err := fleet.API.CreateSession(ctx, name); err != nil {
		return err
	}
	joined, err := fleet.API.Join(ctx, name, "ann")
	if err != nil {
		return err
	}
	if err := fleet.API.CloseSession(ctx, name); err != nil {
		return err
	}
	inbox := harness.NewInbox(fleet.API, name, "ann", joined.Token)
	for {
		_, err := inbox.Poll(ctx, time.Second, 64)
		var problem *harness.ProblemError
		switch {
		case errors.As(err, &problem) && problem.Code == "gone":
			return nil
		case ignoreTakeover(err) != nil:
			return err
		}
	}
}

// expectNothing is nil when neither broker nor database hold anything of a closed session but its document.
func expectNothing(ctx context.Context, b broker.Broker, st *store.Store, id control.SessionID) error {
	for _, queue := range []broker.Queue{message.SessionQueue(id), message.UserQueue(id, "ann")} {
		if _, err := b.Inspect(ctx, queue.Name); !errors.Is(err, broker.ErrNotFound) {
			return fmt.Errorf("queue %s is there: %w", queue.Name, err)
		}
	}
	err := b.Broadcast(ctx, message.SessionExchange(id), broker.Message{ID: "nothing"})
	if !errors.Is(err, broker.ErrNotFound) {
		return fmt.Errorf("the exchange of %s is there: %w", id, err)
	}
	for _, kind := range []control.ConnectionKind{control.Publish, control.Subscribe} {
		_, err := st.Negotiations.Get(ctx, control.NegotiationID(id, "ann", kind))
		if !errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("negotiation of %s is there: %w", id, err)
		}
	}
	return nil
}
