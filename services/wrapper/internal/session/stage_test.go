package session_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.mongodb.org/mongo-driver/bson"
	driver "go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/mediaapi"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/pkg/testkit/fate"
	"github.com/orkestro/orkestro/pkg/testkit/mongo"
	"github.com/orkestro/orkestro/services/wrapper/internal/consume"
	"github.com/orkestro/orkestro/services/wrapper/internal/session"
)

// theatre is one database for many stages, one after the other: opening one takes longer than a whole play.
type theatre struct {
	tb      testing.TB
	store   *store.Store // of the Wrapper that lives
	victims *store.Store // of the mortal one
	raw     *driver.Database
	fate    *fate.Fate
}

func newTheatre(t *testing.T) *theatre {
	t.Helper()
	url, database := mongo.URL(t)
	h := &theatre{tb: t, fate: &fate.Fate{}}
	open := func(url string) *store.Store {
		st, err := store.Open(t.Context(), url, database)
		must(t, err)
		t.Cleanup(func() { _ = st.Close(context.Background()) })
		return st
	}
	h.store, h.victims = open(url), open(mongo.Mortal(t, url, h.fate.Pass))
	client, err := driver.Connect(t.Context(), options.Client().ApplyURI(url))
	must(t, err)
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	h.raw = client.Database(database)
	return h
}

// compared are the collections that hold what a request leaves behind.
var compared = []string{"sessions", "negotiations", "presence", "audit"}

// stage is two Wrappers, from the broker's delivery to its acknowledgement: one that lives and one that is mortal.
type stage struct {
	*world
	theatre *theatre
	living  *consume.Consumer
	mortal  *consume.Consumer
	spare   []control.MediaServer
}

func (h *theatre) newStage() *stage {
	h.tb.Helper()
	for _, name := range append(compared, "mediaservers") {
		_, err := h.raw.Collection(name).DeleteMany(h.tb.Context(), bson.M{})
		must(h.tb, err)
	}
	s := &stage{world: worldOn(h.tb, h.store), theatre: h}
	must(h.tb, s.broker.DeclareQueue(s.ctx, broker.Queue{Name: replies}))
	s.spare, s.fleet.list = s.fleet.list[1:], s.fleet.list[:1] // where a pipeline is made shall not depend on who died
	victim := &victim{Broker: fate.Broker{Broker: s.broker, Fate: h.fate}, servers: s.fleet}
	s.living = newConsumer(h.store, s.broker, s.fleet)
	s.mortal = newConsumer(h.victims, &victim.Broker, victim)
	return s
}

const replies = "replies"

func newConsumer(st *store.Store, b session.Broker, f session.Fleet) *consume.Consumer {
	log := slog.New(slog.DiscardHandler)
	cfg := session.Config{ICEServers: []control.ICEServer{}, MaxFailures: 2, Forget: time.Hour, Replica: "w"}
	service := session.New(cfg, st, b, f, session.NewMetrics(prometheus.NewRegistry()), log)
	return consume.New(consume.Config{Concurrency: 1, MaxAttempts: 100, Timeout: time.Minute}, service, b,
		consume.NewMetrics(prometheus.NewRegistry()), log)
}

// letter is a message as it is delivered to Wrappers.
type letter struct {
	kind string
	id   string
	body any
}

func (l letter) delivery(tb testing.TB) broker.Delivery {
	tb.Helper()
	body, err := json.Marshal(l.body)
	must(tb, err)
	return broker.Delivery{Message: broker.Message{
		ID: l.id, Type: l.kind, Session: string(sid), Time: time.Now(), Version: message.Version, ReplyTo: replies,
		Body: body,
	}}
}

// deliver has the living Wrapper handle messages to their end, and what they put on the session's queue.
func (s *stage) deliver(letters ...letter) {
	s.tb.Helper()
	for _, l := range letters {
		s.handle(l.delivery(s.tb))
		s.settle()
	}
}

