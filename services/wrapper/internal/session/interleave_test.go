package session_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/pkg/testkit/mongo"
	"github.com/orkestro/orkestro/services/wrapper/internal/session"
)

// TestSession_AnyInterleaving lets several users do what they can, with every request delivered once or twice, the
// steps of all deliveries in any order, and Wrappers dying at any step. When everything has been handled, session
// document, media server and a client that applied its messages in order agree.
func TestSession_AnyInterleaving(t *testing.T) {
	url, database := mongo.URL(t)
	checks := 0
	rapid.Check(t, func(rt *rapid.T) {
		checks++
		st, err := store.Open(t.Context(), url, fmt.Sprintf("%s-%d", database, checks))
		must(t, err)
		defer func() { _ = st.Close(context.Background()) }()
		w := worldOn(t, st)
		w.create(0)
		w.join("watcher")
		c := &chaos{rt: rt, world: w, accepted: map[control.JoinID]offersOf{}}
		c.begin("a")
		for range rapid.IntRange(10, 120).Draw(rt, "length") {
			c.act()
		}
		c.settle()
		c.check()
		_ = w.broker.Close()
	})
}

// delivery is a request on its way; it is handled until that ends for good.
type delivery struct {
	what   string
	handle func(ctx context.Context, s *session.Service) error
	tries  int
}

// handling is a delivery in the hands of a Wrapper.
type handling struct {
	*stepping
	delivery
}

// chaos is one run.
type chaos struct {
	*world
	rt       *rapid.T
	waiting  []delivery
	running  []handling
	accepted map[control.JoinID]offersOf // offers taken of a user's present join
	killed   bool                        // some Wrapper was
}

// offersOf is how many offers of an epoch were taken, and what the last one was; "" when the user stopped after it.
type offersOf struct {
	epoch, seq int64
	sdp        string
}

// begin has a user publish before anything goes wrong.
func (c *chaos) begin(id control.UserID) {
	_, err := c.service[0].Join(c.ctx, request(control.NewID()), message.Join{User: id, Permissions: all()})
	must(c.tb, err)
	sess := c.session()
	must(c.tb, c.publishing(request(control.NewID()), sess, *sess.User(id), "offer cam:audio,video")(c.ctx, c.service[0]))
}

// act is one thing that happens.
func (c *chaos) act() {
	switch n := rapid.IntRange(0, 19).Draw(c.rt, "act"); {
	case n < 5:
		c.ask()
	case n < 9 && len(c.waiting) > 0:
		c.deliver(rapid.IntRange(0, len(c.waiting)-1).Draw(c.rt, "delivery"))
	case n == 9 && len(c.running) > 0:
		i := rapid.IntRange(0, len(c.running)-1).Draw(c.rt, "victim")
		c.running[i].kill()
		c.killed = true
		c.ended(i)
	case len(c.running) > 0:
		i := rapid.IntRange(0, len(c.running)-1).Draw(c.rt, "next")
		c.advance(i)
	}
}

func (c *chaos) advance(i int) {
	c.rt.Logf("%s: %s", c.running[i].what, c.running[i].at)
	c.running[i].advance()
	c.ended(i)
}

func (c *chaos) deliver(i int) {
	d := c.waiting[i]
	c.waiting = slices.Delete(c.waiting, i, i+1)
	d.tries++
	c.running = append(c.running, handling{begin(c.world, d.handle), d})
	c.ended(len(c.running) - 1)
}

// ended takes a delivery out that was handled, and puts one back that failed or whose Wrapper died.
func (c *chaos) ended(i int) {
	h := c.running[i]
	if !h.done {
		return
	}
	c.rt.Logf("%s: ended, killed %v: %v", h.what, h.dead, h.err)
	c.running = slices.Delete(c.running, i, i+1)
	if h.dead || session.Retryable(h.err) && h.err != nil {
		if h.tries > 300 {
			c.rt.Fatalf("%s does not end: %v", h.what, h.err)
		}
		c.waiting = append(c.waiting, h.delivery)
	}
}

// settle handles everything that is left, and ends what goes on. Users offer again under an epoch that is new to them.
func (c *chaos) settle() {
	c.handleAll()
	sess := c.session()
	for _, user := range sess.Users {
		if last := c.accepted[user.Join]; last.sdp != "" && last.epoch != sess.Epoch && sess.State == control.SessionActive {
			again := c.publishing(request(control.NewID()), sess, user, last.sdp)
			c.waiting = append(c.waiting, delivery{what: "offer in a new epoch", handle: again})
		}
	}
	c.handleAll()
	c.clear()
	for sess := c.session(); sess.State == control.SessionActive && sess.Relocation != nil; sess = c.session() {
		c.waiting = append(c.waiting, delivery{what: "end of a move", handle: c.endMove(request(control.NewID()), sess)})
		c.handleAll()
	}
}

