package consume_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/broker/memory"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/mediaapi"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/services/wrapper/internal/consume"
	"github.com/orkestro/orkestro/services/wrapper/internal/session"
)

// goldenDir holds a message of each type as each release wrote it, see package message.
const goldenDir = "../../../../pkg/message/testdata/golden"

// media is the one media server of the golden messages: whatever is made there has the id that they name.
type media struct{ released []string }

func (m *media) CreatePipeline(context.Context, mediaapi.PipelineParams) (string, error) {
	return "pipeline-1", nil
}

func (m *media) CreatePublishEndpoint(_ context.Context, p mediaapi.EndpointParams) (string, error) {
	return "publish-" + string(p.User), nil
}

func (m *media) CreateSubscribeEndpoint(_ context.Context, p mediaapi.EndpointParams) (string, error) {
	return "subscribe-" + string(p.User), nil
}

func (m *media) CreateViewEndpoint(_ context.Context, p mediaapi.EndpointParams) (string, error) {
	return "view-" + string(p.User), nil
}

func (m *media) Release(_ context.Context, id string) error {
	m.released = append(m.released, id)
	return nil
}

func (m *media) SetPaused(context.Context, string, mediaapi.SetPaused) error { return nil }
func (m *media) SetSubscriptions(context.Context, string, mediaapi.SetSubscriptions) error {
	return nil
}
func (m *media) Stop(context.Context, string, mediaapi.Stop) error                   { return nil }
func (m *media) ProcessAnswer(context.Context, string, mediaapi.ProcessAnswer) error { return nil }
func (m *media) RequestOffer(context.Context, string, mediaapi.RequestOffer) error   { return nil }
func (m *media) AddICECandidates(context.Context, string, mediaapi.AddICECandidates) error {
	return nil
}

func (m *media) ProcessOffer(
	_ context.Context, _ string, p mediaapi.ProcessOffer,
) (mediaapi.ProcessedOffer, error) {
	return mediaapi.ProcessedOffer{Seq: p.Seq, Answer: "answer 1", Streams: []mediaapi.PublishedStream{
		{ID: control.StreamIDFor("ann", "camera"), Kinds: []string{"audio", "video"}},
	}}, nil
}

// fleet is that media server alone.
type fleet struct {
	store *store.Store
	media *media
}

func (f *fleet) Servers() []control.MediaServer {
	servers, _ := f.store.MediaServers.List(context.Background())
	for i := range servers {
		servers[i].HeartbeatAt = time.Now()
	}
	return servers
}

func (f *fleet) Saw(control.MediaServer) {}

func (f *fleet) Media(context.Context, control.MediaServerID) (session.Media, error) {
	return f.media, nil
}

// course is what happens to one session, told by golden messages.
type course struct {
	t       *testing.T
	dir     string
	store   *store.Store
	media   *media
	handler *consume.Consumer
	mailbox broker.Mailbox
	played  []string
}

func newCourse(t *testing.T, dir string) *course {
	t.Helper()
	st, log := open(t), slog.New(slog.DiscardHandler)
	b := memory.New(log)
	t.Cleanup(func() { _ = b.Close() })
	server := control.MediaServer{ID: "m", Instance: "i", HeartbeatAt: time.Now()}
	if err := st.MediaServers.Register(t.Context(), server); err != nil {
		t.Fatal(err)
	}
	if err := b.DeclareQueue(t.Context(), message.UserQueue("s", "ann")); err != nil {
		t.Fatal(err)
	}
	mailbox, err := b.OpenMailbox(t.Context(), message.UserQueue("s", "ann").Name, 100)
	if err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	m := &media{}
	service := session.New(session.Config{MaxFailures: 5, Forget: time.Minute}, st, b, &fleet{st, m},
		session.NewMetrics(registry), log)
	return &course{
		t: t, dir: dir, store: st, media: m, mailbox: mailbox,
		handler: consume.New(consume.Config{Concurrency: 1, MaxAttempts: 1, Timeout: 5 * time.Second}, service, b,
			consume.NewMetrics(registry), log),
	}
}

// play handles the message of a type; its id is that of the join that the others name.
func (c *course) play(kind string) {
	c.t.Helper()
	text, err := os.ReadFile(filepath.Join(c.dir, kind+".json"))
	if err != nil {
		c.t.Fatal(err)
	}
	var body bytes.Buffer // as it travels: without white space
	if err := json.Compact(&body, text); err != nil {
		c.t.Fatal(err)
	}
	id := kind
	if kind == message.TypeJoin {
		id = "join"
	}
	err = c.handler.Handle(c.t.Context(), broker.Delivery{Message: broker.Message{
		ID: id, Type: kind, Session: "s", Version: 1, Time: time.Now(), Body: body.Bytes(),
	}})
	if err != nil {
		c.t.Fatalf("%s: %v", kind, err)
	}
	c.played = append(c.played, kind)
}