func (s *stage) handle(d broker.Delivery) {
	s.tb.Helper()
	for range 20 {
		if err := s.living.Handle(s.ctx, d); err == nil {
			return
		}
		d.Attempts++
	}
	s.tb.Fatalf("%s %s does not end", d.Type, d.ID)
}

// settle handles what lies on the session's queue.
func (s *stage) settle() {
	s.tb.Helper()
	for {
		waiting := s.drain(message.SessionQueue(sid).Name)
		if len(waiting) == 0 {
			return
		}
		for _, m := range waiting {
			s.handle(broker.Delivery{Message: m})
		}
	}
}

// outcome is everything that a play has left behind, without the times of day.
func (s *stage) outcome() map[string]any {
	s.tb.Helper()
	all := map[string]any{"media": s.media()}
	for _, name := range compared {
		cursor, err := s.theatre.raw.Collection(name).Find(s.ctx, bson.M{}, options.Find().SetSort(bson.M{"_id": 1}))
		must(s.tb, err)
		var documents []bson.M
		must(s.tb, cursor.All(s.ctx, &documents))
		all[name] = documents
	}
	for _, user := range []control.UserID{"a", "b"} {
		all["messages to "+string(user)] = once(s.drain(message.UserQueue(sid, user).Name))
		all["queue of "+string(user)] = s.there(message.UserQueue(sid, user).Name)
	}
	all["replies"] = once(s.drain(replies))
	all["queue"] = s.there(message.SessionQueue(sid).Name)
	err := s.broker.Broadcast(s.ctx, message.SessionExchange(sid), broker.Message{ID: "nothing"})
	all["exchange"] = !errors.Is(err, broker.ErrNotFound)
	return plain(s.tb, all)
}

func (s *stage) there(queue string) bool {
	_, err := s.broker.Inspect(s.ctx, queue)
	return err == nil
}

// media is what the media servers have.
func (s *stage) media() map[string]any {
	all := map[string]any{}
	for id, m := range s.fleet.byID {
		for pipeline, key := range m.pipelines {
			all[pipeline] = key
		}
		for name, e := range m.endpoints {
			all[name] = fmt.Sprint(id, e.pipeline, e.key, e.answers, e.answered, e.stopped, e.paused, e.subscriptions)
		}
	}
	return all
}

// once is messages by their ids, each as it came first: what a client makes of them. A sync that says what the joined
// or sync before it said is nothing new to it.
func once(messages []broker.Message) []map[string]any {
	list := []map[string]any{}
	seen := map[string]bool{}
	known := ""
	for _, m := range messages {
		if seen[m.ID] {
			continue
		}
		seen[m.ID] = true
		if m.Type == message.UserTypeJoined || m.Type == message.UserTypeSync {
			before := known
			if known = usersIn(m.Body); known == before && m.Type == message.UserTypeSync {
				continue
			}
		}
		list = append(list, map[string]any{"id": m.ID, "type": m.Type, "body": json.RawMessage(m.Body)})
	}
	return list
}

// usersIn is the users that a message tells of, and what they publish.
func usersIn(body []byte) string {
	var told struct {
		Data struct {
			Epoch int64           `json:"epoch"`
			Users json.RawMessage `json:"users"`
		} `json:"data"`
	}
	_ = json.Unmarshal(body, &told)
	return fmt.Sprint(told.Data.Epoch, string(told.Data.Users))
}

// plain is value as JSON has it, with each time of day replaced.
func plain(tb testing.TB, value any) map[string]any {
	tb.Helper()
	data, err := json.Marshal(value)
	must(tb, err)
	var decoded map[string]any
	must(tb, json.Unmarshal(data, &decoded))
	timeless(decoded)
	return decoded
}

var times = []string{
	"time", "createdAt", "joinedAt", "changedAt", "updatedAt", "closedAt", "expireAt", "emptySince", "seenAt",
	"heartbeatAt", "CreatedAt", "JoinedAt", "EmptySince", "startedAt", "since", "until", "pipelineAt",
}

// counters tell how often something was written, not what is there; links tell when, and after what, an entry of the
// audit was.
var (
	counters = []string{"streamsRev", "StreamsRev", "Told"}
	links    = []string{"seq", "previous", "hash"}
)