// clear has the Wrappers look at users that were heard of and are not there, as the sweeper does.
func (c *chaos) clear() {
	sess := c.session()
	heard, err := c.store.Presence.InSession(c.ctx, sid)
	must(c.tb, err)
	for _, p := range heard {
		if sess.User(p.User) != nil {
			continue
		}
		must(c.tb, c.service[0].Leave(c.ctx, request(control.NewID()), message.Leave{
			Presence: message.Presence{User: p.User}, SeenAt: p.SeenAt,
		}))
	}
}

func (c *chaos) handleAll() {
	for len(c.running)+len(c.waiting) > 0 {
		if len(c.waiting) > 0 && len(c.running) < 4 {
			c.deliver(0)
		}
		for i := len(c.running) - 1; i >= 0; i-- {
			c.advance(i)
		}
	}
}

// ask is a request of a user as a REST replica would let it pass, on its way once or twice.
func (c *chaos) ask() {
	user := control.UserID(rapid.SampledFrom([]string{"a", "b", "c"}).Draw(c.rt, "user"))
	sess := c.session()
	r := request(control.NewID())
	d := delivery{}
	present := sess.User(user)
	kind := rapid.SampledFrom([]string{
		"join", "join", "join", "leave", "publish", "publish", "unpublish", "republish", "pause", "resume", "subscriptions",
		"close", "relocate",
	}).Draw(c.rt, "kind")
	switch {
	case sess.State != control.SessionActive || kind == "close" && rapid.IntRange(0, 9).Draw(c.rt, "really") > 0:
		return
	case kind == "close":
		d.handle = func(ctx context.Context, s *session.Service) error {
			return s.Close(ctx, r, message.CloseSession{Reason: "deleted"})
		}
	case kind == "relocate" && sess.Relocation != nil:
		d.handle = c.endMove(r, sess)
	case kind == "relocate":
		b := message.Relocate{Epoch: sess.Epoch, Pipeline: sess.Pipeline.ID}
		d.handle = func(ctx context.Context, s *session.Service) error { return s.Relocate(ctx, r, b) }
	case kind == "join":
		b := message.Join{User: user, Permissions: all()}
		if present != nil {
			b.Replaces = present.Join
		}
		d.handle = func(ctx context.Context, s *session.Service) error {
			_, err := s.Join(ctx, r, b)
			return err
		}
	case present == nil:
		return
	case kind == "republish": // one right after the other, as a client does that changes its camera
		stop := delivery{handle: c.connected("unpublish", r, sess, *present), what: fmt.Sprintf("stop of %s (%s)", user, r.ID)}
		c.waiting = append(c.waiting, stop)
		r = request(control.NewID())
		d.handle = c.connected("publish", r, sess, *present)
	default:
		d.handle = c.connected(kind, r, sess, *present)
	}
	if d.handle == nil {
		return
	}
	d.what = fmt.Sprintf("%s of %s (%s)", kind, user, r.ID)
	c.rt.Log(d.what)
	for range rapid.IntRange(1, 2).Draw(c.rt, "copies") {
		c.waiting = append(c.waiting, d)
	}
}

// endMove says that the time of a move is up.
func (c *chaos) endMove(r session.Request, sess *control.Session) func(ctx context.Context, s *session.Service) error {
	move := *sess.Relocation
	err := c.store.Sessions.HastenRelocation(c.ctx, sid, move.Epoch, time.Now().Add(-time.Second))
	if err != nil && !errors.Is(err, store.ErrGuard) {
		c.rt.Fatal(err)
	}
	return func(ctx context.Context, s *session.Service) error {
		return s.Relocate(ctx, r, message.Relocate{Epoch: move.Epoch, Pipeline: move.From.ID})
	}
}

// connected is a request of a user that is there.
func (c *chaos) connected(
	kind string, r session.Request, sess *control.Session, user control.User,
) func(ctx context.Context, s *session.Service) error {
	p := message.Presence{User: user.ID, Join: user.Join}
	switch kind {
	case "leave":
		return func(ctx context.Context, s *session.Service) error {
			return s.Leave(ctx, r, message.Leave{Presence: p, Reason: "left"})
		}
	case "publish":
		streams := rapid.SampledFrom([]string{"cam:audio,video", "cam:audio", "cam:video screen:video", ""})
		return c.publishing(r, sess, user, "offer "+streams.Draw(c.rt, "streams"))
	case "unpublish":
		taken := c.accepted[user.Join]
		taken.sdp = ""
		c.accepted[user.Join] = taken
		return func(ctx context.Context, s *session.Service) error {
			return s.Unpublish(ctx, r, message.Unpublish{Presence: p, Epoch: taken.epoch, UpTo: taken.seq})
		}
	case "subscriptions":
		wanted := control.Subscriptions{Mode: control.SubscribeList, Streams: []control.Subscription{{ID: control.StreamID(r.ID)}}}
		return func(ctx context.Context, s *session.Service) error {
			return s.SetSubscriptions(ctx, r, message.SetSubscriptions{Presence: p, Subscriptions: wanted})
		}
	}
	if len(user.Streams) == 0 {
		return nil
	}
	b := message.PauseStream{Presence: p, Stream: user.Streams[0].ID, Paused: kind == "pause"}
	return func(ctx context.Context, s *session.Service) error { return s.PauseStream(ctx, r, b) }
}