// gets takes the user's messages up to one of a type.
func (c *course) gets(kind string) {
	c.t.Helper()
	deadline := time.After(10 * time.Second)
	var got []string
	for {
		select {
		case d := <-c.mailbox.Deliveries():
			if got = append(got, d.Type); d.Type == kind {
				return
			}
		case <-deadline:
			c.t.Fatalf("the user gets %v and no %s", got, kind)
		}
	}
}

func (c *course) session() *control.Session {
	c.t.Helper()
	s, err := c.store.Sessions.Get(c.t.Context(), "s")
	if err != nil {
		c.t.Fatal(err)
	}
	return s
}

// is fails the test unless what was played has had its effect.
func (c *course) is(what string, well bool) {
	c.t.Helper()
	if !well {
		c.t.Fatalf("after %s: %s is not so: %+v", c.played[len(c.played)-1], what, c.session())
	}
}

// Whatever an older release has sent, today's handlers act on.
func TestHandle_MessagesOfOtherReleases(t *testing.T) {
	releases, err := filepath.Glob(filepath.Join(goldenDir, "*"))
	if err != nil || len(releases) < 2 {
		t.Fatalf("releases: %v, %v", releases, err)
	}
	for _, dir := range releases {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			c := newCourse(t, dir)
			c.enter()
			c.receive()
			c.leave()
			for _, kind := range c.handler.Types() {
				file := filepath.Join(dir, kind+".json")
				if _, err := os.Stat(file); err == nil && !slices.Contains(c.played, kind) {
					t.Errorf("%s is not played", file)
				}
			}
		})
	}
}

// enter is the part of one who joins and publishes.
func (c *course) enter() {
	c.play(message.TypeCreateSession)
	c.is("the session", c.session().MaxUsers == 5 && c.session().Metadata == `{"a":1}`)
	c.play(message.TypeJoin)
	c.gets(message.UserTypeJoined)
	c.is("its name", c.session().User("ann").Name == "Ann" && c.session().Pipeline.ID == "pipeline-1")
	c.play(message.TypePublish)
	c.gets(message.UserTypeAnswer)
	c.is("a stream", len(c.session().User("ann").Streams) == 1)
	c.play(message.TypeAddCandidates)
	c.play(message.TypePauseStream)
	c.gets(message.UserTypeStreamUpdated)
	c.play(message.TypeMediaSpeakers)
	c.gets(message.UserTypeSpeakers)
}

// receive is the part of one who receives and watches.
func (c *course) receive() {
	c.play(message.TypeSetSubscriptions)
	c.is("what it wants", c.session().User("ann").Subscriptions.Mode == control.SubscribeList)
	c.play(message.TypeMediaOffer)
	c.gets(message.UserTypeOffer)
	c.play(message.TypeSubscribeAnswer)
	c.play(message.TypeMediaState)
	c.gets(message.UserTypeConnectionState)
	c.is("connected", c.session().Connection("ann", control.Subscribe).State == control.ConnectionConnected)
	c.play(message.TypeMediaCandidate)
	c.gets(message.UserTypeCandidate)
	c.play(message.TypeMediaQuality)
	c.gets(message.UserTypeQuality)
	c.play(message.TypeRequestOffer)
	c.play(message.TypeUnsubscribe)
	c.play(message.TypeView)
	viewing, err := c.store.Negotiations.Get(c.t.Context(), control.NegotiationID("s", "viewer", control.View))
	c.is(fmt.Sprintf("a viewer (%v)", err), err == nil && viewing.Endpoint == "view-viewer")
	c.play(message.TypeEndView)
	c.is("the viewer is gone", slices.Contains(c.media.released, "view-viewer"))
}

// leave is the part of the end.
func (c *course) leave() {
	c.play(message.TypeSync)
	c.gets(message.UserTypeSync)
	c.play(message.TypeQueueFull)
	c.play(message.TypeUnpublish)
	c.gets(message.UserTypeStreamRemoved)
	c.play(message.TypeRebuild)
	c.gets(message.UserTypeReconnect)
	c.is("the next epoch", c.session().Epoch == 2)
	if _, err := os.Stat(filepath.Join(c.dir, message.TypeRelocate+".json")); err == nil {
		c.play(message.TypeRelocate) // of the pipeline before: it has nothing to do
	}
	c.play(message.TypeLeave)
	c.is("still in it, heard of since then", c.session().User("ann") != nil)
	c.play(message.TypeCloseSession)
	c.is("it is closed", c.session().State == control.SessionClosed)
	var closed struct{ Reason string }
	body, err := os.ReadFile(filepath.Join(c.dir, message.TypeCloseSession+".json"))
	if err == nil {
		err = json.Unmarshal(body, &closed)
	}
	c.is(fmt.Sprintf("why (%v)", err), c.session().CloseReason == closed.Reason)
}
