package harness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"
)

const (
	pollWait  = 10 * time.Second
	pollLimit = 64
	// joinTimeout is far longer than any outage of a test.
	joinTimeout = time.Minute
	retryStep   = 100 * time.Millisecond // pause after a poll that failed
)

// User is a client in a session: it polls, publishes generated media, answers the server's offers and counts what it
// receives, everything through the HTTP API. One goroutine polls and owns both peer connections; the counters and the log
// of messages may be read from any other.
type User struct {
	Session string
	ID      string
	Token   string

	api      *API
	inbox    *Inbox
	source   *source
	codecs   func(*webrtc.MediaEngine) error // registers those that it knows
	arrivals *arrivals
	cancel   context.CancelFunc
	running  sync.WaitGroup

	// Owned by the goroutine of loop.
	access     *Access // nil: the machine's own
	publish    *webrtc.PeerConnection
	subscribe  *webrtc.PeerConnection
	leaving    []leaving // what is left of a move, see relocation.go
	breaksOff  bool
	publishing bool
	rejoining  bool // joined has not come yet
	epoch      int64
	seq        int64
	offered    offered
	answered   int64  // seq of the server's last offer that was answered
	origin     string // of the server's offers on the subscribe connection

	mu       sync.Mutex
	messages []Message
	seen     map[string]bool // ids of messages
	failures []error
	commands []func(context.Context) error
	wake     context.CancelFunc // ends the poll that is waiting
	gone     bool
}

// Join brings a user into session and starts its client, which ends with the test.
func Join(tb testing.TB, api *API, session, id string) *User {
	tb.Helper()
	u, err := NewUser(tb.Context(), api, session, id)
	if err != nil {
		tb.Fatalf("join %s: %v", id, err)
	}
	tb.Cleanup(u.Close)
	return u
}

// NewUser brings a user into session, insisting, and starts its client, which Close ends; ctx is for joining only.
func NewUser(ctx context.Context, api *API, session, id string) (*User, error) {
	return newUser(ctx, api, session, id, frameInterval, (*webrtc.MediaEngine).RegisterDefaultCodecs)
}

// NewThriftyUser is NewUser for one of many, who leave the machine some time for the fleet: its tracks have a frame
// every so often, and it knows no codecs but theirs.
func NewThriftyUser(
	ctx context.Context, api *API, session, id string, every time.Duration,
) (*User, error) {
	return newUser(ctx, api, session, id, every, registerOurCodecs)
}

func newUser(
	ctx context.Context, api *API, session, id string, every time.Duration, codecs func(*webrtc.MediaEngine) error,
) (*User, error) {
	joining, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	var joined Joined
	if _, err := api.Insist(joining, Request{
		Method: http.MethodPost, Path: "/v1/sessions/" + session + "/users", Body: map[string]any{"id": id, "name": id},
	}, &joined); err != nil {
		return nil, err
	}
	source, err := newSource("camera-"+id, every)
	if err != nil {
		return nil, err
	}
	ctx, cancel = context.WithCancel(context.WithoutCancel(ctx))
	u := &User{
		Session: session, ID: id, Token: joined.Token,
		api: api, inbox: NewInbox(api, session, id, joined.Token),
		source: source, codecs: codecs, seen: map[string]bool{}, arrivals: newArrivals(), cancel: cancel, epoch: joined.Epoch,
	}
	u.running.Go(func() { u.source.run(ctx) })
	u.running.Go(func() { u.loop(ctx) })
	return u, nil
}

// Close ends the client without a word to the API, as a closed laptop does.
func (u *User) Close() {
	u.cancel()
	u.running.Wait()
}

// Publish starts sending the generated media; it is offered as soon as there is a pipeline.
func (u *User) Publish() {
	u.command(func(ctx context.Context) error {
		u.publishing = true
		return u.offer(ctx)
	})
}

// Leave leaves the session; the client ends when the API says that the user is gone.
func (u *User) Leave(ctx context.Context) error {
	_, err := u.api.Do(ctx, Request{
		Method: http.MethodDelete, Path: userPath(u.Session, u.ID), Bearer: u.Token,
	}, nil)
	return err
}