// publishing is the next offer of a user, which a REST replica has counted.
func (c *chaos) publishing(
	r session.Request, sess *control.Session, user control.User, sdp string,
) func(ctx context.Context, s *session.Service) error {
	taken := c.accepted[user.Join]
	if taken.epoch != sess.Epoch {
		taken = offersOf{epoch: sess.Epoch}
	}
	taken.seq, taken.sdp = taken.seq+1, sdp
	c.accepted[user.Join] = taken
	must(c.tb, c.store.Negotiations.Accept(c.ctx, store.Offer{
		Session: sid, User: user.ID, Join: user.Join, Epoch: sess.Epoch, Seq: taken.seq,
	}, time.Now()))
	b := message.Publish{
		Presence: message.Presence{User: user.ID, Join: user.Join}, Epoch: sess.Epoch, Seq: taken.seq, SDP: sdp,
	}
	return func(ctx context.Context, s *session.Service) error {
		_, err := s.Publish(ctx, r, b)
		return err
	}
}

// check is what has to hold in the end.
func (c *chaos) check() {
	sess := c.session()
	c.checkMedia(sess)
	if sess.State == control.SessionClosed {
		_, err := c.broker.Inspect(c.ctx, message.SessionQueue(sid).Name)
		if !errors.Is(err, broker.ErrNotFound) {
			c.rt.Fatalf("the session is closed and its queue there: %v", err)
		}
		return
	}
	c.checkDocument(sess)
	c.checkQueues(sess)
	if got, want := c.client(), stateOf(sess); !maps.Equal(got, want) {
		c.rt.Fatalf("a client believes\n%v\nwhere the store has\n%v", got, want)
	}
}

// checkQueues looks whether those who are there have a queue, and nobody else.
func (c *chaos) checkQueues(sess *control.Session) {
	for _, id := range []control.UserID{"watcher", "a", "b", "c"} {
		_, err := c.broker.Inspect(c.ctx, message.UserQueue(sid, id).Name)
		if there := sess.User(id) != nil; there == errors.Is(err, broker.ErrNotFound) {
			c.rt.Fatalf("%s is in the session: %v, and its queue: %v", id, there, err)
		}
	}
}

func (c *chaos) checkDocument(sess *control.Session) {
	if len(sess.Leaving) != 0 {
		c.rt.Fatalf("still leaving: %+v", sess.Leaving)
	}
	seen := map[control.UserID]bool{}
	for _, user := range sess.Users {
		if seen[user.ID] {
			c.rt.Fatalf("%s is there twice", user.ID)
		}
		seen[user.ID] = true
	}
	connections := map[string]bool{}
	for _, conn := range sess.Connections {
		user := sess.User(conn.User)
		if user == nil || user.Join != conn.Join || connections[conn.ID] {
			c.rt.Fatalf("connection of nobody, or twice: %+v", conn)
		}
		connections[conn.ID] = true
	}
	c.checkWishes(sess)
}

// checkWishes looks whether users publish that offered last, and those do not that stopped last.
func (c *chaos) checkWishes(sess *control.Session) {
	for _, user := range sess.Users {
		last, conn := c.accepted[user.Join], sess.Connection(user.ID, control.Publish)
		if last.seq == 0 || last.epoch != sess.Epoch {
			continue
		}
		if publishes := conn != nil && conn.State != control.ConnectionClosed; publishes != (last.sdp != "") {
			c.rt.Fatalf("%s last said %q, and has %+v", user.ID, last.sdp, conn)
		}
	}
}