func timeless(value any) {
	switch v := value.(type) {
	case map[string]any:
		for _, counter := range counters {
			delete(v, counter)
		}
		if _, chained := v["hash"]; chained {
			for _, link := range links {
				delete(v, link)
			}
		}
		for key, field := range v {
			if field != nil && slices.Contains(times, key) {
				v[key] = "some time"
			} else {
				timeless(field)
			}
		}
	case []any:
		for _, element := range v {
			timeless(element)
		}
	}
}

// victim is broker and fleet as the mortal Wrapper sees them.
type victim struct {
	fate.Broker
	*servers
}

func (v *victim) Media(ctx context.Context, id control.MediaServerID) (session.Media, error) {
	media, err := v.servers.Media(ctx, id)
	return &mortalMedia{media, v.Fate}, err
}

// mortalMedia is a media server, each call of which is an effect.
type mortalMedia struct {
	session.Media
	fate *fate.Fate
}

func (m *mortalMedia) CreatePipeline(ctx context.Context, p mediaapi.PipelineParams) (string, error) {
	return fate.Get(m.fate, "create pipeline", func() (string, error) { return m.Media.CreatePipeline(ctx, p) })
}

func (m *mortalMedia) CreatePublishEndpoint(ctx context.Context, p mediaapi.EndpointParams) (string, error) {
	return fate.Get(m.fate, "create publish endpoint",
		func() (string, error) { return m.Media.CreatePublishEndpoint(ctx, p) })
}

func (m *mortalMedia) CreateSubscribeEndpoint(ctx context.Context, p mediaapi.EndpointParams) (string, error) {
	return fate.Get(m.fate, "create subscribe endpoint",
		func() (string, error) { return m.Media.CreateSubscribeEndpoint(ctx, p) })
}

func (m *mortalMedia) CreateViewEndpoint(ctx context.Context, p mediaapi.EndpointParams) (string, error) {
	return fate.Get(m.fate, "create view endpoint",
		func() (string, error) { return m.Media.CreateViewEndpoint(ctx, p) })
}

func (m *mortalMedia) Release(ctx context.Context, id string) error {
	return m.fate.Do("release "+id, func() error { return m.Media.Release(ctx, id) })
}

func (m *mortalMedia) SetPaused(ctx context.Context, id string, p mediaapi.SetPaused) error {
	return m.fate.Do("set paused", func() error { return m.Media.SetPaused(ctx, id, p) })
}

func (m *mortalMedia) SetSubscriptions(ctx context.Context, id string, p mediaapi.SetSubscriptions) error {
	return m.fate.Do("set subscriptions", func() error { return m.Media.SetSubscriptions(ctx, id, p) })
}

func (m *mortalMedia) Stop(ctx context.Context, id string, p mediaapi.Stop) error {
	return m.fate.Do("stop", func() error { return m.Media.Stop(ctx, id, p) })
}

func (m *mortalMedia) ProcessOffer(
	ctx context.Context, id string, p mediaapi.ProcessOffer,
) (mediaapi.ProcessedOffer, error) {
	return fate.Get(m.fate, "process offer",
		func() (mediaapi.ProcessedOffer, error) { return m.Media.ProcessOffer(ctx, id, p) })
}

func (m *mortalMedia) ProcessAnswer(ctx context.Context, id string, p mediaapi.ProcessAnswer) error {
	return m.fate.Do("process answer", func() error { return m.Media.ProcessAnswer(ctx, id, p) })
}

func (m *mortalMedia) RequestOffer(ctx context.Context, id string, p mediaapi.RequestOffer) error {
	return m.fate.Do("request offer", func() error { return m.Media.RequestOffer(ctx, id, p) })
}

func (m *mortalMedia) AddICECandidates(ctx context.Context, id string, p mediaapi.AddICECandidates) error {
	return m.fate.Do("add candidates", func() error { return m.Media.AddICECandidates(ctx, id, p) })
}