// Send sends an application message, to everybody or to one user, and gives its id.
func (u *User) Send(ctx context.Context, kind string, data any, to string) (string, error) {
	return u.api.Send(ctx, u.Session, u.ID, u.Token, kind, data, to)
}

// Packets is how many RTP packets of kind (audio, video) of a stream have arrived.
func (u *User) Packets(stream, kind string) int { return u.Arrivals(stream, kind).Packets }

// Received is how many RTP packets of all streams have arrived.
func (u *User) Received() int { return u.arrivals.total() }

// Messages is what has arrived so far, in order, each once.
func (u *User) Messages() []Message {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.messages)
}

// Failures is what went wrong in the client so far.
func (u *User) Failures() []error {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.failures)
}

// Gone reports whether the API has said that the user or its session is no more.
func (u *User) Gone() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.gone
}

// Streams is the ids of the streams that were added and not removed, by their user.
func (u *User) Streams() map[string]string {
	streams := map[string]string{}
	for _, m := range u.Messages() {
		var data struct {
			Stream streamJSON `json:"stream"`
			Users  []struct {
				Streams []streamJSON `json:"streams"`
			} `json:"users"`
		}
		if !tellsOfStreams(m.Type) || json.Unmarshal(m.Data, &data) != nil {
			continue
		}
		switch m.Type {
		case "joined", "sync":
			clear(streams)
			for _, user := range data.Users {
				for _, s := range user.Streams {
					streams[s.User] = s.ID
				}
			}
		case "stream-added":
			streams[data.Stream.User] = data.Stream.ID
		case "stream-removed":
			delete(streams, data.Stream.User)
		}
	}
	return streams
}

func tellsOfStreams(kind string) bool {
	return slices.Contains([]string{"joined", "sync", "stream-added", "stream-removed"}, kind)
}

type streamJSON struct {
	ID   string `json:"id"`
	User string `json:"user"`
}

// command has f run by the goroutine that owns the connections. The poll that is waiting is given up; what it was about to
// bring comes again.
func (u *User) command(f func(context.Context) error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.commands = append(u.commands, f)
	if u.wake != nil {
		u.wake()
	}
}

// loop polls and handles until ctx ends or the user is gone.
func (u *User) loop(ctx context.Context) {
	defer u.closeConnections()
	for ctx.Err() == nil {
		u.note(u.runCommands(ctx))
		u.note(u.remind(ctx))
		messages, err := u.poll(ctx)
		switch {
		case err == nil:
		case errors.Is(err, context.Canceled):
			continue // the end, or a command
		case ended(err):
			u.mu.Lock()
			u.gone = true
			u.mu.Unlock()
			return
		default:
			u.note(fmt.Errorf("poll: %w", err))
			u.inbox.Forget() // in case it is the cursor: the same comes again
			pause(ctx, retryStep)
			continue
		}
		for _, m := range messages {
			if u.keep(m) {
				u.note(u.handle(ctx, m))
			}
		}
	}
}

// poll polls once, unless a command is waiting.
func (u *User) poll(ctx context.Context) ([]Message, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	u.mu.Lock()
	if len(u.commands) > 0 {
		cancel()
	}
	u.wake = cancel
	u.mu.Unlock()
	return u.inbox.Poll(ctx, pollWait, pollLimit)
}

func (u *User) runCommands(ctx context.Context) error {
	u.mu.Lock()
	commands := u.commands
	u.commands = nil
	u.mu.Unlock()
	var errs []error
	for _, command := range commands {
		errs = append(errs, command(ctx))
	}
	return errors.Join(errs...)
}

// keep adds m to the log; false when it was there.
func (u *User) keep(m Message) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.seen[m.ID] {
		return false
	}
	u.seen[m.ID] = true
	u.messages = append(u.messages, m)
	return true
}

func (u *User) note(err error) {
	if err == nil {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.failures = append(u.failures, err)
}

func (u *User) closeConnections() {
	u.letGo(math.MaxInt64)
	for _, connection := range []*webrtc.PeerConnection{u.publish, u.subscribe} {
		if connection != nil {
			_ = connection.Close()
		}
	}
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