// checkMedia compares the media server with the document.
func (c *chaos) checkMedia(sess *control.Session) {
	want := map[string]bool{}
	for _, conn := range sess.Connections {
		if conn.Endpoint.ID != "" && sess.State == control.SessionActive {
			want[conn.Endpoint.ID] = true
		}
	}
	got := map[string]bool{}
	pipelines := 0
	for _, server := range c.fleet.byID {
		c.forgetUnstored(sess, server)
		pipelines += len(server.pipelines)
		for id, e := range server.endpoints {
			if !ofPresentJoin(sess, e) && sess.State == control.SessionActive && len(e.answers) == 0 {
				continue // its maker died before it could store it: package reconcile releases it
			}
			got[id] = true
			c.checkEndpoint(sess, e)
		}
	}
	if !maps.Equal(got, want) {
		c.rt.Fatalf("endpoints %v, the document has %v", got, want)
	}
	if alive := sess.State == control.SessionActive; alive && pipelines != 1 || !alive && pipelines != 0 {
		c.rt.Fatalf("%d pipelines in a session that is %s", pipelines, sess.State)
	}
}

// forgetUnstored forgets a pipeline whose maker died before it could store it: package reconcile releases it.
func (c *chaos) forgetUnstored(sess *control.Session, server *mediaServer) {
	maps.DeleteFunc(server.pipelines, func(id, _ string) bool {
		uses := func(e *endpoint) bool { return e.pipeline == id }
		used := slices.ContainsFunc(slices.Collect(maps.Values(server.endpoints)), uses)
		return c.killed && !used && (sess.State == control.SessionClosed || sess.Pipeline.ID != id)
	})
}

func ofPresentJoin(sess *control.Session, e *endpoint) bool {
	parts := strings.Split(e.key, "/")
	user := sess.User(control.UserID(parts[1]))
	return user != nil && string(user.Join) == parts[2]
}

// checkEndpoint compares what is applied with what is stored.
func (c *chaos) checkEndpoint(sess *control.Session, e *endpoint) {
	parts := strings.Split(e.key, "/")
	user := sess.User(control.UserID(parts[1]))
	if user == nil {
		c.rt.Fatalf("endpoint of nobody: %s", e.key)
	}
	if parts[0] == "subscribe" {
		if user.SubscribedBy != "" && len(e.subscriptions.Streams) > 0 &&
			e.subscriptions.Streams[0].ID != user.Subscriptions.Streams[0].ID {
			c.rt.Fatalf("%s has subscriptions %v, stored are %v", user.ID, e.subscriptions, user.Subscriptions)
		}
		return
	}
	for _, stream := range user.Streams {
		if applied := e.paused[stream.ID]; len(applied) != len(stream.PausedKinds) {
			c.rt.Fatalf("%s: %v is paused, stored is %v", stream.ID, applied, stream.PausedKinds)
		}
	}
}

// stateOf is what a client should believe: users, and streams with their state.
func stateOf(sess *control.Session) map[string]string {
	state := map[string]string{}
	for _, user := range sess.Users {
		state["user "+string(user.ID)] = ""
		for _, stream := range user.Published() {
			state["stream "+string(stream.ID)] = describe(stream)
		}
	}
	return state
}

func describe(s control.Stream) string { return fmt.Sprint(s.User, s.Kinds, s.State, s.PausedKinds) }

// client applies the watcher's messages in order, each id once.
func (c *chaos) client() map[string]string {
	state := map[string]string{}
	seen := map[string]string{}
	for _, m := range c.told("watcher") {
		if kind, again := seen[m.ID]; again {
			if kind != m.Type {
				c.rt.Fatalf("message %s is %s and was %s", m.ID, m.Type, kind)
			}
			continue
		}
		seen[m.ID] = m.Type
		var data struct {
			User   message.User   `json:"user"`
			Users  []message.User `json:"users"`
			Stream control.Stream `json:"stream"`
		}
		if err := json.Unmarshal(m.Data, &data); err != nil {
			c.rt.Fatal(err)
		}
		c.rt.Logf("watcher: %s %s %s %s", m.Type, data.User.ID, describe(data.Stream), data.Stream.ID)
		c.apply(state, m.Type, data.User, data.Users, data.Stream)
	}
	return state
}

func (c *chaos) apply(
	state map[string]string, kind string, user message.User, users []message.User, stream control.Stream,
) {
	switch kind {
	case message.UserTypeJoined, message.UserTypeSync:
		clear(state)
		for _, u := range users {
			state["user "+string(u.ID)] = ""
			for _, s := range u.Streams {
				state["stream "+string(s.ID)] = describe(s)
			}
		}
	case message.UserTypeUserJoined:
		state["user "+string(user.ID)] = ""
	case message.UserTypeUserLeft:
		delete(state, "user "+string(user.ID))
	case message.UserTypeStreamAdded:
		state["stream "+string(stream.ID)] = describe(stream)
	case message.UserTypeStreamRemoved:
		delete(state, "stream "+string(stream.ID))
	case message.UserTypeStreamUpdated:
		if _, known := state["stream "+string(stream.ID)]; known {
			state["stream "+string(stream.ID)] = describe(stream)
		}
	}
}
